# Set-up is part of every target: on a fresh machine with Python 3.11 or newer, `make up` and `make test` need nothing else.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
PIP := $(BIN)/pip --disable-pip-version-check
# Twice the cores of the machine that this is held to: tests of real processes mostly wait.
PYTEST_WORKERS ?= 4

.PHONY: up test test-long check install dev bench lint clean

up: $(VENV)/.installed  ## run an example app, a collector and an aggregator here; LOGS='/path/*.log' tails your own files
	@$(BIN)/towline up $(if $(LOGS),--logs '$(LOGS)')

install: $(VENV)/.installed  ## make .venv with .venv/bin/towline

test: $(VENV)/.installed-dev  ## every test that this machine can run
	$(BIN)/pytest -n $(PYTEST_WORKERS)

test-long: $(VENV)/.installed-dev  ## further cases of what `make test` shows
	$(BIN)/pytest -n $(PYTEST_WORKERS) -m long

check: $(VENV)/.installed-dev lint  ## format, lint, types, layers
	$(BIN)/mypy
	$(BIN)/lint-imports

lint: $(VENV)/.installed-dev
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .

bench: $(VENV)/.installed-dev  ## what the numbers in bench/README.md come from
	$(BIN)/python -m bench.run

dev: $(VENV)/.installed-dev

$(BIN)/python:
	$(PYTHON) -m venv $(VENV)

$(VENV)/.installed: pyproject.toml | $(BIN)/python
	$(PIP) install --quiet --no-compile --editable '.[collector,aggregator]'
	@touch $@

$(VENV)/.installed-dev: $(VENV)/.installed
	$(PIP) install --quiet --no-compile --editable '.[dev]'
	@touch $@

clean:
	rm -rf $(VENV) scratch build dist *.egg-info
