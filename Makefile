# The same verbs for people and CI. Everything they make lies in .venv, .local and .aws-sam.
SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
MAKEFLAGS += --no-print-directory
.DEFAULT_GOAL := help

export SAM_CLI_TELEMETRY := 0
export UV_NO_PROGRESS := 1
PYTHON := .venv/bin/python

.PHONY: help setup demo test check bench soak build deploy lock clean

help: ## show this list
	@grep -hE '^[a-z]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/^([a-z]+):.*## (.*)/  make \1\t\2/' | expand -t 18

# --- set-up: uv, a Python, the locked environments, the page's card renderer -----------------------------------

UV := $(shell command -v uv 2>/dev/null || echo .local/uv/bin/uv)

.local/uv/bin/uv:
	@echo "· fetching uv"
	@python3 -m venv .local/uv && .local/uv/bin/pip install --quiet --disable-pip-version-check uv

.venv/.ready: pyproject.toml locks/dev.txt | $(filter .local/uv/bin/uv,$(UV))
	@python=$$(scripts/find-python $(UV)); echo "· project environment on $$($$python --version)"; \
	$(UV) venv --quiet --clear --python $$python .venv; \
	$(UV) pip install --quiet --python .venv/bin/python --require-hashes -r locks/dev.txt; \
	$(UV) pip install --quiet --python .venv/bin/python --no-build-isolation --no-deps -e .
	@touch $@

.local/aws/.ready: locks/local-aws.txt .venv/.ready
	@echo "· local AWS (an environment of its own)"
	@$(UV) venv --quiet --clear --python .venv/bin/python .local/aws
	@$(UV) pip install --quiet --python .local/aws/bin/python --require-hashes -r locks/local-aws.txt
	@touch $@

setup: .venv/.ready .local/aws/.ready ## prepare everything (the other verbs do it by themselves)

lock: .venv/.ready ## resolve the dependencies again and write locks/
	$(UV) pip compile -q --universal --upgrade --generate-hashes --no-annotate --no-header -p 3.11 \
	  --extra cli --group dev pyproject.toml -o locks/dev.txt
	$(UV) pip compile -q --universal --upgrade --generate-hashes --no-annotate --no-header -p 3.11 \
	  -c locks/dev.txt pyproject.toml -o locks/layer.txt
	$(UV) pip compile -q --universal --upgrade --generate-hashes --no-annotate --no-header -p 3.11 \
	  --group local-aws -o locks/local-aws.txt

clean: ## remove all that was made
	rm -rf .venv .local .aws-sam dist
