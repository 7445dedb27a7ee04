# Everything that a person or a machine does with this repository.
# Needs: Python 3.11+ (with venv), git, make. Nothing is installed outside .venv.

PYTHON ?= python3
BIN := .venv/bin
STAMP := .venv/.synced
AWS_STAMP := .venv-aws/.synced
export UV_PYTHON_DOWNLOADS := never

.DEFAULT_GOAL := help
.PHONY: help setup demo check test lint types architecture quick tests bench flood torture aws clean

help: ## Say what can be made
	@grep -E '^[a-z]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 16

setup: $(STAMP) ## Make .venv with everything that the project needs

$(STAMP): pyproject.toml uv.lock
	$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Clearance needs Python 3.11 or newer")'
	test -x $(BIN)/uv || { $(PYTHON) -m venv .venv && $(BIN)/python -m pip --quiet install 'uv>=0.9,<1'; }
	$(BIN)/uv sync --quiet --frozen --inexact
	@touch $@

demo: $(STAMP) ## See it work: agents, the gate, real tools, pages on 127.0.0.1 (PORT=8600)
	@$(BIN)/clearance demo $(if $(PORT),--port $(PORT))

check: lint types architecture quick ## In under a minute: all but servers, processes and browsers

test: lint types architecture tests ## Every check

lint: $(STAMP)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

types: $(STAMP)
	$(BIN)/mypy

architecture: $(STAMP)
	$(BIN)/lint-imports --no-cache

quick: $(STAMP)
	HYPOTHESIS_PROFILE=quick $(BIN)/pytest tests/core tests/flow -m "not server" -n 2

tests: $(STAMP) # three at once on two cores: many tests wait for a process, a lease or a clock
	$(BIN)/pytest -n 3 --dist loadfile

bench: $(STAMP) ## Measure: ratios in one run, never absolute times
	$(BIN)/python -m bench

flood: $(STAMP) ## Flood a server on 127.0.0.1, and measure what a person's stop and other callers wait for
	$(BIN)/python -m flood

torture: $(STAMP) ## Break it for ten minutes on either profile, and prove the promises
	$(BIN)/python -m tests.crash.torture --profile local --minutes 10
	$(BIN)/python -m tests.crash.torture --profile postgres --minutes 10

aws: $(AWS_STAMP) ## Make the template for AWS anew, hold it against the kept one, and make the zip that the functions run
	@command -v npx >/dev/null || { echo "make aws needs Node.js (https://nodejs.org)."; exit 1; }
	@JSII_SILENCE_WARNING_END_OF_LIFE_NODE_VERSION=20 PYTHONPATH=src:. .venv-aws/bin/python -m deploy.aws.app
	@$(BIN)/python -m deploy.aws.bundle

$(AWS_STAMP): $(STAMP) deploy/aws/requirements.txt
	$(BIN)/uv venv --quiet --clear --python $(BIN)/python .venv-aws
	$(BIN)/uv pip sync --quiet --require-hashes --python .venv-aws/bin/python deploy/aws/requirements.txt
	@touch $@

clean: ## Remove what was made
	rm -rf .venv .clearance .mypy_cache .ruff_cache .pytest_cache .hypothesis .bench .venv-peers .venv-aws dist
