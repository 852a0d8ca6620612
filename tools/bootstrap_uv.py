"""Put the pinned uv into a folder, with nothing but the standard library at hand.

Decides only how uv arrives: through a virtual environment and its pip where Python has both, so that the
machine's pip configuration (mirror, proxy, certificates) is honoured; else, as on a Debian without
python3-venv, by unpacking uv's wheel straight from the package index, its digest checked against the index's.
"""

import hashlib
import importlib.util
import io
import json
import os
import platform
import stat
import subprocess
import sys
import urllib.request
import venv
import zipfile
from pathlib import Path

VERSION = "0.13.8"
INDEX_URL = f"https://pypi.org/pypi/uv/{VERSION}/json"
PLATFORM_TAGS = {
    ("Linux", "x86_64"): "manylinux_2_17_x86_64",
    ("Linux", "aarch64"): "manylinux_2_17_aarch64",
    ("Darwin", "x86_64"): "macosx_10_12_x86_64",
    ("Darwin", "arm64"): "macosx_11_0_arm64",
}


def main(folder: Path) -> None:
    """Leave a working `<folder>/bin/uv` behind, or exit with one sentence that says what is missing."""
    if importlib.util.find_spec("ensurepip") is not None:
        venv.create(folder, clear=True, with_pip=True)
        pip = [str(folder / "bin" / "python"), "-m", "pip", "--quiet", "--disable-pip-version-check"]
        done = subprocess.run([*pip, "install", f"uv=={VERSION}"], check=False)
        if done.returncode != 0:
            sys.exit(f"pip could not install uv {VERSION}: is the package index reachable from here?")
        return
    unpack_wheel(folder / "bin")


def unpack_wheel(bin_folder: Path) -> None:
    tag = PLATFORM_TAGS.get((platform.system(), platform.machine()))
    if tag is None:
        sys.exit(f"no uv for {platform.system()} {platform.machine()}: install Python's venv module first")
    with urllib.request.urlopen(INDEX_URL, timeout=60) as answer:
        wheels = json.load(answer)["urls"]
    wheel = next(entry for entry in wheels if tag in entry["filename"])
    with urllib.request.urlopen(wheel["url"], timeout=300) as answer:
        content = answer.read()
    if hashlib.sha256(content).hexdigest() != wheel["digests"]["sha256"]:
        sys.exit(f"{wheel['filename']} arrived damaged: its digest is not the one that the index states")
    bin_folder.mkdir(parents=True, exist_ok=True)
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        program = next(name for name in archive.namelist() if name.endswith("/scripts/uv"))
        target = bin_folder / "uv"
        target.write_bytes(archive.read(program))
    target.chmod(target.stat().st_mode | stat.S_IXUSR | stat.S_IXGRP | stat.S_IXOTH)


if __name__ == "__main__":
    os.umask(0o022)
    main(Path(sys.argv[1]))
