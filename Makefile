# Everything that a developer or CI does with Hilum, by name. `make help` lists it.
# Only python3 (with venv and pip), git and make need to be there; `setup` brings the rest, pinned by hash.

SHELL := bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help
MAKEFLAGS += --no-print-directory

PYTHON ?= python3
BIN := .venv/bin
WORKERS ?= $(shell nproc)
KILLS ?= 1000
SOURCES := src tests tools benchmarks

# Suites with a bed too heavy for `make test` (a cluster, cloud emulators): names of targets, run by `.ci/run` and
# named at the end of `make test` as not run. None so far.
HEAVY :=

# Without .pyc files the imports of numpy, pyarrow and pydicom take most of a short command's time.
unexport PYTHONDONTWRITEBYTECODE

.PHONY: help setup beds demo check check-format check-lint check-types check-floors check-docs check-tests \
        test heavy bench bench-intake chaos docs pictures identities format lock clean

help:  ## list the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  make %-14s %s\n", $$1, $$2}' Makefile

setup: .venv/.ready  ## make .venv with everything of requirements.lock; instant when nothing changed

.venv/.ready: requirements.lock pyproject.toml
	@PYTHON='$(PYTHON)' tools/setup

beds:  ## install the servers that tests start for themselves (PostgreSQL)
	@tools/beds

demo: setup  ## process real scans and a phantom, and show what came out
	@$(BIN)/hilum demo

check: setup  ## format, lint, types, floors, docs and the quick tests: under a minute
	@$(MAKE) -j2 --output-sync=target check-types check-format check-lint check-floors check-docs check-tests

check-format: setup
	@$(BIN)/ruff format --check $(SOURCES)

check-lint: setup
	@$(BIN)/ruff check $(SOURCES)

check-types: setup
	@$(BIN)/mypy

check-floors: setup
	@$(BIN)/lint-imports

check-docs: setup
	@$(BIN)/python tools/reference.py --check

check-tests: setup
	@$(BIN)/pytest -q -n $(WORKERS) --dist worksteal -m 'not slow' tests/unit tests/contract

test: setup beds  ## every test that needs no heavy bed
	@$(BIN)/pytest -n $(WORKERS) --dist worksteal tests
	@for suite in $(HEAVY); do echo "not run here: make $$suite"; done

heavy: setup $(HEAVY)  ## the suites that `make test` leaves out
	@:

bench: setup  ## the figures, beside the machine they were measured on
	@$(BIN)/python -m benchmarks

bench-intake: setup  ## Hilum's intake beside pydicom, dcmtk, Orthanc and others: docs/performance.md's tables
	@tools/peers
	@$(BIN)/python -m benchmarks intake

chaos: setup  ## the long form of the fault tests: KILLS=1000 engines and workers are killed at random
	@HILUM_CHAOS_KILLS=$(KILLS) $(BIN)/pytest -n $(WORKERS) --dist worksteal -rP tests/chaos

docs: setup  ## write docs/reference anew from the code
	@$(BIN)/python tools/reference.py

pictures: setup  ## draw the pictures of the README anew; look at them
	@$(BIN)/python tools/pictures.py

identities: setup  ## accept that changes to built-in steps cannot change what they give
	@$(BIN)/python tools/code_identity.py

format: setup  ## format the code and mend what the linter can
	@$(BIN)/ruff check --fix-only -q $(SOURCES)
	@$(BIN)/ruff format $(SOURCES)

lock: setup  ## renew requirements.lock to the newest versions that pyproject.toml allows
	@$(BIN)/uv pip compile --quiet --universal --python-version 3.11 --upgrade --generate-hashes --no-header \
	  --no-annotate --group dev --extra postgresql --extra pandas pyproject.toml --output-file requirements.lock
	@echo 'requirements.lock renewed; `make setup` installs it'

clean:  ## remove what can be made again, .venv included
	@rm -rf .venv .pytest_cache .mypy_cache .ruff_cache .hypothesis .import_linter_cache build dist
	@find src tests tools benchmarks -name __pycache__ -prune -exec rm -rf {} +
