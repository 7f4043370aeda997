# Every target builds .venv when it is missing or older than what it is built from. Needs only Python >= 3.11, make and git.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
RUN_STAMP := $(VENV)/.installed-run
DEV_STAMP := $(VENV)/.installed-dev
FUZZ_STAMP := $(VENV)/.installed-fuzz
PIP := $(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt

.PHONY: demo run test check bench fuzz clean
.DELETE_ON_ERROR:

$(BIN)/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Sensorium needs Python 3.11 or newer (set PYTHON=...)")'
	@echo "building $(VENV) (once, some minutes)"
	$(PYTHON) -m venv $(VENV)

$(RUN_STAMP): pyproject.toml constraints.txt | $(BIN)/python
	$(PIP) -e '.[runner]'
	@touch $@

$(DEV_STAMP): pyproject.toml constraints.txt $(RUN_STAMP)
	$(PIP) -e '.[runner,dev]'
	@touch $@

$(FUZZ_STAMP): pyproject.toml constraints.txt $(DEV_STAMP)
	$(PIP) -e '.[runner,dev,fuzz]'
	@touch $@

demo: $(RUN_STAMP)            ## the whole loop, end to end, on real images (DATA=folder for another set)
	$(BIN)/sensorium demo $(if $(DATA),--data '$(DATA)') $(if $(OUT),--out '$(OUT)')

run: $(RUN_STAMP)             ## the same system left open, for a phone or an agent
	$(BIN)/sensorium run $(ARGS)

test: $(DEV_STAMP)            ## all tests, on real PostgreSQL
	$(BIN)/python -m pytest -n 2 --dist loadscope --no-loadscope-reorder $(ARGS)

check: $(DEV_STAMP)           ## style, strict types, architecture
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/python -m pytest -q tests/test_arrows.py

bench: $(DEV_STAMP)           ## measured beside a reference in the same run; never part of the tests
	$(BIN)/python -m tests.bench $(ARGS)

fuzz: $(FUZZ_STAMP)           ## each parser, guided by coverage, a minute each (ARGS='exif --seconds 600')
	$(BIN)/python -m tests.fuzz $(ARGS)

clean:
	rm -rf $(VENV) .mypy_cache .ruff_cache .pytest_cache .hypothesis .fuzz
