# Needs Python >= 3.11 and make; everything else goes into .venv.
PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin
FUZZ_SECONDS ?= 600
# What jax calls the accelerator (cuda, tpu); any that it finds if empty.
PLATFORM ?=
JOBS ?= $(shell nproc 2>/dev/null || echo 2)
# Folders whose tests take about half of the time.
FIRST_TESTS := $(addprefix tests/unimse_jax/,training prediction models rivals)
DEMO := data/demo
DEMO_CORPORA := demo_mosi,demo_mosei,demo_meld,demo_iemocap

.DEFAULT_GOAL := help
.PHONY: help demo test test-first test-second test-slow test-accelerator fuzz \
  lint docs site demo-data demo-ablations clean

help:  ## what can be made
	@grep -E '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed 's/:.*##/\t/' | expand -t 18

# One pip command chooses torch and torchvision together.
$(VENV)/.export: setup.cfg pyproject.toml
	$(PYTHON) -c "import sys; v = sys.version_info; \
	  sys.exit(0 if v >= (3, 11) else f'Python >= 3.11 expected, found {sys.version}')"
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --upgrade pip
	$(BIN)/python -m pip install --quiet -e '.[export,report]'
	touch $@

$(VENV)/.test: $(VENV)/.export
	$(BIN)/python -m pip install --quiet -e '.[export,report,test]'
	touch $@

# Raw media are made below $(DEMO)/raw and go through the same exporter as
# real ones. Four frames of 96 px a clip: enough for drawn faces, and quick.
$(DEMO)/universal_labels.jsonl: | $(VENV)/.export
	$(BIN)/python -m feature_export.export --corpus demo --raw $(DEMO)/raw \
	  --out $(DEMO) --frames 4 --image_size 96 --faces none --jobs $(JOBS) \
	  --overwrite
	$(BIN)/python -m feature_export.universal_labels --data $(DEMO) \
	  --corpora $(DEMO_CORPORA) --out $@

demo-data: $(DEMO)/universal_labels.jsonl  ## export the demo corpora

demo: demo-data  ## set up, export the demo corpora, train, evaluate, report
	$(BIN)/python -m unimse_jax.train --config configs/demo.py
	$(BIN)/python -m unimse_jax.eval --config configs/demo.py
	$(BIN)/python -m feature_export.statistics --data $(DEMO) \
	  --json $(DEMO)/statistics.json > /dev/null
	$(BIN)/python -m unimse_jax.report --workdir runs/demo

# What each modality, module and corpus is worth: 27 runs, each resumable.
demo-ablations: demo-data  ## Table 3 of the demo, three seeds (takes an hour)
	$(BIN)/python -m unimse_jax.ablate --config configs/demo.py \
	  --workdir runs/table3 --rows table3 --seeds 3
	$(BIN)/python -m unimse_jax.report --workdir runs/table3

lint: $(VENV)/.test  ## ruff and the import floors
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/lint-imports

docs: | $(VENV)/.export  ## the configuration reference, from the fields' definitions
	$(BIN)/python -m unimse_jax.config_reference

site: | $(VENV)/.test  ## the documentation as a site, in site/
	$(BIN)/python -m mkdocs build --strict --site-dir site

# In two processes, for two cores; what is not in the first is in the second.
test: lint  ## set up, lint, and the tests that take minutes
	$(MAKE) --jobs=2 --keep-going test-first test-second

test-first: $(VENV)/.test
	$(BIN)/python -m pytest -m "not slow" $(FIRST_TESTS)

test-second: $(VENV)/.test
	$(BIN)/python -m pytest -m "not slow" $(FIRST_TESTS:%=--ignore=%)

test-slow: $(VENV)/.test  ## the tests that take longer
	$(BIN)/python -m pytest -m slow

# What computes: not files, commands or pages. Sums in a fixed order, for some
# tests ask for equal bits.
test-accelerator: $(VENV)/.test  ## the numeric tests, on the accelerator that jax finds
	JAX_PLATFORMS=$(PLATFORM) XLA_FLAGS=--xla_gpu_deterministic_ops=true \
	  $(BIN)/python -m pytest tests/unimse_jax/models tests/unimse_jax/decoding \
	  tests/unimse_jax/training/losses_test.py \
	  tests/unimse_jax/training/optimizer_test.py \
	  tests/unimse_jax/training/signal_test.py \
	  tests/unimse_jax/training/train_step_test.py

fuzz: $(VENV)/.test  ## damaged and crafted input files, ten minutes
	$(BIN)/python tests/fuzz/pickles_fuzz.py \
	  --seconds $(FUZZ_SECONDS)

clean:  ## remove .venv, caches and the demo's data and runs
	rm -rf $(VENV) .cache .pytest_cache .ruff_cache .import_linter_cache *.egg-info \
	  site $(DEMO) runs/demo* runs/table3
