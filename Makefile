# Everything a person does with a clone of Icefloe. `make help` lists the targets.

SHELL := bash
.DEFAULT_GOAL := help
.PHONY: help setup demo test check format bench pins clean

VENV := .venv
BIN := $(VENV)/bin
ROOMS := engine blocks store dataflows api icefloe bench
KUBERNETES = $(filter-out k8s/kustomization.yaml k8s/scaling.yaml, $(wildcard k8s/*.yaml))  # the two aren't its own kinds
PYTHON ?=
WORKERS ?= 4
ARGS ?=

help: ## list the targets
	@awk -F ':.*## ' '/^[a-z]+:.*## / { printf "  make %-8s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)
	@echo
	@echo "  PYTHON=/path/to/python3.12 chooses the interpreter, WORKERS=4 the test processes, ARGS='…' goes to test and bench"

setup: $(VENV)/.installed ## make .venv with the pinned packages (again only if they change)

# A working .venv is kept and brought up to date; it is made anew only if there is none, or if PYTHON names another.
$(VENV)/.installed: pyproject.toml requirements.txt requirements-dev.txt
	@if [ -n "$(PYTHON)" ] || ! $(BIN)/python -m pip --version >/dev/null 2>&1; then \
	  python=; for candidate in $(or $(PYTHON),python3.12 python3.11 python3); do \
	    if "$$candidate" -c 'import sys, ensurepip, venv; sys.exit(sys.version_info[:2] not in {(3, 11), (3, 12)})' 2>/dev/null; \
	    then python=$$candidate; break; fi; done; \
	  if [ -z "$$python" ]; then \
	    echo "Icefloe needs Python 3.11 or 3.12 with its venv module, and found none as: $(or $(PYTHON),python3.12 python3.11 python3)." >&2; \
	    echo "Name one with 'make setup PYTHON=/path/to/python3.12'; on Debian and Ubuntu 'apt-get install python3-venv' may be missing." >&2; \
	    exit 1; fi; \
	  echo "Making $(VENV) with $$("$$python" --version)"; "$$python" -m venv --clear $(VENV); fi
	@echo "Installing the pinned packages into $(VENV)"
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements-dev.txt
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation -e .
	@touch $@

demo: setup ## run 1,240 triggers through a real engine that is killed half-way
	@$(BIN)/icefloe demo --keep

test: setup ## run all tests (ARGS='tests/engine -k depends' for some)
	@$(BIN)/python -m pytest -n $(WORKERS) --dist worksteal --durations=15 --durations-min=5 $(ARGS)

check: setup ## lint, formatting, types, the rules between the rooms, and what is deployed
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/hadolint Dockerfile
	$(BIN)/docker-compose -f docker-compose.yml config --quiet
	$(BIN)/kubernetes-validate --strict --quiet $(KUBERNETES)
	@if command -v kubectl >/dev/null; then echo kubectl kustomize k8s; kubectl kustomize k8s >/dev/null; fi

format: setup ## let ruff format the code and mend what it can
	$(BIN)/ruff check --fix --exit-zero --quiet
	$(BIN)/ruff format

bench: setup ## measure an engine under all workloads, and the floor below them
	@$(BIN)/python -m bench $(ARGS)

pins: ## write requirements*.txt anew from pyproject.toml (needs uv)
	uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-header \
	  pyproject.toml -o requirements.txt
	uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-header \
	  pyproject.toml --group dev -c requirements.txt -o requirements-dev.txt

clean: ## remove .venv and whatever tools left behind
	rm -rf $(VENV) build dist *.egg-info .icefloe .hypothesis .import_linter_cache .mypy_cache .pytest_cache .ruff_cache
	find $(ROOMS) tests examples -name __pycache__ -type d -prune -exec rm -rf {} + 2>/dev/null || true
