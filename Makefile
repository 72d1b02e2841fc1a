# Every target sets up .venv by itself; nothing needs to be installed by hand.
.DEFAULT_GOAL := help
SHELL := /bin/bash
PYTHON ?= python3
BIN := .venv/bin
# Tiny models on a few cores are slowed tenfold by more threads.
export OMP_NUM_THREADS ?= 1
export PYTHON
# A run of the tests starts some two hundred processes, each of which would compile all it imports.
unexport PYTHONDONTWRITEBYTECODE

MODEL := $(if $(BACKEND),$(BACKEND):abacus,abacus)
PARALLEL_TESTS := $(BIN)/python -m pytest --ignore=tests/integration --ignore=tests/browser --numprocesses auto --maxprocesses 4
OUT ?= runs/demo-$(shell date +%Y%m%d-%H%M%S)

.PHONY: help setup demo test test-fast lint format clean

help:  ## Show this list.
	@grep -E '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 12

setup:  ## Install everything into .venv.
	@scripts/setup

demo: setup  ## Evaluate three strategies on three benchmarks and write a report (BACKEND=hf for the embedded engine).
	$(BIN)/ttscale eval configs/demo.yaml --model $(MODEL) --out $(OUT)

test: setup  ## Run every test, real engines, server and browser included.
	@scripts/setup-browser
	$(PARALLEL_TESTS) -m "not integration" --hypothesis-profile=thorough
	$(BIN)/python -m pytest -m integration

test-fast: setup  ## Run the quick tests only.
	$(PARALLEL_TESTS) -m "not integration and not slow"

lint: setup  ## Lint, check formatting and types.
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/pyright

format: setup  ## Format the code.
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

clean:  ## Remove what was built; keeps runs/.
	rm -rf .venv .mypy_cache .ruff_cache .pytest_cache .hypothesis build dist
