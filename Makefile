# make demo   set up, make a small corpus, train, print the test table, read one unseen clip
# make test   set up, pass the tests                  make check  lint, format, types, layers, spelling
# make test-slow   long fault and quality suites      make bench  the benchmark of the sparse blocks
# make explore LAWS=test_speaking   the property tests of that name on new examples (LAWS= for all)
# make results     every experiment on the synthetic corpus, 5 seeds, into docs/results.md: hours
PYTHON ?= $(shell command -v python3.11 || command -v python3)
VENV := .venv
BIN := $(VENV)/bin
MESMER := $(BIN)/mesmer
DEMO ?= demo
RESULTS ?= results
SEEDS ?= 5
WORKERS ?= 2
LAWS ?=

export PIP_DISABLE_PIP_VERSION_CHECK = 1

.PHONY: demo results test test-slow explore check format bench clean
.DELETE_ON_ERROR:

$(VENV)/.installed: pyproject.toml
	$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "MESMER needs Python 3.11 or newer; run make PYTHON=/path/to/python3.11")'
	$(PYTHON) -m venv $(VENV)
	$(BIN)/pip install --quiet --editable .
	touch $@

$(VENV)/.installed-dev: $(VENV)/.installed
	$(BIN)/pip install --quiet --editable '.[dev]'
	touch $@

demo: $(VENV)/.installed
	$(MESMER) prepare synthetic $(DEMO)/data --size small --seed 0 --workers $(WORKERS)
	$(MESMER) train --config configs/demo.yaml --data $(DEMO)/data --run $(DEMO)/run --resume
	$(MESMER) evaluate $(DEMO)/run --data $(DEMO)/data --split test
	$(MESMER) predict $(DEMO)/data/raw/unseen.mp4 --transcript $(DEMO)/data/raw/unseen.txt --model $(DEMO)/run
	$(MESMER) analyze src/mesmer/samples/drawn_talk.mp4 --transcript src/mesmer/samples/drawn_talk.srt \
	  --model default --out $(DEMO)/analyzed --again

results: $(VENV)/.installed-dev
	$(MESMER) prepare synthetic $(RESULTS)/data --size small --seed 0 --workers $(WORKERS)
	$(MESMER) experiment table1 table3 table5 figure5 missing curves --data $(RESULTS)/data --out $(RESULTS)/out \
	  --seeds $(SEEDS) --small --workers $(WORKERS) --jobs $(WORKERS)
	$(MESMER) sweep configs/small/sweep.yaml --data $(RESULTS)/data --out $(RESULTS)/sweep
	$(BIN)/python tools/publish_results.py $(RESULTS)/out docs/results.md --sweep $(RESULTS)/sweep

test: $(VENV)/.installed-dev
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest -m "not slow" --durations=15

test-slow: $(VENV)/.installed-dev
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest -m slow --timeout=3600

explore: $(VENV)/.installed-dev
	HYPOTHESIS_PROFILE=explore OMP_NUM_THREADS=1 $(BIN)/python -m pytest -m "not slow" -k "$(LAWS)"

check: $(VENV)/.installed-dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/codespell README.md CONTRIBUTING.md CHANGELOG.md docs recipes src tests configs benchmarks tools

format: $(VENV)/.installed-dev
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

bench: $(VENV)/.installed-dev
	$(BIN)/python benchmarks/extraction.py --quick

clean:
	rm -rf $(VENV) $(DEMO) build dist src/*.egg-info
