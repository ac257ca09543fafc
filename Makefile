# Every command installs what it needs, asks nothing, and leaves no process behind (`make up` is meant to stay).
SHELL := bash
.SHELLFLAGS := -euo pipefail -c
.DELETE_ON_ERROR:
.DEFAULT_GOAL := help

VENV := .venv
BIN := $(VENV)/bin
VENV_STAMP := $(VENV)/locked
ASSETS := services/reporting/dashboard/build-assets
# Most of a short process's time is compiling what it imports, where the environment forbids to keep the byte code.
unexport PYTHONDONTWRITEBYTECODE
# A Kafka of the user's own needs neither Java nor jars.
JARS_STAMP := $(if $(KAFKA_BOOTSTRAP_SERVERS),,var/kafka-jars/checked)
# Worth its seconds only to who starts many a Kafka.
ARCHIVE := $(if $(KAFKA_BOOTSTRAP_SERVERS),,var/kafka-jars/classes.jsa)
KAFKA_TOOLS := $(if $(KAFKA_BOOTSTRAP_SERVERS),,java maven)
PAGE_TOOLS := $(if $(wildcard $(ASSETS)),npm)

# Two cores, three processes, for many tests mostly wait: what runs together, and in which turn, says tests/turns.py.
# Name files, or -x, to run fewer.
PYTEST_ARGS ?= -n 3 --dist loadfile --no-loadscope-reorder

.PHONY: help demo test tested check up down sandbox bench faults clean imports lock schemas assets packages types lint
.PHONY: generated collected

help: ## this list
	@awk -F ':.*## ' '/^[a-z]+:.*## / { printf "  make %-9s%s\n", $$1, $$2 }' $(MAKEFILE_LIST)

demo: packages $(JARS_STAMP) assets ## a thousand orders from the platforms to production and back (ORDERS=, ONCE=1)
	@# Without a browser, its one order by hand goes in by API.
	@deploy/local/bootstrap packages chromium || true
	@$(BIN)/python -m deploy.demo

test: ## everything that CI runs, on a real Kafka and Postgres
	@$(MAKE) --no-print-directory --jobs 2 tested
	@$(BIN)/python -m pytest $(PYTEST_ARGS)

# What precedes the tests: beside the types, which take longest, all else.
tested: TEST_TOOLS := chromium
tested: types $(ARCHIVE) assets collected lint imports generated

check: $(VENV_STAMP) ## formatter, linter, types, import contracts, generated schemas
	@$(MAKE) --no-print-directory --jobs 2 types lint imports generated

generated: $(VENV_STAMP)
	@$(BIN)/python -m schemas.generate --check

lint: $(VENV_STAMP)
	@$(BIN)/ruff format --check --quiet . || { echo "not formatted: run $(BIN)/ruff format ." >&2; exit 1; }
	@$(BIN)/ruff check --quiet .

# Once, for all processes of the tests: to compile the byte code of what they import takes longer than to collect them.
collected: $(VENV_STAMP)
	@mkdir -p var
	@$(BIN)/python -m pytest --collect-only -qq $(PYTEST_ARGS) > var/collected || { cat var/collected; exit 1; }

types: $(VENV_STAMP)
	@$(BIN)/mypy schemas services deploy tests

imports: $(VENV_STAMP) ## who may import whom
	@$(BIN)/lint-imports

up: packages $(JARS_STAMP) assets ## the services with Kafka and Postgres of their own, in the background; data stays in var/up
	@$(BIN)/python -m deploy.local up

down: $(VENV_STAMP) ## stop what `make up` started
	@$(BIN)/python -m deploy.local down

sandbox: packages $(JARS_STAMP) ## stand-in platforms and factory, against the running services
	@$(BIN)/python -m deploy.demo.attached

bench: packages $(ARCHIVE) assets ## figures measured side by side; writes var/bench/summary.json
	@$(BIN)/python -m tests.bench

faults: packages $(ARCHIVE) assets ## long fault tests with the history checker's verdict (KILLS=, ORDERS=, SHIPMENTS=, STORES=, SECONDS=)
	@$(BIN)/python -m tests.faults

schemas: $(VENV_STAMP) ## write the JSON Schemas of the topics
	@$(BIN)/python -m schemas.generate

lock: $(VENV_STAMP) ## resolve the dependencies anew: names, versions and hashes, no addresses
	@$(BIN)/python -m venv var/lock && var/lock/bin/pip install --quiet --disable-pip-version-check uv
	@var/lock/bin/uv pip compile pyproject.toml --all-extras --python-version 3.11 --universal --generate-hashes \
	  --quiet --upgrade --no-emit-index-url --no-header --output-file requirements.lock

clean: ## remove var/ and .venv
	@if [[ -x $(BIN)/python && -d var/up ]]; then $(BIN)/python -m deploy.local down; fi
	@rm -rf var $(VENV)

assets: packages
	@if [[ -x $(ASSETS) ]]; then $(ASSETS); fi

packages:
	@deploy/local/bootstrap packages $(KAFKA_TOOLS) $(PAGE_TOOLS) $(TEST_TOOLS)

$(VENV_STAMP): requirements.lock deploy/installer.lock deploy/local/bootstrap
	@deploy/local/bootstrap venv $(VENV)
	@touch $@

$(JARS_STAMP): deploy/local/kafka/pom.xml deploy/local/kafka/jars.sha256 | packages $(VENV_STAMP)
	@$(BIN)/python -m deploy.local fetch
	@touch $@

$(ARCHIVE): $(JARS_STAMP)
	@$(BIN)/python -m deploy.local archive
	@touch -c $@
