# `make run` needs Python 3.11 or newer and nothing else. Another interpreter: make run PYTHON=/path/to/python3.12
PYTHON ?= python3
VENV := .venv
PY := $(VENV)/bin/python
UV := $(VENV)/bin/uv
CLIENTS := .venv-clients
CLIENT_REQUIREMENTS := tests/clients/requirements

.DEFAULT_GOAL := run
.PHONY: run worker test test-fast test-browser check format bench install dev clients lock clean

run: install  ## everything on one machine: web, worker, scheduler, demo
	@exec $(PY) manage.py quickstart

worker: install  ## one more worker, for a running web process that has none
	@exec $(PY) -m celery -A annotator worker

test: dev  ## the whole suite; where the clients cannot be installed, their tests are skipped and say so
	-@$(MAKE) --no-print-directory clients
	@$(MAKE) --no-print-directory test-fast test-browser

test-fast:
	$(PY) -m pytest -n 2 --ignore=tests/browser

# A process of its own: the browser driver's event loop stays, and Django's guard against it must be off there.
test-browser:
	$(PY) -m pytest tests/browser

check: dev  ## formatting, lint, types, import borders, missing migrations
	$(PY) -m ruff format --check .
	$(PY) -m ruff check .
	$(VENV)/bin/djlint --check --lint --quiet templates
	$(VENV)/bin/lint-imports
	$(PY) -m mypy
	$(PY) manage.py makemigrations --check --dry-run

format: dev
	$(PY) -m ruff format .
	$(PY) -m ruff check --fix .
	-$(VENV)/bin/djlint --reformat --quiet templates

bench: install
	@set -e; for script in bench/[a-z]*.py; do echo "== $$script"; $(PY) $$script; done

install: $(VENV)/.requirements
dev: $(VENV)/.requirements-dev

# The stamps keep pip, and with it the network, out of every start but the first.
$(VENV)/.requirements: requirements.txt | $(PY)
	@$(call pip_install,requirements.txt)
	@touch $@

$(VENV)/.requirements-dev: requirements-dev.txt requirements.txt | $(PY)
	@$(call pip_install,requirements-dev.txt)
	@touch $@ $(VENV)/.requirements

# A client of another version needs an environment of its own; uv makes one in seconds and shares what is equal.
clients: $(patsubst $(CLIENT_REQUIREMENTS)/%.txt,$(CLIENTS)/%/.installed,$(wildcard $(CLIENT_REQUIREMENTS)/*.txt))  ## the real mlflow and OpenTelemetry clients, for tests/clients and bench/ingest.py

$(CLIENTS)/%/.installed: $(CLIENT_REQUIREMENTS)/%.txt | dev
	@echo "Installing the client $* …"
	@$(UV) venv --quiet --clear --python $(PY) $(@D)
	@$(UV) pip sync --quiet --python $(@D) --only-binary :all: $<
	@touch $@

# Debian's python3 may lack ensurepip: then the environment is made without pip and the outer pip installs into it.
$(PY):
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null || { \
	  echo "Annotator needs Python 3.11 or newer, and '$(PYTHON)' is $$($(PYTHON) -V 2>&1 || echo missing); name another one: make run PYTHON=/path/to/python3.12" >&2; exit 2; }
	@if $(PYTHON) -c 'import ensurepip' 2>/dev/null; \
	  then $(PYTHON) -m venv $(VENV); else $(PYTHON) -m venv --without-pip $(VENV); fi

pip_install = echo "Installing $(1) (once, a minute or two) …" && \
	if $(PY) -c 'import pip' 2>/dev/null; \
	  then $(PY) -m pip install --quiet --disable-pip-version-check --require-hashes -r $(1); \
	  else $(PYTHON) -m pip --python $(PY) install --quiet --disable-pip-version-check --require-hashes -r $(1); fi

# Needs the network; the result is committed. It holds for every system and Python that [project] allows.
COMPILE := $(UV) pip compile --universal --python-version 3.11 --no-annotate --no-header --quiet
NEWEST := $(CLIENT_REQUIREMENTS)/mlflow-newest
LOCK := $(COMPILE) --generate-hashes
lock: dev
	$(LOCK) pyproject.toml --output-file requirements.txt
	{ echo "-r requirements.txt"; $(LOCK) --group dev --constraint requirements.txt; } > requirements-dev.txt
	for in in $(filter-out $(NEWEST).in,$(wildcard $(CLIENT_REQUIREMENTS)/*.in)); do $(COMPILE) $$in --output-file $${in%.in}.txt; done
	$(COMPILE) $(NEWEST).in --output-file $(NEWEST).txt --override $(NEWEST).overrides --no-emit-package mlflow-skinny --no-emit-package mlflow-tracing

clean:  ## what tools left behind; the data stays
	rm -rf .mypy_cache .ruff_cache .pytest_cache .import_linter_cache .hypothesis $(CLIENTS)
