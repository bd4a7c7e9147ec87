# Two commands matter: `make demo` shows Einklang, `make test` proves it. `make` alone lists the rest.
PYTHON ?= python3
PORT ?= 8787
HOME_DIR ?= ./einklang-home

BIN := .venv/bin
TOOLS := .venv/.tools-installed
PACKAGE := .venv/.package-installed
PIP := $(BIN)/python -m pip --disable-pip-version-check --no-input

# uv is six times as fast as pip (7 s against 46 s, cold) and reads no pip.conf: where it cannot, pip does it.
INSTALL = @echo "installing requirements/dev.txt into .venv"; \
	$(PIP) install --quiet --require-hashes --only-binary :all: --requirement requirements/uv.txt \
	&& $(BIN)/uv pip install --quiet --python $(BIN)/python --require-hashes --only-binary :all: --requirement requirements/dev.txt \
	|| $(PIP) install --quiet --require-hashes --only-binary :all: --requirement requirements/dev.txt

.DEFAULT_GOAL := help
.PHONY: help install demo check test lint format docs screenshots bench requirements clean

help: ## this list
	@awk -F ':.*## ' '/^[a-z]+:.*## / { printf "  make %-13s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

$(TOOLS): requirements/dev.txt
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Einklang needs Python 3.11 or newer: make PYTHON=python3.12 ...")'
	@$(PYTHON) -c 'import ensurepip, venv' 2>/dev/null || { echo "Python's venv module is missing; on Debian: apt install python3-venv" >&2; exit 1; }
	@test -x $(BIN)/python || $(PYTHON) -m venv .venv
	$(INSTALL)
	@touch $@

$(PACKAGE): $(TOOLS) pyproject.toml hatch_build.py
	$(PIP) install --quiet --no-deps --no-build-isolation --editable .
	@touch $@

install: $(PACKAGE) ## set up .venv: Einklang, its tools, the console; afterwards .venv/bin/einklang works
	@$(BIN)/python hatch_build.py

demo: install ## a demo company on http://127.0.0.1:8787 (PORT=, HOME_DIR= change it)
	$(BIN)/einklang demo --home $(HOME_DIR) --port $(PORT)

lint: $(PACKAGE) ## style, types and floors
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports --no-logo

check: lint ## the quick loop, under a minute: lint, house rules, quick unit tests
	CUTTING_LOGS=16 HYPOTHESIS_PROFILE=quick $(BIN)/pytest -q -n 2 -m "not slow and not browser and not real"

test: install lint ## everything
	CUTTING_LOGS=500 $(BIN)/pytest -n 2 --durations=20 -m "not browser"
	$(BIN)/pytest -n 2 --dist loadgroup --durations=5 -m browser  # apart: a browser leaves an event loop behind

format: $(PACKAGE) ## let ruff lay out and mend what it can
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

docs: $(PACKAGE) ## the pages that are made: docs/commands.md, docs/licences.md
	$(BIN)/python -m tools.commands
	$(BIN)/python -m tools.licences

screenshots: install ## the pictures in docs/img
	$(BIN)/python tools/screenshots.py

bench: install ## the benchmarks of docs/benchmarks.md
	$(BIN)/einklang bench

UV_COMPILE := $(BIN)/uv pip compile --quiet --universal --fork-strategy fewest --python-version 3.11 --generate-hashes \
	--no-emit-index-url --no-emit-find-links --no-annotate --no-header

requirements: $(TOOLS) ## pin anew (after a change of dependencies) and write docs/licences.md
	echo uv | $(UV_COMPILE) - --output-file requirements/uv.txt
	$(UV_COMPILE) pyproject.toml requirements/dev.in --output-file requirements/dev.txt
	$(UV_COMPILE) --constraint requirements/dev.txt pyproject.toml --output-file requirements/runtime.txt
	$(INSTALL)
	$(BIN)/python -m tools.licences

clean: ## remove what is made (not .venv, not einklang-home)
	rm -rf build dist console/node_modules src/einklang/web/console .mypy_cache .pytest_cache .ruff_cache .import_linter_cache
