# Everything is set up in .venv by the first target that needs it; nothing is installed outside this folder.
SHELL := /bin/bash
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
export OMP_NUM_THREADS ?= 1

.PHONY: help demo test lint unit local trials charts cluster cluster-up cluster-down examples generated format clean

help: ## this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  make %-12s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

demo: $(VENV)/.demo ## the main job on real data: three airports, one model, a budget that holds
	$(BIN)/ringfence demo

test: lint unit charts local ## everything that must hold: style, types, arrows, generated files, all tests but those on a cluster

lint: $(VENV)/.dev ## style, types, who may import whom, generated files
	$(BIN)/ruff check workloads operator tests
	$(BIN)/ruff format --check workloads operator tests
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/python -m ringfence.spec.crds --check crds
	$(BIN)/python -m ringfence_operator.install.chart --check charts/ringfence/files
	$(BIN)/python -m ringfence.observe.dashboards --check charts/ringfence/dashboards

unit: $(VENV)/.dev ## unit and property tests
	$(BIN)/pytest -q -n 2 tests/unit tests/properties

local: $(VENV)/.dev ## real processes, real Ray, real data, 300 trials
	$(BIN)/pytest -q tests/local tests/trials

trials: $(VENV)/.dev ## crash-and-race trials of ledger and release: TRIALS=10000; SEED=n plays one again
	PYTHONPATH=tests $(BIN)/python -m trials $(if $(SEED),--seed $(SEED),--trials $(or $(TRIALS),10000))

cluster: $(VENV)/.dev ## on a real Kubernetes; says what is missing where there can be none
	$(BIN)/pytest -q tests/cluster

cluster-up: $(VENV)/.dev ## start the one-node test cluster (root; installs Debian packages; builds for 20 minutes, once)
	PYTHONPATH=tests $(BIN)/python -m cluster.devcluster up

cluster-down: $(VENV)/.dev ## end the test cluster; nothing of it stays
	PYTHONPATH=tests $(BIN)/python -m cluster.devcluster down

charts: $(VENV)/.dev ## what the chart renders and refuses; alerts by promtool
	$(BIN)/pytest -q tests/charts

examples: $(VENV)/.dev ## tell a story and write its figures into examples/: NAME=medicine
	$(BIN)/python -m ringfence.demo.figures examples $(NAME)

generated: $(VENV)/.dev ## write again what is made from code: CRDs, the chart's roles, dashboards
	$(BIN)/python -m ringfence.spec.crds crds
	$(BIN)/python -m ringfence_operator.install.chart charts/ringfence/files
	$(BIN)/python -m ringfence.observe.dashboards charts/ringfence/dashboards

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
