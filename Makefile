# Everything is set up in .venv by the first target that needs it; nothing is installed outside this folder.
SHELL := /bin/bash
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
export OMP_NUM_THREADS ?= 1

.PHONY: help demo test lint unit local crds format clean

help: ## this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  make %-8s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

demo: $(VENV)/.demo ## the main job on real data: three airports, one model, a budget that holds
	$(BIN)/ringfence demo

test: lint unit local ## everything that must hold: style, types, arrows, generated files, all tests

lint: $(VENV)/.dev ## style, types, who may import whom, generated files
	$(BIN)/ruff check workloads operator tests
	$(BIN)/ruff format --check workloads operator tests
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/python -m ringfence.spec.crds --check crds

unit: $(VENV)/.dev ## unit and property tests
	$(BIN)/pytest -q -n 2 tests/unit tests/properties

local: $(VENV)/.dev ## real processes, real Ray, real data
	$(BIN)/pytest -q tests/local

crds: $(VENV)/.dev ## write crds/ again from the models
	$(BIN)/python -m ringfence.spec.crds crds

format: $(VENV)/.dev ## format the code
	$(BIN)/ruff check --fix workloads operator tests
	$(BIN)/ruff format workloads operator tests

clean: ## remove the virtual environment and caches
	rm -rf $(VENV) .pytest_cache .mypy_cache .ruff_cache .import_linter_cache .hypothesis

$(VENV)/.python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
	  { echo "Python 3.11 or newer is needed: make PYTHON=python3.11 ..." >&2; exit 1; }
	@$(PYTHON) -m venv $(VENV) || { echo "on Debian and Ubuntu: apt-get install python3-venv" >&2; exit 1; }
	@touch $@

$(VENV)/.demo: $(VENV)/.python pyproject.toml
	@echo "installing Ringfence with torch and Ray into $(VENV) (5 GB, some minutes, once)"
	@$(BIN)/pip install --quiet --disable-pip-version-check -e '.[demo]'
	@touch $@

$(VENV)/.dev: $(VENV)/.demo
	@$(BIN)/pip install --quiet --disable-pip-version-check -e '.[demo,dev]'
	@touch $@
