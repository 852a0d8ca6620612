# All commands for developers of Tallygate; `make help` lists them. They need only Python 3.11+ and make. Everything else
# is installed in pinned versions into .venv and .local. Nothing outside this folder is changed.

.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
.SUFFIXES:
MAKEFLAGS += --no-print-directory

# The first interpreter for which Lambda has a runtime; `make PYTHON=/path/to/python …` selects another.
PYTHON ?= $(shell for p in python3 python3.13 python3.12 python3.11 python3.14 python; do \
	command -v $$p >/dev/null 2>&1 && $$p -c 'import sys; sys.exit(not (3, 11) <= sys.version_info < (3, 15))' \
	2>/dev/null && { command -v $$p; break; }; done)

# For make run: the port of the emulator, the folder of the stack, DETACH=1 to return once it is ready, TOUR=0 for no
# tour, FRESH=1 to remove the state of earlier runs first.
PORT ?= 4566
STATE ?= .local
DETACH ?=
FRESH ?=
TOUR ?= 1

UV := .local/uv/bin/uv
STAMPS := .local/stamps
# The layer is on the module path, as in the functions.
RUN := PYTHONPATH="$(CURDIR)/layers/tallygate/python" .venv/bin/python -m
FUNCTIONS := $(sort $(notdir $(patsubst %/,%,$(dir $(wildcard functions/*/app.py)))))

# uv uses the interpreter above and never fetches one.
export UV_PYTHON := $(PYTHON)
export UV_PYTHON_DOWNLOADS := never
export UV_NO_PROGRESS := 1
export PYTHONDONTWRITEBYTECODE := 1
unexport VIRTUAL_ENV PYTHONPATH PYTHONHOME UV_PROJECT_ENVIRONMENT

say = @echo "==> $(1)"

.PHONY: help
help: ## this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  make %-8s %s\n", $$1, $$2}' Makefile

# ---------------------------------------------------------------------------------------------------------------------
# What a person does
# ---------------------------------------------------------------------------------------------------------------------

.PHONY: run stop logs demo apply test check bench deploy key refold clean
run: venv tools ## run the whole stack on this machine, with a tour (PORT=n, DETACH=1, TOUR=0, FRESH=1)
	@$(RUN) local.stack run --port $(PORT) --folder "$(STATE)" $(if $(DETACH),--detach) $(if $(filter 0,$(TOUR)),--no-tour) \
		$(if $(FRESH),--fresh)

stop: venv ## stop the stack and keep its state
	@$(RUN) local.stack stop --folder "$(STATE)"

logs: venv ## show what the functions logged (FUNCTION=check)
	@$(RUN) local.stack logs --folder "$(STATE)" $(if $(FUNCTION),--function $(FUNCTION))

demo: venv tools ## send an hour of LLM traffic through the running stack (QUICK=1 for its first ten minutes)
	@$(RUN) local.demo --folder "$(STATE)" $(if $(QUICK),--quick)

apply: venv ## apply a catalog: FILE=catalog.yaml|json (DRY=1 shows what changes; API=… KEY=… for any stack)
	@$(RUN) local.apply "$(FILE)" --folder "$(STATE)" --api "$(API)" --key "$(KEY)" $(if $(DRY),--dry-run)

# The fastest tests come first.
test: venv tools dynoxide $(STAMPS)/clients ## run every test, set-up included
	$(call say,domain and template)
	@.venv/bin/pytest -n auto tests/domain tests/template
	$(call say,everything else in process)
	@.venv/bin/pytest -n auto tests --ignore tests/domain --ignore tests/template --ignore tests/stack
	$(call say,the deployed stack)
	@.venv/bin/pytest tests/stack

check: venv $(STAMPS)/sam ## check format, lint, types, template, import direction
	$(call say,ruff)
	@.venv/bin/ruff format --check --quiet
	@.venv/bin/ruff check --quiet
	$(call say,mypy)
	@.venv/bin/mypy --no-error-summary
	@for function in $(FUNCTIONS); do MYPYPATH=functions/$$function .venv/bin/mypy --no-error-summary \
		--no-explicit-package-bases --cache-dir .mypy_cache/$$function functions/$$function/*.py || exit 1; done
	$(call say,cfn-lint and sam validate)
	@.venv/bin/cfn-lint template.yaml
	@SAM_CLI_TELEMETRY=0 __SAM_CLI_APP_DIR=.local/sam AWS_DEFAULT_REGION=us-east-1 .local/sam/bin/sam validate --lint \
		>.local/sam/validate.log 2>&1 || { cat .local/sam/validate.log; exit 1; }
	$(call say,import direction and layer lock)
	@.venv/bin/pytest -q tests/template/test_direction.py tests/template/test_locks.py

bench: venv dynoxide ## measure requests, write units, CPU and wall time per operation
	@$(RUN) bench

RUNTIME = $(shell $(PYTHON) -c 'import sys; print("python%d.%d" % sys.version_info[:2])')
ARCHITECTURE ?= arm64
# The layer is built for this runtime and architecture, so `sam deploy --guided` must not ask for them.
deploy: venv $(STAMPS)/sam ## deploy to the account of your AWS credentials, asks first (ARCHITECTURE=x86_64, TAGS="a=b c=d")
	$(call say,building for $(RUNTIME) on $(ARCHITECTURE))
	@PATH="$(CURDIR)/.local/sam/bin:$$PATH" TALLYGATE_RUNTIME=$(RUNTIME) TALLYGATE_ARCHITECTURE=$(ARCHITECTURE) \
		TALLYGATE_UV="$(CURDIR)/$(UV)" .local/sam/bin/sam build \
		--parameter-overrides Runtime=$(RUNTIME) Architecture=$(ARCHITECTURE)
	@.local/sam/bin/sam deploy --guided $(if $(TAGS),--tags "$(TAGS)") --parameter-overrides \
		Runtime=$(RUNTIME) Architecture=$(ARCHITECTURE)

key: venv ## make the first API key of a deployed stack (STACK=tallygate NAME=first SCOPES="manage ingest check")
	@$(RUN) local.keys --stack "$(or $(STACK),tallygate)" --name "$(or $(NAME),first)" \
		--scopes "$(or $(SCOPES),manage ingest check)"

refold: venv ## count what the stream lost after a day without its reader (STACK=tallygate, CUSTOMER=acme)
	@$(RUN) local.refold --folder "$(STATE)" --stack "$(STACK)" --customer "$(CUSTOMER)"

clean: ## remove everything installed and built, and the local stack's state
	@[ ! -x .venv/bin/python ] || $(RUN) local.stack stop --folder "$(STATE)" --quiet
	rm -rf .local .venv .aws-sam .mypy_cache .ruff_cache .pytest_cache .hypothesis tests/node_modules

# ---------------------------------------------------------------------------------------------------------------------
# Installation. Every environment is made from a lock, and made again when its lock changes.
# ---------------------------------------------------------------------------------------------------------------------

.PHONY: python venv tools dynoxide locks
python:
	@test -n "$(PYTHON)" || { echo "Tallygate needs Python 3.11 to 3.14; 'python3' here is: $$(python3 -V 2>&1)." \
	"Install one, or name it: make PYTHON=/path/to/python3 …" >&2; exit 1; }

$(UV): tools/bootstrap_uv.py tools/locks/uv.txt | python
	$(call say,installing uv into .local/uv)
	@$(PYTHON) tools/bootstrap_uv.py .local/uv
	@touch $@

venv: $(STAMPS)/venv ## .venv with the libraries and checkers
$(STAMPS)/venv: pyproject.toml uv.lock | $(UV)
	$(call say,installing libraries and checkers into .venv)
	@$(UV) sync --frozen --quiet
	@mkdir -p $(@D) && touch $@

tools: $(STAMPS)/ministack $(STAMPS)/sam ## the emulator and the SAM CLI, each in its own environment
# The emulator's environment is also the Lambda runtime. So it has boto3 and no package that a layer brings.
$(STAMPS)/ministack $(STAMPS)/sam $(STAMPS)/node $(STAMPS)/clients: $(STAMPS)/%: tools/locks/%.txt | $(UV)
	$(call say,installing $* into .local/$*)
	@$(UV) venv --quiet --clear .local/$*
	@$(UV) pip install --quiet --require-hashes --python .local/$*/bin/python -r $<
	@mkdir -p $(@D) && touch $@

# Dynoxide, the engine of the storage tests, comes from npm, as do the compilers that check the OpenAPI document. On a
# machine without npm, npm comes from PyPI. The lock has the packages for Linux on x64, the platform of CI. Other
# platforms get their package of the same version.
DYNOXIDE := @dynoxide/$(shell uname -s | tr A-Z a-z)-$(patsubst x86_64,x64,$(patsubst aarch64,arm64,$(shell uname -m)))
dynoxide: $(STAMPS)/dynoxide
$(STAMPS)/dynoxide: tests/package.json tests/package-lock.json $(if $(shell command -v npm),,$(STAMPS)/node)
	$(call say,installing dynoxide into tests/node_modules)
	@export PATH="$$PATH:$(CURDIR)/.local/node/bin"; if [ $(DYNOXIDE) = @dynoxide/linux-x64 ]; then \
		npm ci --prefix tests --silent --no-fund --no-audit; else \
		npm install --prefix tests --no-save --no-package-lock --silent --no-fund --no-audit --force $(DYNOXIDE)@1.2.1; fi
	@mkdir -p $(@D) && touch $@

locks: | $(UV) ## resolve every lock again
	@$(UV) lock --quiet
	@$(UV) export --frozen --no-dev --no-emit-project --no-annotate --quiet --format requirements.txt \
		--output-file layers/dependencies/requirements.txt
	@for lock in uv sam ministack node clients; do UV_CUSTOM_COMPILE_COMMAND="make locks" $(UV) pip compile --quiet --universal \
		--python-version 3.11 --generate-hashes --no-annotate -o tools/locks/$$lock.txt tools/locks/$$lock.in \
		>/dev/null || exit 1; done
