# `make demo` and `make test` are all a fresh machine needs beside make and Python 3.11 or newer.
#
#   PYTHON=python3.12   the Python to use; by default the first of 3.11, 3.12, 3.13, python3 that is
#                       new enough. An environment made by another Python is made again.
#   VENV=.venv          where the environment is
#   ARGS=...            further arguments, for pytest, for the audit or for a benchmark

VENV ?= .venv
CONSTRAINTS ?= constraints.txt
ARGS ?=
BIN := $(VENV)/bin
CODE := blackbox_xai adapters tests examples

.DEFAULT_GOAL := help
.PHONY: help demo test coverage check format lint types layers dead spelling bench test-servers \
	constraints clean show-python core-env test-env dev-env

help:  ## list the targets
	@sed -n 's/^\([a-z%-]*\):.*## /\1\t/p' $(MAKEFILE_LIST) | expand -t 18

demo: core-env  ## audit the model inside the package and say where the report is
	@$(BIN)/blackbox-xai audit --demo $(ARGS)

test: test-env  ## run all tests and every example in the documentation
	@$(BIN)/pytest $(ARGS)

coverage: test-env  ## run the tests and fail below 95 % of lines and branches
	@$(BIN)/pytest --cov --cov-report=term $(ARGS)

check: lint types layers dead spelling coverage  ## everything that must hold before a commit

format: dev-env  ## rewrite the code in the project's format
	@$(BIN)/ruff format .
	@$(BIN)/ruff check --fix-only --quiet .

lint: dev-env  ## format and lint, without changing anything
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .

types: dev-env  ## mypy strict and pyright
	$(BIN)/mypy
	$(BIN)/pyright --pythonpath $(BIN)/python

layers: dev-env  ## imports go downwards only, without cycles
	$(BIN)/lint-imports --no-logo

dead: dev-env  ## code that nothing uses
	$(BIN)/vulture

spelling: dev-env  ## spelling in code and pages
	$(BIN)/codespell

# One target for each area: bench-shapley runs tests/benchmarks/shapley_*.py. A benchmark makes the
# environments of the projects it compares with itself.
AREAS = $(sort $(foreach f,$(notdir $(wildcard tests/benchmarks/*_*.py)),$(firstword $(subst _, ,$f))))
bench: $(addprefix bench-,$(AREAS))  ## run every benchmark against other projects

bench-%: test-env  ## run the benchmarks of one area, as in bench-shapley
	@ls tests/benchmarks/$*_*.py >/dev/null
	@for file in tests/benchmarks/$*_*.py; do \
	  echo "== $$file"; $(BIN)/python "$$file" $(ARGS) || exit 1; done

test-servers: test-env  ## run the tests that need real model servers
	@$(BIN)/python tests/servers/install.py
	@$(BIN)/pytest -m servers tests $(ARGS)

constraints:  ## pin the newest versions of all dependencies again
	@rm -rf .venv-pins && $(MAKE) --no-print-directory dev-env VENV=.venv-pins CONSTRAINTS=/dev/null
	@( echo "# Versions that are tested on every supported Python. Made by: make constraints"; \
	  .venv-pins/bin/python -m pip freeze --exclude-editable ) > constraints.txt; rm -rf .venv-pins

clean:  ## remove the environment and everything that was built
	rm -rf $(VENV) build dist *.egg-info .coverage .*_cache .hypothesis

# --- environments ---------------------------------------------------------------------------------

# Prints a Python that is new enough: $(PYTHON), or the first candidate. pyenv shims fail for
# versions that are installed but not switched on; asking pyenv for the version finds those too.
FIND_PYTHON = for name in $(or $(PYTHON),python3.11 python3.12 python3.13 python3); do \
    for version in "" $$(pyenv whence "$$(basename $$name)" 2>/dev/null); do \
      found=$$(PYENV_VERSION=$$version "$$name" -c 'import sys; \
        sys.version_info >= (3, 11) and print(sys.executable)' 2>/dev/null) || found=; \
      [ -z "$$found" ] || break 2; \
    done; \
  done

# Says which Python an interpreter is or, in an environment, was made from.
WHICH = -c 'import sys; print(sys.base_prefix, sys.version)'

show-python:
	@$(FIND_PYTHON); [ -n "$$found" ] && echo "$$found"

core-env: EXTRAS =
test-env: EXTRAS = [test]
dev-env: EXTRAS = [dev]

core-env test-env dev-env:
	@set -e; have=$$($(BIN)/python $(WHICH) 2>/dev/null) || have=; \
	if [ -z "$$have" ] || [ -n "$(PYTHON)" ]; then \
	  $(FIND_PYTHON); \
	  if [ -z "$$found" ]; then \
	    echo "No Python >= 3.11 found (tried: $(or $(PYTHON),python3.11 to python3.13, python3))." \
	      "Install one, or name it: make $(MAKECMDGOALS) PYTHON=/path/to/python3" >&2; exit 1; \
	  fi; \
	  want=$$("$$found" $(WHICH)); \
	  if [ "$$have" != "$$want" ]; then \
	    echo "Making $(VENV) with $$found"; rm -rf $(VENV); "$$found" -m venv $(VENV); \
	  fi; \
	fi; \
	stamp=$(VENV)/.installed-$@; \
	if [ ! -e $$stamp ] || [ pyproject.toml -nt $$stamp ] || [ $(CONSTRAINTS) -nt $$stamp ]; then \
	  echo "Installing blackbox_xai$(EXTRAS) into $(VENV)"; \
	  $(BIN)/python -m pip install --quiet --disable-pip-version-check \
	    --constraint $(CONSTRAINTS) --editable '.$(EXTRAS)'; \
	  touch $$stamp; \
	fi
