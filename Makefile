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
FUZZ ?= 3600
SOURCES := src tests tools benchmarks functions

# Suites with a bed too heavy for `make test` (a cluster, cloud emulators): names of targets, run by `.ci/run` and
# named at the end of `make test` as not run. What they need is built once and kept in ~/.cache/hilum.
HEAVY := test-buckets test-docker test-cluster test-cloud
CLUSTER ?= cluster and not cloud
MANY ?= 200
LIGHT := not docker and not cluster and not buckets and not cloud and not google
# Suites that `.ci/run` cannot run either, since they need what no machine has by itself.
LIVE := test-google

# Without .pyc files the imports of numpy, pyarrow and pydicom take most of a short command's time.
unexport PYTHONDONTWRITEBYTECODE

.PHONY: help setup beds demo check check-format check-lint check-types check-floors check-docs check-tests \
        test $(HEAVY) $(LIVE) test-google-rehearsal test-cloud-parts test-cloud-whole prebuild heavy functions bench bench-intake bench-cloud bench-executors chaos fuzz docs pictures identities format lock clean

help:  ## list the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  make %-21s %s\n", $$1, $$2}' Makefile

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
	@$(BIN)/pytest -q -n $(WORKERS) --dist worksteal -m 'not slow and $(LIGHT)' tests/unit tests/contract

test: setup beds  ## every test that needs no heavy bed
	@$(BIN)/pytest -n $(WORKERS) --dist worksteal -m '$(LIGHT)' tests
	@for suite in $(HEAVY); do echo "not run here: make $$suite"; done
	@for suite in $(LIVE); do echo "not run here, nor by .ci/run: make $$suite (needs a project on Google Cloud)"; done

test-buckets: setup  ## tests with a real storage server and image registry (needs Go the first time)
	@$(BIN)/pytest -n $(WORKERS) --dist worksteal -m buckets tests

test-docker: setup beds  ## tests with a real Docker engine of their own (needs root and docker.io)
	@tools/beds containers
	@$(BIN)/pytest -p no:xdist -m docker tests

test-cluster: setup beds  ## tests with a real Kubernetes node of their own (needs root; Go the first time, ten minutes)
	@tools/beds containers
	@HILUM_MANY=$(MANY) $(BIN)/pytest -p no:xdist -o cache_dir=.pytest_cache/cluster -m '$(CLUSTER)' $(AGAIN) tests

test-cloud: test-cloud-parts test-cloud-whole  ## both of the next two

test-cloud-parts: setup  ## tests with Pub/Sub's emulator, functions as they are deployed, an emulated BigQuery (needs Java)
	@$(BIN)/pytest -n $(WORKERS) --dist worksteal -o cache_dir=.pytest_cache/cloud -m 'cloud and not cluster' $(AGAIN) tests

test-cloud-whole: setup beds  ## everything at once, from a bucket over a function and pods to BigQuery, with faults
	@tools/beds containers
	@$(BIN)/pytest -p no:xdist -o cache_dir=.pytest_cache/cluster -m 'cloud and cluster' tests

test-google: setup  ## the suites of adapters on Google's own services (needs HILUM_TEST_PROJECT and credentials)
	@$(BIN)/pytest -p no:xdist -m google tests/on_google

test-google-rehearsal: setup  ## the same suite with emulators, to see that it works and leaves nothing (needs Go, Java)
	@cd tests && ../$(BIN)/python -m beds.google_rehearsal

functions: setup  ## the folders that are deployed as Cloud Functions, in build/functions
	@$(BIN)/python tools/functions.py

prebuild: setup  ## build what the heavy suites start (Go, 15 minutes the first time), into ~/.cache/hilum
	@cd tests && ../$(BIN)/python -c 'from beds.gcs import built; built()'
	@cd tests && ../$(BIN)/python -c 'from beds.bigquery import built; built()'
	@cd tests && ../$(BIN)/python -c 'from beds.prometheus import programs; programs()'
	@cd tests && ../$(BIN)/python -m beds.cluster.build
	@cd tests && ../$(BIN)/python -m beds.helm

heavy: setup $(HEAVY)  ## the suites that `make test` leaves out
	@:

bench: setup  ## the figures, beside the machine they were measured on
	@PYTHONPATH=tests $(BIN)/python -m benchmarks

bench-intake: setup  ## Hilum's intake beside pydicom, dcmtk, Orthanc and others: docs/performance.md's tables
	@tools/peers
	@$(BIN)/python -m benchmarks intake

bench-cloud: setup  ## Pub/Sub, functions, sweeps, BigQuery, with the servers that can be had here (needs Java; Go the first time)
	@PYTHONPATH=tests $(BIN)/python -m benchmarks.cloud_pubsub
	@PYTHONPATH=tests $(BIN)/python -m benchmarks.cloud_sweep
	@PYTHONPATH=tests $(BIN)/python -m benchmarks.cloud_bigquery

bench-executors: setup  ## attempts in processes, containers and pods, on a Docker engine and a node of their own
	@PYTHONPATH=tests $(BIN)/python -m benchmarks executors

chaos: setup  ## the long form of the fault tests: KILLS=1000 engines and workers are killed at random
	@HILUM_CHAOS_KILLS=$(KILLS) $(BIN)/pytest -n $(WORKERS) --dist worksteal -rP tests/chaos

fuzz: setup  ## make up headers that nobody has sent for FUZZ=3600 seconds; findings go to tests/fuzz/found
	@PYTHONPATH=tests $(BIN)/python -W ignore -m fuzz --seconds $(FUZZ)

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
	  --no-annotate --group dev --all-extras pyproject.toml --output-file requirements.lock
	@echo 'requirements.lock renewed; `make setup` installs it'

clean:  ## remove what can be made again, .venv included
	@rm -rf .venv .pytest_cache .mypy_cache .ruff_cache .hypothesis .import_linter_cache build dist
	@find src tests tools benchmarks -name __pycache__ -prune -exec rm -rf {} +
