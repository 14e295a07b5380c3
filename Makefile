# `make demo` and `make test` need Python 3.11 or newer, make and pip; each makes .venv if there is none.
PYTHON ?= python3
BIN := .venv/bin
PIP := $(BIN)/pip install --quiet --disable-pip-version-check --constraint constraints.txt
SOURCES := pyproject.toml constraints.txt README.md

.PHONY: demo test clean

demo: .venv/demo.installed
	$(BIN)/transfernas demo --seed 0

test: .venv/test.installed
	./check --all

clean:
	rm -rf .venv runs site

.venv/demo.installed: $(SOURCES)
	test -x $(BIN)/python || $(PYTHON) -m venv .venv
	$(PIP) --editable '.[benchmarks]'
	touch $@

.venv/test.installed: $(SOURCES)
	test -x $(BIN)/python || $(PYTHON) -m venv .venv
	$(PIP) --editable '.[benchmarks,configspace,ray,examples,docs,dev]'
	touch $@ .venv/demo.installed
