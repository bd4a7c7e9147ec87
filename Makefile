# Two commands matter: `make demo` shows Einklang, `make test` proves it. `make` alone lists the rest.
PYTHON ?= python3
PORT ?= 8787
HOME_DIR ?= ./einklang-home

BIN := .venv/bin
SETUP := .venv/.setup-installed
PACKAGE := .venv/.package-installed
TOOLS := .venv/.tools-installed
SPARK := .venv/.spark-installed
PIP := $(BIN)/python -m pip --disable-pip-version-check --no-input
PINNED := --require-hashes --only-binary :all: --requirement

# Compile once what is installed and tested, whatever the machine prefers for its own Python.
unexport PYTHONDONTWRITEBYTECODE

# uv is six times as fast as pip and reads no pip.conf: where it cannot, pip does it.
INSTALL = @echo "installing $(lastword $(1)) into .venv"; \
	$(BIN)/uv pip install --quiet --python $(BIN)/python $(1) || $(PIP) install --quiet $(1)

.DEFAULT_GOAL := help
.PHONY: help install spark demo console company check test lint format docs screenshots bench requirements clean

help: ## this list
	@awk -F ':.*## ' '/^[a-z]+:.*## / { printf "  make %-13s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

$(SETUP): requirements/build.txt
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Einklang needs Python 3.11 or newer: make PYTHON=python3.12 ...")'
	@$(PYTHON) -c 'import ensurepip, venv' 2>/dev/null || { echo "Python's venv module is missing; on Debian: apt install python3-venv" >&2; exit 1; }
	@test -x $(BIN)/python || $(PYTHON) -m venv .venv
	@echo "installing $< into .venv"; $(PIP) install --quiet $(PINNED) $<
	@touch $@

# Without the hook: the console is built beside this, not before it.
$(PACKAGE): export HATCH_BUILD_NO_HOOKS = true
$(PACKAGE): $(SETUP) requirements/runtime.txt pyproject.toml hatch_build.py
	$(call INSTALL,$(PINNED) requirements/runtime.txt)
	$(call INSTALL,--no-deps --no-build-isolation --editable .)
	@touch $@

$(TOOLS): $(PACKAGE) requirements/dev.txt
	$(call INSTALL,$(PINNED) requirements/dev.txt)
	@touch $@

console: $(SETUP)
	@$(BIN)/python hatch_build.py

company: $(PACKAGE)
	@$(BIN)/einklang demo --home $(HOME_DIR) --port $(PORT) --prepare-only

install: ## set up .venv: Einklang, its tools, the console; afterwards .venv/bin/einklang works
	@$(MAKE) --no-print-directory -j 2 console $(TOOLS)

# It comes as a source archive of 430 MB, so only who wants it, and CI, installs it.
$(SPARK): $(TOOLS) requirements/spark.txt
	@echo "installing requirements/spark.txt into .venv"
	@$(PIP) install --quiet --require-hashes --requirement requirements/spark.txt
	@touch $@

spark: $(SPARK) ## Apache Spark, for the tests of the lake with it (Java is needed beside)

demo: ## a demo company on http://127.0.0.1:8787 (PORT=, HOME_DIR= change it)
	@$(MAKE) --no-print-directory -j 2 console company
	$(BIN)/einklang demo --home $(HOME_DIR) --port $(PORT)

lint: $(TOOLS) ## style, types and floors
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports --no-logo

check: $(TOOLS) ## the quick loop, under a minute: lint, house rules, quick unit tests
	@$(BIN)/python -m tools.suite static quick

test: install $(if $(CI),$(SPARK)) ## everything, in parts; PARTS="unit stores" chooses (CONTRIBUTING.md)
	@$(BIN)/python -m tools.suite $(PARTS)

format: $(TOOLS) ## let ruff lay out and mend what it can
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

docs: $(TOOLS) ## the pages that are made: docs/commands.md, docs/licences.md
	$(BIN)/python -m tools.commands
	$(BIN)/python -m tools.licences

screenshots: install ## the pictures in docs/img
	$(BIN)/python tools/screenshots.py

bench: install ## the benchmarks of docs/benchmarks.md
	$(BIN)/einklang bench

UV_COMPILE := $(BIN)/uv pip compile --quiet --universal --fork-strategy fewest --python-version 3.11 --generate-hashes \
	--no-emit-index-url --no-emit-find-links --no-annotate --no-header

requirements: $(TOOLS) ## pin anew (after a change of dependencies) and write docs/licences.md
	$(UV_COMPILE) pyproject.toml requirements/build.in requirements/dev.in --output-file requirements/dev.txt
	$(UV_COMPILE) --constraint requirements/dev.txt pyproject.toml --output-file requirements/runtime.txt
	$(UV_COMPILE) --constraint requirements/dev.txt requirements/build.in --output-file requirements/build.txt
	$(call INSTALL,$(PINNED) requirements/dev.txt)
	$(BIN)/python -m tools.licences

clean: ## remove what is made (not .venv, not einklang-home)
	rm -rf build dist console/node_modules src/einklang/web/console .mypy_cache .pytest_cache .ruff_cache .import_linter_cache
