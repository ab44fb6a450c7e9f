# The verbs that people type. Everything real happens in `xtl` (jobs/) and in setup.cfg.

SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help

VERBS := prepare plan sweep status nodes resubmit cancel clean collect report rescore
.PHONY: help setup $(VERBS) check test test-all lint bench distclean lock
.PHONY: profile score show slurm-deps slurm-up slurm-down slurm-shell

# ---- variables --------------------------------------------------------------------------------
PYTHON ?= python3
VENV ?= .venv
TOOLS := .venv-lock

# Given, or what the environment was made with, or what this machine has.
TORCH ?= $(or $(shell cat $(VENV)/flavour 2>/dev/null),$(if $(shell nvidia-smi -L 2>/dev/null),cuda,cpu))
TORCH := $(TORCH)
ifeq ($(filter cpu cuda existing,$(TORCH)),)
$(error TORCH: found $(TORCH), expected cpu, cuda or existing)
endif

# Only variables that are set become options.
OPTIONS = $(if $(MANIFEST),--manifest '$(MANIFEST)') $(if $(ROOT),--root '$(ROOT)') \
  $(if $(CLUSTER),--cluster '$(CLUSTER)') $(if $(PROFILE),--profile '$(PROFILE)') \
  $(ASKED) $(ARGS)
ASKED = $(if $(filter-out 0,$(DRY)),--dry-run) $(if $(filter-out 0,$(JSON)),--json)
FOLDERS = $(if $(PREDICTIONS),--predictions '$(PREDICTIONS)') $(if $(LABELS),--labels '$(LABELS)')
NAMED = $(if $(NAME),--name '$(NAME)')

BIN := $(VENV)/bin
PIP = PIP_CONSTRAINT=requirements/cuda.txt $(BIN)/python -m pip --disable-pip-version-check \
  install -qq --no-input
# Installing talks on stderr: stdout belongs to the verb.
SAY = >&2 echo "xtl:"

# ---- the verbs --------------------------------------------------------------------------------
help: ## This list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-11s %s\n", $$1, $$2 }' Makefile
	@echo
	@echo "  MANIFEST=FILE ROOT=FOLDER CLUSTER=auto|slurm|local PROFILE=NAME DRY=1 JSON=1 ARGS=…"
	@echo "  TORCH=cpu|cuda|existing PYTHON=/path/to/python3.11 VENV=.venv"
	@echo "  PREDICTIONS=FOLDER LABELS=FOLDER for score, SHARD=ID|NAME for show"
	@echo "  NAME=WORD for a profile, or for a Slurm testbed beside the one that has no name"

prepare:  ## Bring model and data into the mirror, and lock them
plan:     ## Show what must exist, what is shared, and what it will cost
sweep:    ## Run whatever is missing, to the table and the report
status:   ## Show each shard's state
nodes:    ## Show the nodes that no job is sent to, and why; ARGS=--readmit=NODE to take one back
resubmit: ## Run failed shards again, once you agree to the list
cancel:   ## Stop what runs and take out of the queue what waits, once you agree
clean:    ## Delete what a sweep's folder needs no more, never results, once you agree
collect:  ## Build the table of results from the W&B runs
report:   ## Write the HTML report
rescore:  ## Compute the metrics again from the stored predictions
$(VERBS): $(VENV)/.ready-$(TORCH)
	@$(BIN)/xtl $@ $(OPTIONS)

score: $(VENV)/.ready-$(TORCH) ## Score PREDICTIONS=FOLDER against LABELS=FOLDER, as XTREME does
	@$(BIN)/xtl score $(FOLDERS) $(ASKED) $(ARGS)

show: $(VENV)/.ready-$(TORCH) ## Show SHARD=…: settings, attempts, result; ARGS=--replay to run it
	@$(BIN)/xtl show $(if $(SHARD),'$(SHARD)') $(OPTIONS)

profile: $(VENV)/.ready-$(TORCH) ## Write a first profile of this Slurm cluster
	@$(BIN)/xtl profile $(NAMED) $(ASKED) $(ARGS)

# ---- the environment --------------------------------------------------------------------------
setup: $(VENV)/.ready-$(TORCH) ## Make the environment (the verbs do it unasked)

# Stamps come last, so that an installation that was cut off is made again from nothing.
$(VENV)/.ready-$(TORCH): $(VENV)/.packages-$(TORCH) setup.cfg pyproject.toml
	@$(PIP) --no-build-isolation --no-deps --editable . >&2
	@touch $@

$(VENV)/.packages-$(TORCH): requirements/$(TORCH).txt
	@command -v $(PYTHON) >/dev/null || { $(SAY) "PYTHON: found no $(PYTHON)," \
	  "expected Python 3.11 or newer: PYTHON=/path/to/python3.11"; exit 2; }
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { $(SAY) "PYTHON: found" \
	  "$$($(PYTHON) --version 2>&1), expected 3.11 or newer: PYTHON=/path/to/python3.11"; exit 2; }
	@[ ! -e $(VENV) ] || [ -e $(VENV)/pyvenv.cfg ] || { $(SAY) "VENV: found $(VENV)," \
	  "which is no virtual environment, expected one or nothing (remove it)"; exit 2; }
	@$(SAY) "making $(VENV) with $$(grep -c == $<) pinned packages of $<:" \
	  "some minutes, once (the download most of them)"
	@$(PYTHON) -m venv --clear $(if $(filter existing,$(TORCH)),--system-site-packages) $(VENV) >&2
	@echo $(TORCH) > $(VENV)/flavour
ifeq ($(TORCH),existing)
	@$(PIP) --no-deps "$$(grep -o '^packaging==[^ ]*' $<)" >&2
	@$(BIN)/python requirements/existing_torch.py >&2
	@$(PIP) --no-deps --requirement $< >&2
else
	@$(PIP) --requirement $< >&2
endif
	@touch $@
	@$(SAY) "$(VENV) is made"

# ---- for developers ---------------------------------------------------------------------------
lint: $(VENV)/.ready-$(TORCH)
	@$(SAY) "ruff, then mypy"
	@$(BIN)/ruff check --quiet .
	@$(BIN)/ruff format --quiet --check .
	@$(BIN)/mypy xtl jobs slurm tests requirements $(if $(wildcard benchmarks/*.py),benchmarks)

# Two at a time, as most tests wait for processes; tests/conftest.py says which go together.
PYTEST = $(BIN)/python -m pytest -n 2 --dist loadgroup --no-loadscope-reorder

check: lint ## Lint, types and the fast tests (2 minutes)
	@$(PYTEST) -m "not slow and not long"

test: lint ## Lint, types and all tests but the long ones (20 minutes)
	@$(TESTBED) deps --if-possible
	@$(PYTEST) -m "not long"

test-all: lint ## Every test (75 minutes)
	@$(TESTBED) deps --if-possible
	@$(PYTEST)

bench: $(VENV)/.ready-$(TORCH) ## Run what is in benchmarks/
	@for script in benchmarks/*.py; do [ -e "$$script" ] || continue; \
	  $(SAY) "$$script"; PYTHONPATH=. $(BIN)/python "$$script"; done

distclean: ## Remove the environment and caches, never runs/
	@[ ! -e $(VENV)/pyvenv.cfg ] || rm -rf $(VENV)
	@rm -rf $(TOOLS) build dist *.egg-info .mypy_cache .pytest_cache .ruff_cache .hypothesis
	@find $(wildcard xtl jobs slurm tests benchmarks requirements) -name __pycache__ -prune \
	  -exec rm -rf {} +

# cuda.txt has every package; the others are it without what their kind of torch spares. Versions
# stay as they are unless setup.cfg no longer admits them, or with ARGS=--upgrade.
LOCK = $(TOOLS)/bin/uv pip compile setup.cfg --extra dev --python-version 3.11 --quiet \
  --python-platform x86_64-manylinux_2_28 --custom-compile-command 'make lock'
lock: ## Pin what setup.cfg's ranges admit, in requirements/
	@[ -x $(TOOLS)/bin/uv ] || { $(PYTHON) -m venv $(TOOLS) && \
	  $(TOOLS)/bin/python -m pip install --quiet 'uv>=0.13,<0.14'; }
	@$(LOCK) $(ARGS) --annotation-style line --output-file requirements/cuda.txt
	@for kind in cpu existing; do $(LOCK) --no-annotate --constraints requirements/cuda.txt \
	  --excludes requirements/excludes-$$kind.txt --output-file requirements/$$kind.txt; done

# ---- a throw-away Slurm cluster (docs/testbed.md) ----------------------------------------------
TESTBED = $(BIN)/python -m slurm.testbed
slurm-deps: $(VENV)/.ready-$(TORCH) ## Install the Slurm testbed's packages (Debian, as root)
	@$(TESTBED) deps

slurm-up: $(VENV)/.ready-$(TORCH) ## Bring up a throw-away Slurm cluster
	@$(TESTBED) up $(NAMED) $(ARGS)

slurm-down: $(VENV)/.ready-$(TORCH) ## Take it down
	@$(TESTBED) down $(NAMED)

slurm-shell: $(VENV)/.ready-$(TORCH) ## A shell that speaks with it
	@$(TESTBED) shell $(NAMED)
