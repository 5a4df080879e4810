# make demo           set up, show the main job on a real VM, stay up until Ctrl-C
# make demo ONCE=1    the same, and end with an exit code
# make test           set up, then every test (the short forms of the longest ones)
# make test-long      the same with the long forms
# make unit           unit tests only, no root
# make check          formatter, linter, types
# make fuzz           throw INPUTS damaged inputs at every parser, or at TARGETS="lists http1" (the modules of fuzz/)
# make lock           resolve requirements.lock again

SHELL := /bin/bash
ONCE ?=
PYTEST ?=
INPUTS ?= 1000000
TARGETS ?= $(filter-out driver run,$(basename $(notdir $(wildcard fuzz/*.py))))

# Empty for root; sudo where there is one.
AS_ROOT := $(shell if [ "$$(id -u)" -ne 0 ]; then command -v sudo || echo no-root; fi)

.PHONY: demo test test-long unit check setup venv need-root bench fuzz lock

need-root:
	@if [ "$(AS_ROOT)" = no-root ]; then \
	  echo "make: this needs root (network namespaces, kernel programs), and there is no sudo here. Run it as root." >&2; \
	  exit 1; fi

setup: need-root
	@$(AS_ROOT) scripts/setup system
	@scripts/setup venv

venv:
	@scripts/setup venv

demo: setup
	@$(AS_ROOT) .venv/bin/hyperward lab demo $(if $(ONCE),--once)

test: setup check
	@$(AS_ROOT) .venv/bin/python -m pytest -m "not long" $(PYTEST)

test-long: setup check
	@$(AS_ROOT) .venv/bin/python -m pytest $(PYTEST)

unit: venv
	@.venv/bin/python -m pytest tests/unit $(PYTEST)

check: venv
	@.venv/bin/ruff check .
	@.venv/bin/ruff format --check .
	@.venv/bin/mypy

bench: setup
	@$(AS_ROOT) scripts/setup bench
	@$(AS_ROOT) .venv/bin/python bench/rules.py
	@.venv/bin/python bench/policy.py
	@$(AS_ROOT) .venv/bin/python bench/exclusions.py
	@.venv/bin/python bench/request_heads.py
	@.venv/bin/python bench/address_lists.py
	@.venv/bin/python bench/address_database.py
	@$(AS_ROOT) .venv/bin/python bench/web.py --no-limits

fuzz: venv
	@set -e; for name in $(TARGETS); do nice .venv/bin/python fuzz/run.py $$name --inputs $(INPUTS); done

lock:
	@python3 -m venv build/lock && build/lock/bin/python -m pip install -q pip-tools
	@build/lock/bin/pip-compile -q --strip-extras --allow-unsafe --extra dev --generate-hashes --no-header \
	  --no-emit-index-url --no-emit-find-links --no-emit-trusted-host -o requirements.lock pyproject.toml
