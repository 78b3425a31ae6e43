# Everything sets up .venv by itself; all that must be there is make and Python 3.11 or newer.

SHELL := /bin/sh
ARGS ?=
VENV := .venv
BIN := $(VENV)/bin
# pyenv and others put names on the path that do not run: each is tried.
PYTHON ?= $(shell for p in python3.13 python3.12 python3.11 python3 python3.14; do \
	$$p -c 'import sys; sys.exit(sys.version_info < (3, 11))' >/dev/null 2>&1 && { echo $$p; break; }; done)

.DEFAULT_GOAL := help
.PHONY: help demo test check bench sim format pins clean

help: ## what there is
	@grep -E '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed 's/:.*## /|/' | \
		while IFS='|' read -r name what; do printf '  make %-8s %s\n' "$$name" "$$what"; done

demo: $(VENV)/.ready ## the whole loop on this machine; ARGS="--once --shots out" plays by itself
	@$(BIN)/python -m demo $(ARGS)

test: $(VENV)/.ready ## the tests; ARGS="-k relay" for some of them
	@$(BIN)/python -m pytest $(ARGS)

check: $(VENV)/.ready ## format, lint and types
	@$(BIN)/ruff format --check .
	@$(BIN)/ruff check .
	@$(BIN)/mypy

bench: $(VENV)/.ready ## the measurements, as a table
	@$(BIN)/python -m benchmarks $(ARGS)

sim: $(VENV)/.ready ## the simulated arcade; ARGS="--runs 10000 --seed 7"
	@$(BIN)/python -m tests.simulation $(ARGS)

format: $(VENV)/.ready ## puts the code into its form
	@$(BIN)/ruff format .
	@$(BIN)/ruff check --fix .

pins: $(VENV)/.ready ## takes the newest versions that fit pyproject.toml
	@rm -rf .venv-pins && $(PYTHON) -m venv .venv-pins
	@.venv-pins/bin/pip install --quiet --disable-pip-version-check '.[dev]'
	@.venv-pins/bin/pip freeze --exclude arcade-kiosk | grep -v ' @ ' > requirements.txt
	@rm -rf .venv-pins
	@echo "requirements.txt is new: look at the difference, then make test"

clean: ## takes away what was made here
	@rm -rf $(VENV) .venv-pins build dist out .mypy_cache .pytest_cache .ruff_cache

$(VENV)/.ready: pyproject.toml requirements.txt
	@test -n "$(PYTHON)" || { echo "Python 3.11 or newer is needed: install it, or name one, as in make PYTHON=/path/to/python3" >&2; exit 1; }
	@echo "Setting up $(VENV) with $(PYTHON) (once, about a minute) ..." >&2
	@rm -rf $(VENV)
	@$(PYTHON) -m venv $(VENV) >/tmp/venv.$$$$ 2>&1 || { cat /tmp/venv.$$$$ >&2; rm -f /tmp/venv.$$$$; \
		echo "Python's venv module is incomplete: on Debian, apt install python3-venv" >&2; exit 1; }; rm -f /tmp/venv.$$$$
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check -r requirements.txt 2>$(VENV)/pip.log \
		|| { cat $(VENV)/pip.log >&2; exit 1; }
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps -e . 2>$(VENV)/pip.log \
		|| { cat $(VENV)/pip.log >&2; exit 1; }
	@touch $@
