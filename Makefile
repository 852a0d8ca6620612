# Everything a developer does with Tallygate. `make help` lists it. Only Python 3.11+ and make are presumed: whatever
# else is needed is installed, in pinned versions, into .venv and .local, and nothing outside this folder is touched.

.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
.SUFFIXES:

# The first interpreter that is new enough; `make PYTHON=/path/to/python …` overrides it.
PYTHON ?= $(shell for p in python3 python3.13 python3.12 python3.11 python3.14 python; do \
	command -v $$p >/dev/null 2>&1 && $$p -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null \
	&& { command -v $$p; break; }; done)

UV := .local/uv/bin/uv
STAMPS := .local/stamps
VENV := $(STAMPS)/venv

# uv uses the interpreter above and never fetches one; caches and environments stay in this folder.
export UV_PYTHON := $(PYTHON)
export UV_PYTHON_DOWNLOADS := never
export UV_NO_PROGRESS := 1
unexport VIRTUAL_ENV PYTHONPATH PYTHONHOME

say = @echo "==> $(1)"

.PHONY: help
help: ## this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  make %-8s %s\n", $$1, $$2}' Makefile

.PHONY: python
python:
	@test -n "$(PYTHON)" || { echo "Tallygate needs Python 3.11 or newer; 'python3' here is: $$(python3 -V 2>&1)." \
	"Install one, or name it: make PYTHON=/path/to/python3 …" >&2; exit 1; }

$(UV): tools/bootstrap_uv.py | python
	$(call say,installing uv into .local/uv)
	@$(PYTHON) tools/bootstrap_uv.py .local/uv

.PHONY: venv
venv: $(VENV) ## .venv with the libraries and checkers, as uv.lock says
$(VENV): pyproject.toml uv.lock | $(UV)
	$(call say,installing the libraries and checkers into .venv)
	@$(UV) sync --frozen --quiet
	@mkdir -p $(@D) && touch $@
