# Everything runs in .venv, which the first target that needs it makes.
PYTHON ?= python3
BIN := .venv/bin
READY := .venv/.ready
STORE := $(or $(MLFLOW_TRACKING_URI),sqlite:///mlflow.db)
export PATH := $(CURDIR)/$(BIN):$(PATH)

.DEFAULT_GOAL := help
.PHONY: notebooks postgresql browser help setup sweep test check ui serve docs dist faults server-test cluster-test \
	bench clean

help:  ## Show this list
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | awk -F ':.*## ' '{printf "make %-11s %s\n", $$1, $$2}'

setup: $(READY)  ## Make .venv and install (done by the others when needed)

sweep: $(READY)  ## Run the quick sweep on drawn minerals; ARGS="-P trials=20 -P data=PATH" for more
	$(BIN)/mlflow run . -e sweep --env-manager local --experiment-name mineralsweep $(ARGS)

test: $(READY)  ## Run every test
	$(BIN)/python -m pytest -n 2 --dist loadscope --no-loadscope-reorder $(ARGS)

check: $(READY)  ## Lint, types, layers, known vulnerabilities, the fast tests and their coverage
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/python -m tests.audit
	$(BIN)/python -m pytest -n 2 --dist loadscope --no-loadscope-reorder -m "not slow" -q \
		--cov=mineralsweep --cov-report= --cov-fail-under=85

ui: $(READY)  ## Compare runs in MLflow's web page, http://127.0.0.1:5000
	MLFLOW_SERVER_ENABLE_JOB_EXECUTION=false $(BIN)/mlflow ui --backend-store-uri $(STORE)

serve: $(READY)  ## Serve the champion on http://127.0.0.1:5001/invocations
	MLFLOW_TRACKING_URI=$(STORE) $(BIN)/mineralsweep verify
	MLFLOW_TRACKING_URI=$(STORE) $(BIN)/mlflow models serve --env-manager local --port 5001 \
		-m models:/mineral-classifier@champion

docs: $(READY)  ## Build these pages as a site with search, site/index.html; it needs no network
	NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --strict --quiet

notebooks: $(READY)  ## Run docs/notebooks and write their outputs into them (minutes)
	$(BIN)/python -m tests.notebooks $(ARGS)

dist: $(READY)  ## Build the wheel and the source distribution into dist/, and check them
	rm -rf dist build/lib build/bdist.*
	$(BIN)/python -m build --no-isolation
	$(BIN)/twine check --strict dist/*

faults: $(READY)  ## The awkward files, the mutated ones, the kills: docs/reliability.md
	MINERALSWEEP_KILLS=30 MINERALSWEEP_ROUNDS=20 MINERALSWEEP_OUTAGES=3 \
		MINERALSWEEP_OUTAGE_SECONDS=60 $(BIN)/python -m pytest tests/faults -v $(ARGS)

server-test: $(READY) postgresql  ## Sweeps through PostgreSQL and an MLflow server; installs Debian's PostgreSQL if need be
	$(BIN)/python -m pytest tests/server $(ARGS)

cluster-test: $(READY) postgresql  ## Sweeps on a Ray cluster of three nodes on this machine, which die, join and are cut off
	$(BIN)/python -m pytest tests/cluster $(ARGS)

postgresql:
	@ls /usr/lib/postgresql/*/bin/initdb >/dev/null 2>&1 || command -v initdb >/dev/null || \
		{ echo "Installing PostgreSQL ..."; apt-get update -qq && \
		DEBIAN_FRONTEND=noninteractive apt-get install -y -qq postgresql >/dev/null; }

browser:  ## Install Debian's Chromium, without which the tests of pages are skipped
	@command -v chromium chromium-browser google-chrome >/dev/null || \
		{ echo "Installing Chromium ..."; apt-get update -qq && \
		DEBIAN_FRONTEND=noninteractive apt-get install -y -qq chromium >/dev/null; }

bench: $(READY)  ## Time the driver, then whole sweeps against other tools (an hour or more)
	$(BIN)/python -m benchmarks.overhead
	$(BIN)/python -m benchmarks.sweeps $(ARGS)

clean:  ## Remove .venv and caches; runs, models and studies stay
	rm -rf .venv build dist site *.egg-info .mypy_cache .ruff_cache .pytest_cache .import_linter_cache
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

# The pins of conda.yaml hold here too.
$(READY): pyproject.toml conda.yaml setup.py
	@$(PYTHON) -c 'import sys; ok = (3, 11) <= sys.version_info < (3, 14); \
		sys.exit(0 if ok else "Python 3.11, 3.12 or 3.13 is needed, this is " + sys.version.split()[0] \
		+ "; choose another: make PYTHON=python3.12 ...")'
	@mkdir -p .venv
	@sed -n 's/^ *- \([a-z0-9-]*==.*\)/\1/p' conda.yaml > .venv/pins.txt
	@echo "Installing into .venv (about 3 GB, minutes the first time) ..."
	@if command -v uv >/dev/null; then \
		uv venv --quiet --allow-existing --python $(PYTHON) .venv && \
		uv pip install --quiet --python $(BIN)/python -c .venv/pins.txt -e '.[dev,docs,server,ray,dashboard]'; \
	else \
		$(PYTHON) -m venv .venv && \
		$(BIN)/python -m pip install --quiet --disable-pip-version-check -c .venv/pins.txt -e '.[dev,docs,server,ray,dashboard]'; \
	fi
	@touch $@
