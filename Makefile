# Casebook's commands for people. `make` alone lists them.
PYTHON ?= python3
BIN := .venv/bin

.PHONY: help install demo demo-postgres test check format lock

help: ## this list
	@grep -E '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 16

install: .venv/.installed ## make .venv with everything in it

.venv/.installed: requirements.lock pyproject.toml
	$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Casebook needs Python 3.11 or newer.")'
	$(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements.lock
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation --editable .
	@touch $@

demo: install ## two sample companies, end to end
	$(BIN)/casebook demo

demo-postgres: install ## the same on a Postgres that is started for it
	$(BIN)/python -m tests.postgres_server $(BIN)/casebook demo

test: install ## the whole test suite
	$(BIN)/python -m pytest -n 3 --dist worksteal

check: install ## lint, types and format
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/pyright --pythonpath $(BIN)/python

format: install ## put the code into shape
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

lock: ## renew requirements.lock from pyproject.toml (needs uv)
	uv pip compile pyproject.toml --extra aws --group dev --universal --generate-hashes --no-emit-index-url --no-emit-find-links \
		--no-header --no-annotate --no-strip-extras --python-version 3.11 --output-file requirements.lock
