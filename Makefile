# `make demo` and `make test` work on a fresh machine with Python 3.11 or later and make.

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin

.PHONY: demo test test-slow fuzz damage settings docs clean

demo: $(VENV)/.installed
	@$(BIN)/python -m deepglass.cli.demo

test: $(VENV)/.installed-test
	$(BIN)/ruff check src tests benchmarks docs/*.py
	$(BIN)/ruff format --check src tests benchmarks docs/*.py
	$(BIN)/mypy
	$(BIN)/python -m pytest -n auto --dist loadfile --no-loadscope-reorder

test-slow: $(VENV)/.installed-test
	$(BIN)/python -m pytest -n auto --dist load -m slow

# Ten thousand damaged files, runs, specs and settings: `make fuzz SEED=7`; what fails is written to FINDS.
TRIES ?= 10000
SEED ?= 0
FINDS ?= /tmp/deepglass-finds
FUZZED := csv,tsv,json,parquet,arrow,npy,npz,idx,zip,tar,images,sounds,listed,masks,yolo,coco,voc,text,reviews,conllu
FUZZED := $(FUZZED),spec,settings,kinds,run

fuzz: $(VENV)/.installed-test
	$(BIN)/python tests/fuzz/fuzz.py --tries $(TRIES) --seed $(SEED) --only $(FUZZED) --out $(FINDS)

# Each file of runs of eight kinds, damaged in six ways, times nine commands.
damage: $(VENV)/.installed-test
	$(BIN)/python tests/fuzz/damage.py --seed $(SEED) --out $(FINDS)

$(VENV)/bin/pip:
	$(PYTHON) -m venv $(VENV)

$(VENV)/.installed: pyproject.toml constraints.txt | $(VENV)/bin/pip
	$(BIN)/pip install --quiet --disable-pip-version-check -c constraints.txt -e .
	touch $@

$(VENV)/.installed-docs: $(VENV)/.installed
	$(BIN)/pip install --quiet --disable-pip-version-check -c constraints.txt -e '.[docs]'
	touch $@

$(VENV)/.installed-test: $(VENV)/.installed
	$(BIN)/pip install --quiet --disable-pip-version-check -c constraints.txt -e '.[test]'
	touch $@

# The reference page of all settings, from the code.
settings: $(VENV)/.installed
	$(BIN)/python docs/settings_page.py

# The documentation as a site in build/docs; a warning is an error.
docs: $(VENV)/.installed-docs
	$(BIN)/python -m sphinx -b html -W --keep-going -q -d build/doctrees docs build/docs

clean:
	rm -rf $(VENV) build dist .pytest_cache .ruff_cache .mypy_cache
