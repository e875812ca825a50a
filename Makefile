# make repro   the environment, the default sample, the whole pipeline, and what it found
# make test    the environment and the tests
PYTHON ?= python3
BIN := .venv/bin
export PATH := $(CURDIR)/$(BIN):$(PATH)

.PHONY: repro test lint pins clean

repro: .venv/ready
	@datatools sample make digits --if-missing
	@test -e data/raw.dvc || dvc add --quiet data/raw
	@dvc repro
	@datatools summary

# Two workers, a thread each: on two cores more threads would wait for each other.
test: .venv/ready
	@OMP_NUM_THREADS=1 pytest -n 2 --dist worksteal

lint: .venv/ready
	@ruff format --check . && ruff check . && mypy

# Everything at the versions and hashes in requirements/: uv is fast, pip is the fallback where uv finds no index.
.venv/ready: requirements/all.txt requirements/installer.txt pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "make: Python 3.11 or newer is needed, this is " + sys.version)'
	$(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements/installer.txt
	UV_SYSTEM_CERTS=1 $(BIN)/uv pip install --python $(BIN)/python --no-deps --require-hashes -r requirements/all.txt \
	  || $(BIN)/python -m pip install --no-deps --require-hashes -r requirements/all.txt
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation --editable .
	@touch $@

# Pin again after a change of pyproject.toml.
pins: .venv/ready
	uv pip compile pyproject.toml --extra dev --universal --python-version 3.11 --generate-hashes \
	  --no-annotate --no-header --no-emit-index-url --quiet --output-file requirements/all.txt

clean:
	rm -rf .venv .datatools
