# Each target does its own set-up: a virtual environment in .venv, filled from hash-pinned requirements.
.DEFAULT_GOAL := help
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
export UV_NO_PROGRESS := 1
export UV_LINK_MODE := copy
# Once, here: where Python may not write beside its libraries, each process would compile a thousand modules anew.
export UV_COMPILE_BYTECODE := 1

.PHONY: help run test check format bench drill lock clean

help:
	@echo "make run    start the demo: simulated terminals, places, gateway, dashboard"
	@echo "make test   everything CI runs"
	@echo "make check  format, lint, types, imports, unit tests"
	@echo "make bench  benchmarks against named peers      make drill  the long, cruel runs"
	@echo "make lock   renew requirements/*.txt from pyproject.toml"

$(BIN)/uv: requirements/uv.txt
	@$(PYTHON) -c 'import sys; sys.exit(0 if sys.version_info >= (3, 11) else "Python 3.11 or newer is needed, this is " + sys.version)'
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements/uv.txt
	@touch $@

$(VENV)/.run: $(BIN)/uv requirements/run.txt pyproject.toml
	$(BIN)/uv pip install --quiet --python $(BIN)/python --require-hashes -r requirements/run.txt
	$(BIN)/uv pip install --quiet --python $(BIN)/python --no-deps --no-build-isolation --editable .
	$(BIN)/python -m compileall -q src
	@touch $@

$(VENV)/.dev: $(VENV)/.run requirements/dev.txt
	$(BIN)/uv pip install --quiet --python $(BIN)/python --require-hashes -r requirements/dev.txt
	@touch $@

run: $(VENV)/.run
	@$(BIN)/biometric-flow demo

test: $(VENV)/.dev
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/python -m pytest -n 3 --dist loadscope -m "not drill"

check: $(VENV)/.dev
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/python -m pytest -q tests/unit

format: $(VENV)/.dev
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

bench: $(VENV)/.dev
	$(BIN)/python -m benchmarks

drill: $(VENV)/.dev
	$(BIN)/python -m pytest -m drill --timeout 3600

lock: $(BIN)/uv
	$(BIN)/uv lock --quiet
	$(BIN)/uv export --quiet --frozen --no-emit-project --no-header --only-group bootstrap --output-file requirements/uv.txt
	$(BIN)/uv export --quiet --frozen --no-emit-project --no-header --no-dev --group build --output-file requirements/run.txt
	$(BIN)/uv export --quiet --frozen --no-emit-project --no-header --group build --group dev --output-file requirements/dev.txt
	rm -f uv.lock

clean:
	rm -rf $(VENV) .mypy_cache .ruff_cache .pytest_cache .import_linter_cache .hypothesis
