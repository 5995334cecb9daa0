# Everything a newcomer needs; each target makes what it depends on.
.DEFAULT_GOAL := help
.PHONY: help demo quality bench reference test all-tests kernels test-full test-newer test-made-up check lint lock serve notebooks clean

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
# A file's tests stay together, since they share a server or a model. One process more than cores, since tests wait
# for servers; more than four at a time want too much memory. Each keeps to a core: threads would wait for each other.
TESTS := OMP_NUM_THREADS=1 $(BIN)/python -m pytest tests --dist loadfile --no-loadscope-reorder \
	-n $(shell $(PYTHON) -c 'import os; print(min(4, 1 + (os.cpu_count() or 1)))')
# Where `make bench` keeps its installations between runs.
KEPT ?= build/bench
PIP := $(BIN)/python -m pip install --quiet --disable-pip-version-check
# The locks are whole: nothing that is not in them is installed, PyTorch excepted, whose build is the platform's choice.
LOCKED := $(PIP) --require-hashes --no-deps --requirement
TORCH := torch==2.13.0
# One resolution, for every platform and every Python that pyproject.toml allows, from PyPI wherever pip is told to look.
LOCK := $(BIN)/uv pip compile pyproject.toml --quiet --universal --python-version 3.11 --generate-hashes $(UPGRADE) \
	--no-emit-package torch --annotation-style line --default-index https://pypi.org/simple --custom-compile-command 'make lock'

help: ## list the targets
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | awk -F':.*## ' '{printf "  make %-10s %s\n", $$1, $$2}'

$(BIN)/python:
	$(PYTHON) -m venv $(VENV)

$(VENV)/.installed: pyproject.toml requirements/run.lock | $(BIN)/python
	@echo "installing Tailorbird into $(VENV) (PyTorch is large: some minutes the first time)"
	$(LOCKED) requirements/run.lock
	$(PIP) $(TORCH)
	$(PIP) --no-deps -e .
	@touch $@

$(VENV)/.installed-dev: $(VENV)/.installed requirements/dev.lock
	$(LOCKED) requirements/dev.lock
	@touch $@

$(VENV)/.installed-bench: $(VENV)/.installed-dev requirements/bench.lock
	$(LOCKED) requirements/bench.lock
	$(PIP) --no-deps rectools==0.19.0
	@touch $@

tests/javascript/node_modules: tests/javascript/package.json
	@command -v npm >/dev/null || { echo "npm is needed for the JavaScript SDK's tests: apt-get install npm"; exit 1; }
	cd tests/javascript && npm install --silent --no-audit --no-fund && touch node_modules

demo: $(VENV)/.installed ## real data to recommendations, through boto3, in minutes
	$(BIN)/tailorbird demo

serve: $(VENV)/.installed ## run a server on ./data
	$(BIN)/tailorbird serve --data-dir data

notebooks: $(VENV)/.installed-dev ## open the six steps in JupyterLab; needs a server (make serve)
	@eval "$$($(BIN)/tailorbird env --data-dir data)" && PATH="$(CURDIR)/$(BIN):$$PATH" $(BIN)/jupyter lab notebooks

test: $(VENV)/.installed-dev tests/javascript/node_modules ## lint, layers and all tests
	$(MAKE) --no-print-directory --jobs 2 lint all-tests

all-tests: kernels
	$(TESTS)

kernels: $(VENV)/.installed-dev # compiled once, which takes half a minute, rather than by each of the processes that begin together
	@$(BIN)/python -c 'from tailorbird.recipes.scorers import attention, blend_kernels, likelihood_kernels, neighbour_kernels; \
		from tailorbird.serving import exploration_kernels'

test-full: $(VENV)/.installed-dev tests/javascript/node_modules kernels ## also the long tests, and the others on a newer Python
	TAILORBIRD_LONG=1 $(TESTS)
	$(MAKE) --no-print-directory test-newer

test-newer: tests/javascript/node_modules ## the tests without real data, on the newest Python that is here
	@newer=$$(sh tests/newer_python.sh $(PYTHON)); \
	if [ -n "$$newer" ]; then \
		version=$$("$$newer" -c 'import sys; print("%d.%d" % sys.version_info[:2])'); \
		$(MAKE) --no-print-directory PYTHON="$$newer" VENV=".venv-$$version" test-made-up; \
	else echo "No Python newer than $(PYTHON) was found: the tests ran on that one alone."; fi

test-made-up: $(VENV)/.installed-dev kernels
	$(BIN)/python --version
	env -u TAILORBIRD_DATA -u TAILORBIRD_LONG $(TESTS)

quality: $(VENV)/.installed-bench ## measure quality beside peers: make quality PROTOCOLS="P4 P4d" (needs TAILORBIRD_DATA)
	OMP_NUM_THREADS=1 PYTHONPATH=src:bench $(BIN)/python -m quality $(PROTOCOLS) --write .

bench: $(VENV)/.installed-bench ## measure speed and cost beside peers (needs TAILORBIRD_DATA, wrk, 40 minutes of two idle cores)
	PYTHONPATH=src:bench $(BIN)/python -m performance --run --kept $(KEPT)

reference: $(VENV)/.installed ## make docs/reference anew
	$(BIN)/tailorbird reference > docs/reference/operations.md
	$(BIN)/tailorbird reference --figures docs/reference/recipes.json > docs/reference/recipes.md
	$(BIN)/tailorbird reference --settings > docs/reference/settings.md

lint: $(VENV)/.installed-dev ## ruff, mypy --strict, layers
	$(BIN)/ruff format --check src tests bench notebooks/*.py
	$(BIN)/ruff check src tests bench notebooks/*.py
	$(BIN)/mypy
	$(BIN)/lint-imports

lock: $(BIN)/python ## make requirements/*.lock follow pyproject.toml: make lock UPGRADE=--upgrade for the newest of all
	$(PIP) uv
	$(LOCK) --all-extras --group dev --group bench --output-file requirements/bench.lock
	$(LOCK) --all-extras --group dev --constraints requirements/bench.lock --output-file requirements/dev.lock
	$(LOCK) --extra aws-local --extra demo --extra postgresql --constraints requirements/bench.lock --output-file requirements/run.lock

check: test ## the same as `make test`

clean: ## remove what the other targets made
	rm -rf $(VENV) .venv-* build dist tests/javascript/node_modules .pytest_cache .mypy_cache .ruff_cache .hypothesis
