"""Install the pinned uv into a folder, with the standard library only.

If Python has venv and pip, uv is installed through them, so that the machine's pip configuration (mirror, proxy,
certificates) applies. Otherwise, for example on a Debian without python3-venv, uv's wheel is unpacked directly from the
package index. In both cases locks/uv.txt must have its digest.
"""

import hashlib
import importlib.util
import io
import json
import os
import platform
import re
import subprocess
import sys
import urllib.request
import venv
import zipfile
from pathlib import Path

LOCK = Path(__file__).parent / "locks" / "uv.txt"
INDEX_URL = os.environ.get("PIP_INDEX_URL", "https://pypi.org/simple").rstrip("/")
INDEX_FORMAT = "application/vnd.pypi.simple.v1+json"
PLATFORM_TAGS = {
    ("Linux", "x86_64"): "manylinux_2_17_x86_64",
    ("Linux", "aarch64"): "manylinux_2_17_aarch64",
    ("Darwin", "x86_64"): "macosx_10_12_x86_64",
    ("Darwin", "arm64"): "macosx_11_0_arm64",
}


def main(folder: Path) -> None:
    """Install a working `<folder>/bin/uv`, or exit with one sentence that says what is missing."""
    if importlib.util.find_spec("ensurepip") is None:
        unpack_wheel(folder / "bin")
        return
    venv.create(folder, clear=True, with_pip=True)
    pip = [str(folder / "bin" / "python"), "-m", "pip", "--quiet", "--disable-pip-version-check"]
    done = subprocess.run([*pip, "install", "--require-hashes", "-r", str(LOCK)], check=False)
    if done.returncode != 0:
        sys.exit("pip could not install uv: is the package index reachable from here?")


def unpack_wheel(bin_folder: Path) -> None:
    """Fetch the wheel that the lock pins, check its digest, and unpack its program."""
    lock = LOCK.read_text()
    version = re.findall(r"^uv==(\S+)", lock, re.MULTILINE)[0]
    tag = PLATFORM_TAGS.get((platform.system(), platform.machine()))
    if tag is None:
        sys.exit(f"no uv for {platform.system()} {platform.machine()}: install Python's venv module first")
    question = urllib.request.Request(f"{INDEX_URL}/uv/", headers={"Accept": INDEX_FORMAT})
    with urllib.request.urlopen(question, timeout=60) as answer:
        files = json.load(answer)["files"]
    wheel = next(f for f in files if f["filename"].startswith(f"uv-{version}-") and tag in f["filename"])
    with urllib.request.urlopen(wheel["url"], timeout=300) as answer:
        content = answer.read()
    if f"sha256:{hashlib.sha256(content).hexdigest()}" not in lock:
        sys.exit(f"{wheel['filename']} has another digest than {LOCK.name} pins")
    bin_folder.mkdir(parents=True, exist_ok=True)
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        program = next(name for name in archive.namelist() if name.endswith("/scripts/uv"))
        target = bin_folder / "uv"
        target.write_bytes(archive.read(program))
    target.chmod(0o755)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
