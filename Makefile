# `make demo` and `make test` need Python 3.11.5 or newer, make and pip; each makes .venv if there is none.
PYTHON ?= python3
BIN := .venv/bin
PIP := $(BIN)/pip install --quiet --disable-pip-version-check
LOCKED := $(PIP) --no-deps --require-hashes --requirement
PROJECT := $(PIP) --no-deps --no-build-isolation --editable .

.PHONY: demo test clean

demo: .venv/demo.installed
	$(BIN)/transfernas demo --seed 0

test: .venv/test.installed
	./check --all

clean:
	rm -rf .venv runs site

.venv/demo.installed: pyproject.toml requirements/demo.txt
	test -x $(BIN)/python || $(PYTHON) -m venv .venv
	$(LOCKED) requirements/demo.txt
	$(PROJECT)
	touch $@

# PyTorch has no hashes: which file of it is the right one depends on the machine.
.venv/test.installed: pyproject.toml requirements/test.txt constraints.txt
	test -x $(BIN)/python || $(PYTHON) -m venv .venv
	$(LOCKED) requirements/test.txt
	$(PIP) --constraint constraints.txt torch
	$(PROJECT)
	touch $@ .venv/demo.installed
