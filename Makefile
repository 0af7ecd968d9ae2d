# Each target makes .venv and installs what it needs; a machine needs Python >= 3.11 and make.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
ARGS ?=

.PHONY: help demo run test drill lint bench lock clean
help: ## this list
	@grep -hE '^[a-z]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:[^#]*## /\t/' | expand -t 10

$(VENV)/.ready: pyproject.toml requirements.lock
	@$(PYTHON) -c 'import sys; sys.exit("BotTalk needs Python 3.11 or newer; this is " + sys.version.split()[0] + ". Say which to use: make PYTHON=python3.12 ...") if sys.version_info < (3, 11) else None'
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --requirement requirements.lock --editable '.[dev]'
	@touch $@

$(VENV)/clients/.ready: tests/clients/package-lock.json tests/clients/install.py $(VENV)/.ready
	$(BIN)/python -m tests.clients.install

$(VENV)/deploy/.ready: tests/deploy/install.py $(VENV)/.ready
	$(BIN)/python -m tests.deploy.install

demo: $(VENV)/.ready ## sandbox and daemon on free ports: bind, activate, push, see it arrive (ARGS=--once ends after that)
	$(BIN)/bottalk demo $(ARGS)

run: $(VENV)/.ready ## the daemon against the real iLink, settings from config/bottalk.toml and the environment
	$(BIN)/bottalk serve --config config/bottalk.toml $(ARGS)

test: $(VENV)/.ready $(VENV)/clients/.ready $(VENV)/deploy/.ready ## every test but the drills
	$(BIN)/python -m pytest -m 'not slow' --numprocesses 2 --dist loadfile $(ARGS)

drill: $(VENV)/.ready $(VENV)/deploy/.ready ## tests that take long: install, upgrade, roll back; full disks, broken files, SIGKILL at every step, a day of load
	$(BIN)/python -m pytest -m slow -o faulthandler_timeout=0 $(ARGS)

lint: $(VENV)/.ready ## ruff and mypy --strict
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

bench: $(VENV)/.ready ## tests/benchmarks: figures beside this machine's bare Quart route (ARGS=--help)
	$(BIN)/python -m tests.benchmarks $(ARGS)

lock: ## renew requirements.lock from pyproject.toml
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --upgrade pip pip-tools
	$(BIN)/pip-compile --quiet --upgrade --all-extras --strip-extras --no-emit-index-url --no-emit-find-links --output-file requirements.lock pyproject.toml

clean: ## remove what the other targets made
	rm -rf $(VENV) .mypy_cache .ruff_cache .hypothesis dist build
