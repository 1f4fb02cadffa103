# The same verbs for people and CI. Everything they make lies in .venv, .local and .aws-sam.
SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
MAKEFLAGS += --no-print-directory
.DEFAULT_GOAL := help

export SAM_CLI_TELEMETRY := 0
export UV_NO_PROGRESS := 1
PYTHON := .venv/bin/python

.PHONY: help setup demo test check audit bench soak screenshots docs build environment deploy vendor-schemas lock clean

help: ## show this list
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/^([a-z-]+):.*## (.*)/  make \1\t\2/' | expand -t 24

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

.local/audit/.ready: locks/audit.txt .venv/.ready
	@echo "· checkov and pip-audit (an environment of their own)"
	@$(UV) venv --quiet --clear --python .venv/bin/python .local/audit
	@$(UV) pip install --quiet --python .local/audit/bin/python --require-hashes -r locks/audit.txt
	@touch $@

setup: .venv/.ready .local/aws/.ready ## prepare everything (the other verbs do it by themselves)

# --- the verbs ---------------------------------------------------------------------------------------------------

demo: setup ## the main job on this machine: ONCE=1 ends after the run; FILE=examples/invoice.json EVENT=invoice.created sends a payload of yours
	@FILE="$(FILE)" EVENT="$(EVENT)" $(PYTHON) -m sandbox.demo --check
	@echo "· building the bundle with SAM"
	@scripts/build local >/dev/null
	@$(if $(ONCE),,scripts/page-setup)
	@ONCE="$(ONCE)" FILE="$(FILE)" EVENT="$(EVENT)" $(PYTHON) -m sandbox.demo

test: setup ## unit, contract, template, integration, browser and end-to-end tests; ARGS="-k name" for some of them
	@scripts/build local >/dev/null
	@$(PYTHON) -m pytest $(ARGS)

check: setup ## format, lint, types, direction of imports, locks, template
	@.venv/bin/ruff format --check .
	@.venv/bin/ruff check .
	@.venv/bin/mypy
	@.venv/bin/lint-imports
	@.venv/bin/sam validate --lint --region us-east-1

audit: setup .local/audit/.ready ## checkov, secrets in the tree, known vulnerabilities (if the list can be reached)
	@$(PYTHON) scripts/expand_template.py > .local/audit/expanded.json
	@.local/audit/bin/checkov --config-file .checkov.yaml
	@$(PYTHON) scripts/secret_scan.py
	@scripts/known-vulnerabilities

bench: setup ## cold starts, warm times, sizes, latency and throughput, as a table and as JSON
	@scripts/build local >/dev/null
	@$(PYTHON) -m bench $(ARGS)

soak: setup ## the model test at length, then thousands of events while everything misbehaves; ARGS="--events 1000"
	@MODEL_EXAMPLES=2000 $(PYTHON) -m pytest -q tests/model
	@scripts/build local >/dev/null
	@$(PYTHON) -m sandbox.soak $(ARGS)

screenshots: setup ## draw docs/screenshots again: the page's main states in the system's Chromium
	@scripts/build local >/dev/null
	@scripts/page-setup
	@$(PYTHON) -m sandbox.screenshots

docs: setup ## write what is made from the code: docs/configuration.md, connections/schema.json, the tables of docs/costs.md
	@$(PYTHON) -m scripts.docs

build: setup ## the bundle for Lambda, into .aws-sam/release/build
	@scripts/build

# On the command line only: shells have a variable of this name, too.
ifneq ($(origin ENV),command line)
ENV := default
endif

environment: # before any set-up: a mistyped name shall not cost minutes
	@grep -qxF '[$(ENV).deploy.parameters]' samconfig.toml || { echo "samconfig.toml has no environment $(ENV); it has:" \
	  $$(sed -nE 's/^\[(.+)\.deploy\.parameters\]$$/\1/p' samconfig.toml) >&2; exit 2; }

deploy: export DEPLOY_ARGS = $(ARGS)
deploy: environment setup ## build, then `sam deploy`: ENV=dev is one of samconfig.toml; ROLLOUT=Canary10Percent5Minutes; docs/deploy.md
	@scripts/build
	.venv/bin/sam deploy --config-env $(ENV)$(if $(AWS_REGION), --region $(AWS_REGION)) $(ARGS)

vendor-schemas: .venv/.ready ## fetch monday's own GraphQL schema again where it is missing (sandbox/vendors/published)
	@$(PYTHON) -m sandbox.vendors.schemas

lock: .venv/.ready ## resolve the dependencies again and write locks/
	$(UV) pip compile -q --universal --upgrade --generate-hashes --no-annotate --no-header -p 3.11 \
	  --extra cli --group dev pyproject.toml -o locks/dev.txt
	$(UV) pip compile -q --universal --upgrade --generate-hashes --no-annotate --no-header -p 3.11 \
	  -c locks/dev.txt pyproject.toml -o locks/layer.txt
	$(UV) pip compile -q --universal --upgrade --generate-hashes --no-annotate --no-header -p 3.11 \
	  --group local-aws -o locks/local-aws.txt
	$(UV) pip compile -q --universal --upgrade --generate-hashes --no-annotate --no-header -p 3.11 \
	  --group audit -o locks/audit.txt

clean: ## remove all that was made
	rm -rf .venv .local .aws-sam dist
