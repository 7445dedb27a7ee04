# Everything that a person or a machine does with this repository.
# Needs: Python 3.11+ (with venv), git, make. Nothing is installed outside .venv.

PYTHON ?= python3
BIN := .venv/bin
STAMP := .venv/.synced
export UV_PYTHON_DOWNLOADS := never

.DEFAULT_GOAL := help
.PHONY: help setup demo test lint types architecture tests bench torture clean

help: ## Say what can be made
	@grep -E '^[a-z]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 16

setup: $(STAMP) ## Make .venv with everything that the project needs

$(STAMP): pyproject.toml uv.lock
	$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Clearance needs Python 3.11 or newer")'
	test -x $(BIN)/uv || { $(PYTHON) -m venv .venv && $(BIN)/python -m pip --quiet install 'uv>=0.9,<1'; }
	$(BIN)/uv sync --quiet --frozen --inexact
	@touch $@

demo: $(STAMP) ## See it work: agents, the gate, real tools, pages on 127.0.0.1
	@$(BIN)/clearance demo

test: lint types architecture tests ## Every check

lint: $(STAMP)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

types: $(STAMP)
	$(BIN)/mypy

architecture: $(STAMP)
	$(BIN)/lint-imports --no-cache

tests: $(STAMP)
	$(BIN)/pytest -n 2 --dist loadfile

bench: $(STAMP) ## Measure: ratios in one run, never absolute times
	$(BIN)/python -m bench

torture: $(STAMP) ## Break it for ten minutes on either profile, and prove the promises
	$(BIN)/python -m tests.crash.torture --profile local --minutes 10
	$(BIN)/python -m tests.crash.torture --profile postgres --minutes 10

clean: ## Remove what was made
	rm -rf .venv .clearance .mypy_cache .ruff_cache .pytest_cache .hypothesis .bench .venv-peers
