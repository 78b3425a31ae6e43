# Everything sets up .venv by itself; all that must be there is make and Python 3.11 or newer.

SHELL := /bin/sh
ARGS ?=
VENV := .venv
SAM := .venv-sam
PINS := .venv-pins
BIN := $(VENV)/bin
PYTEST = $(BIN)/python -m pytest --numprocesses auto --maxprocesses 8 --dist loadscope
# pyenv and others put names on the path that do not run: each is tried.
PYTHON ?= $(shell for p in python3.13 python3.12 python3.11 python3 python3.14; do \
	$$p -c 'import sys; sys.exit(sys.version_info < (3, 11))' >/dev/null 2>&1 && { echo $$p; break; }; done)

# Pins that hold on every platform and Python of pyproject.toml, without addresses.
COMPILE = $(PINS)/bin/uv pip compile --quiet --upgrade --universal --fork-strategy fewest \
	--python-version 3.11 --no-header --no-annotate --no-emit-index-url --no-emit-find-links

# Each tells what happened only if it failed.
define need_python
test -n "$(PYTHON)" || { echo "Python 3.11 or newer is needed:" \
	"install it, or name one, as in make PYTHON=/path/to/python3" >&2; exit 1; }
endef
define make_venv
rm -rf $(1) $(1).log; $(PYTHON) -m venv $(1) >$(1).log 2>&1 || { cat $(1).log >&2; rm -rf $(1) $(1).log; \
	echo "Python's venv module is incomplete: on Debian, apt install python3-venv" >&2; exit 1; }; rm -f $(1).log
endef
define quietly
$(1)/bin/python -m pip install --quiet --disable-pip-version-check $(2) >$(1)/pip.log 2>&1 \
	|| { cat $(1)/pip.log >&2; exit 1; }
endef

.DEFAULT_GOAL := help
.PHONY: help demo test test-all check bench bill gallery movie sounds sim exhaustive format deploy sam dynalite pins clean

help: ## what there is
	@grep -E '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed 's/:.*## /|/' | \
		while IFS='|' read -r name what; do printf '  make %-10s %s\n' "$$name" "$$what"; done

demo: $(VENV)/.ready ## the whole loop on this machine; ARGS="--once --shots out" plays by itself
	@$(BIN)/python -m demo $(ARGS)

test: $(VENV)/.ready ## the tests but for the slow ones; ARGS=tests/cloud or ARGS="-k relay" for some
	@$(PYTEST) -m "not slow" $(ARGS)

test-all: $(VENV)/.ready ## all tests; ARGS as for make test
	@$(PYTEST) $(ARGS)

check: $(VENV)/.ready ## format, lint, types, and what systemd and SAM say of their files
	@$(BIN)/ruff format --check .
	@$(BIN)/ruff check .
	@$(BIN)/mypy
	@$(BIN)/python -m pytest tests/project/test_unit.py tests/project/test_template.py

bench: $(VENV)/.ready ## the measurements, as a table
	@$(BIN)/python -m benchmarks $(ARGS)

bill: $(VENV)/.ready ## what a month costs, for 1 to 10,000 cabinets
	@PYTHONPATH=lambda $(BIN)/python -m benchmarks.bill

gallery: $(VENV)/.ready ## pictures of every screen, with a page: out/gallery/index.html
	@$(BIN)/python -m tools.gallery $(ARGS)

movie: $(VENV)/.ready ## the README's moving picture of one payment
	@$(BIN)/python -m tools.movie $(ARGS)

sounds: $(VENV)/.ready ## makes the sounds in assets/sounds anew
	@$(BIN)/python -m tools.sounds

SEED ?= 0
RUNS ?= 300
CABINETS ?= 2
sim: $(VENV)/.ready ## the simulated arcade with all faults on; SEED= RUNS= CABINETS=, or CENTURY=1
	@$(BIN)/python -m tests.simulation --seed $(SEED) --runs $(RUNS) --cabinets $(CABINETS) \
		$(if $(CENTURY),--century) $(ARGS)

exhaustive: $(VENV)/.ready ## all interleavings of one cabinet and each fault, five minutes of them
	@$(BIN)/python -m tests.exhaustive $(ARGS)

format: $(VENV)/.ready ## puts the code into its form
	@$(BIN)/ruff format .
	@$(BIN)/ruff check --fix .

deploy: $(VENV)/.ready $(SAM)/.ready ## puts the cloud on AWS, or makes what is missing; docs/deploy.md
	@$(BIN)/python -m deploy $(ARGS)

sam: $(SAM)/.ready ## the SAM command for make check, some 200 MB

DYNALITE := tests/plugins/dynalite
dynalite: $(DYNALITE)/node_modules/.ready ## the second DynamoDB of the tests, 10 MB; needs node and npm

pins: $(VENV)/.ready ## takes the newest versions that fit pyproject.toml
	@rm -rf $(PINS) && $(PYTHON) -m venv $(PINS) && $(PINS)/bin/pip install --quiet uv
	@$(COMPILE) --extra dev pyproject.toml --output-file requirements.txt
	@$(BIN)/python -c 'import tomllib; print(*tomllib.load(open("pyproject.toml", "rb"))["project"]["optional-dependencies"]["cloud"], sep="\n")' | \
		$(COMPILE) --constraint requirements.txt --output-file lambda/requirements.txt -
	@$(BIN)/python -c 'import tomllib; extras = tomllib.load(open("pyproject.toml", "rb"))["project"]["optional-dependencies"]; print(*extras["cloud"], *[d for d in extras["serve"] if "[" not in d], sep="\n")' | \
		$(COMPILE) --constraint requirements.txt --output-file lambda/requirements-serve.txt -
	@echo aws-sam-cli | $(COMPILE) --output-file requirements-sam.txt -
	@rm -rf $(PINS)
	@echo "The pins are new: look at the differences, then make check and make test"

clean: ## takes away what was made here
	@rm -rf $(VENV) $(SAM) $(PINS) $(DYNALITE)/node_modules build dist out .mypy_cache .pytest_cache .ruff_cache

$(VENV)/.ready: pyproject.toml lambda/pyproject.toml requirements.txt
	@$(need_python)
	@echo "Setting up $(VENV) with $(PYTHON) (once, about a minute) ..." >&2
	@$(call make_venv,$(VENV))
	@$(call quietly,$(VENV),-r requirements.txt)
	@$(call quietly,$(VENV),--no-deps --no-build-isolation -e . -e ./lambda)
	@touch $@

$(SAM)/.ready: requirements-sam.txt
	@$(need_python)
	@echo "Setting up $(SAM) (once, about a minute) ..." >&2
	@$(call make_venv,$(SAM))
	@$(call quietly,$(SAM),-r requirements-sam.txt)
	@touch $@

$(DYNALITE)/node_modules/.ready: $(DYNALITE)/package-lock.json
	@command -v npm >/dev/null || { echo "npm is needed: on Debian, apt install nodejs npm" >&2; exit 1; }
	@cd $(DYNALITE) && npm ci --silent --no-audit --no-fund
	@touch $@
