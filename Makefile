# `make` alone says what there is. Nothing is needed but Python 3.11+ and a package index.

.DEFAULT_GOAL := help
.PHONY: help install demo test test-postgres check chaos bench lock clean

BIN := .venv/bin
INSTALLED := .venv/.installed
# Each of the two has servers of its own; a third would only wait for the disk.
TWO := -n 2 --dist loadfile
export PIP_DISABLE_PIP_VERSION_CHECK := 1

help: ## Say what there is
	@echo "Rollforward: bills for internet service providers."
	@echo
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  make %-14s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

install: $(INSTALLED) ## Make .venv with .venv/bin/rollforward, Kafka and PostgreSQL included

demo: install ## Play a month of an internet provider on real Kafka and PostgreSQL
	@$(BIN)/rollforward demo

test: check ## Check, then run all tests, two files at a time
	$(BIN)/pytest $(TWO)

test-postgres: install ## Run the database's tests on another PostgreSQL: POSTGRES=/usr/lib/postgresql/15/bin
	ROLLFORWARD_TEST_POSTGRES_BIN=$(POSTGRES) $(BIN)/pytest $(TWO) tests/postgres tests/services/test_examples_live.py

check: install ## Check format, lint and types
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy

chaos: install ## Break a live fleet as SEED=n (or SEEDS=a..b) says, check every promise; WITHOUT=outbox must fail
	@$(BIN)/python -m tests.faults.chaos $(or $(SEEDS),$(SEED),1) $(if $(WITHOUT),--without $(WITHOUT))

bench: install ## Measure bill run, payments and latency, each beside its baselines
	@for bench in bill-run payments latency; do $(BIN)/rollforward bench $$bench || exit; done

lock: install ## Choose the versions of requirements.lock and jars.lock anew
	$(BIN)/python -m venv .venv/lock
	.venv/lock/bin/pip install --quiet uv
	.venv/lock/bin/uv pip compile --quiet --universal --upgrade --python-version 3.11 \
	  --extra dev --generate-hashes --no-annotate --no-emit-index-url \
	  --custom-compile-command "make lock" --output-file requirements.lock pyproject.toml
	$(BIN)/python -m shared.embedded lock

clean: ## Remove .venv and all caches
	rm -rf .venv .mypy_cache .pytest_cache .ruff_cache .hypothesis build *.egg-info

# A venv that exists but does not run (its Python went away) is made anew.
$(INSTALLED): requirements.lock pyproject.toml shared/embedded/jars.lock
	@set -e; for python in python3.13 python3.12 python3.11 python3 none; do \
	  $$python -c 'import sys, venv, ensurepip; sys.exit(sys.version_info < (3, 11))' \
	    2>/dev/null && break || true; \
	done; \
	if [ $$python = none ]; then \
	  echo "Rollforward needs Python 3.11 or newer, with its venv module." >&2; exit 2; \
	fi; \
	$(BIN)/python -c '' 2>/dev/null || $$python -m venv --clear .venv
	@echo "Installing into .venv (a minute or two, once) ..." >&2
	@$(BIN)/python -m pip install --quiet --require-hashes -r requirements.lock
	@$(BIN)/python -m pip install --quiet --no-deps --no-build-isolation --editable .
	@$(BIN)/python -m shared.embedded
	@touch $@
