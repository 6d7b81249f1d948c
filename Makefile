# Every target sets itself up; `make` alone prints this list.
PYTHON ?= python3
BIN := .venv/bin

help: ## this list
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/^([a-z-]+):[^#]*## /\1\t/' | expand -t 16

setup: ## make .venv ready: locked packages with hashes, and this checkout
	@$(PYTHON) tools/setup.py

demo: setup ## a whole fleet answers twelve simulated calls (KEEP=1: stays up, REAL=1: the real APIs)
	@$(BIN)/python -m simulators demo $(if $(KEEP),--keep) $(if $(REAL),--real)

test: setup ## every test: several at once, then one by one those that need the machine to themselves
	@$(BIN)/python -m pytest -m "not alone" $(ARGS) $(if $(ARGS),|| [ $$? -eq 5 ])
	@$(BIN)/python -m pytest -m alone -n0 $(ARGS) $(if $(ARGS),|| [ $$? -eq 5 ])

unit: setup ## seconds: pure code and virtual time, without generated examples
	@$(BIN)/python -m pytest tests/unit -n0 -m "not properties" $(ARGS)

fmt: setup ## format
	@$(BIN)/ruff format . && $(BIN)/ruff check --fix -q .

lint: setup ## format, lint, types, import contracts, without changing anything
	@$(BIN)/ruff format --check -q . && $(BIN)/ruff check -q .
	@$(BIN)/mypy && $(BIN)/lint-imports

check: lint test ## what CI holds

bench: setup ## cost per call, added latency, the semaphore, beside a bare relay (docs: bench/README.md)
	@$(BIN)/python -m bench $(ARGS)

chaos: setup ## the semaphore under fire for minutes, with real processes
	@$(BIN)/python -m tests.chaos $(ARGS)

docs: setup ## write settings, metrics and schema into the documents that repeat them
	@$(BIN)/python -m tools.docs

manifests: setup ## write the chart's schema of settings, and the chart rendered for kubectl
	@$(BIN)/python -m tools.manifests

lock: setup ## write the lock files anew from pyproject.toml
	@$(BIN)/python tools/lock.py

clean: ## remove what can be made again
	rm -rf .venv .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache var

.PHONY: help setup demo test unit fmt lint check bench chaos docs manifests lock clean
