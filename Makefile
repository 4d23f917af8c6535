# make run     everything on this machine, on high ports, in var/ (or $MAIL_HOME); Ctrl-C stops it
# make test    what CI runs: lint, types, import contracts, all tests
# make setup   only the virtual environment
# make soak    every fault run at full length, one after the other (about half an hour); docs/reliability.md
# make sessions  eight connections on one mailbox against a model of it, 10,000 operations on each store (STEPS= SEED=)
# make side-by-side   the same dialogues with Dovecot and with this, differences by RFC (ONLY=names, MAIL_CORPUS=folder)
# make fuzz    broken input for SECONDS=120 each: the grammar of IMAP, mail (ONLY=grammar|mime SEED=n)
# make bench   as root: this and Postfix + Dovecot side by side, docs/benchmarks.md (RUNS=3 ONLY=rows AGAIN=1)
# make bench-growth   cost against size, with plots (SIZES=small ONLY=curves AGAIN=1)

PYTHON ?= python3
VENV   := .venv
BIN    := $(VENV)/bin
PIP    := $(BIN)/python -m pip --disable-pip-version-check --quiet
# More test processes than a small machine has cores: half of the time they wait for processes, clocks and locks.
# One file stays in one process, and its appliance with it; the longest come first (tests/longest_first.py).
PYTEST ?= $(BIN)/python -m pytest -n 3 --dist loadfile --no-loadscope-reorder

.PHONY: help setup run stop status test lint types imports unit packages soak fuzz
.DEFAULT_GOAL := help

help:
	@sed -n 's/^# \(make .*\)/\1/p' Makefile
	@echo "make unit | lint | types | imports   single steps of make test"
	@echo "make status | stop                   the running appliance"

setup: $(VENV)/.installed

run: $(VENV)/.installed
	@exec $(BIN)/python manage.py appliance

stop status: $(VENV)/.installed
	@exec $(BIN)/python manage.py appliance $@

test: packages lint types imports
	$(PYTEST)

# What failed is in the page too, so it is written in any case.
soak: packages $(VENV)/.installed-dev
	rm -rf tests/artifacts/reliability/soak
	$(BIN)/python -m pytest --soak tests/reliability; code=$$?; \
	$(BIN)/python -m tests.reliability.summary && exit $$code

.PHONY: sessions
sessions: packages $(VENV)/.installed-dev
	IMAP_MODEL_STEPS=$(or $(STEPS),10000) IMAP_MODEL_SEED=$(SEED) $(BIN)/python -m pytest -q tests/integration/test_imap_model.py

.PHONY: side-by-side
side-by-side: packages $(VENV)/.installed-dev
	$(BIN)/python -m tests.side_by_side $(ONLY)

fuzz: $(VENV)/.installed-dev
	@$(BIN)/python -m tests.fuzz --seconds $(or $(SECONDS),120) $(if $(ONLY),--only "$(ONLY)") $(if $(SEED),--seed $(SEED))

unit: $(VENV)/.installed-dev
	$(PYTEST) tests/unit tests/contract

lint: $(VENV)/.installed-dev
	$(BIN)/ruff check . bin/sendmail bin/mailkeep
	$(BIN)/ruff format --check --quiet . bin/sendmail bin/mailkeep

types: $(VENV)/.installed-dev
	$(BIN)/mypy

imports: $(VENV)/.installed-dev
	$(BIN)/lint-imports --no-cache

packages:
	@bash .ci/packages

# Stamps: pip runs only when the pinned lists change.
$(VENV)/.installed: requirements.txt | $(VENV)/bin/python
	@echo "Installing Python packages into $(VENV) ..."
	@$(PIP) install -r requirements.txt
	@touch $@

$(VENV)/.installed-dev: requirements-dev.txt requirements.txt | $(VENV)/bin/python
	@echo "Installing Python packages for tests into $(VENV) ..."
	@$(PIP) install -r requirements-dev.txt
	@touch $(VENV)/.installed $@

$(VENV)/bin/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { echo "Python 3.11 or newer is needed"; exit 1; }
	@$(PYTHON) -m venv $(VENV) || { rm -rf $(VENV); echo "Needs python3-venv: apt install python3-venv"; exit 1; }

# Both go on where they were interrupted; what they found is kept in var/bench/ (or RESULTS=file).
.PHONY: bench bench-growth
RUNS ?= 3
BENCH_OPTIONS = $(if $(ONLY),--only "$(ONLY)") $(if $(AGAIN),--again) $(if $(RESULTS),--results "$(RESULTS)")

bench: $(VENV)/.installed-dev
	@$(BIN)/python -m tests.bench.compare --runs $(RUNS) $(if $(RETRIES),--retries $(RETRIES)) $(BENCH_OPTIONS)

bench-growth: $(VENV)/.installed-dev
	@$(BIN)/python -m tests.bench.growth $(if $(SIZES),--sizes "$(SIZES)") $(BENCH_OPTIONS)
