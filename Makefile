# Everything a newcomer needs; each target makes what it depends on.
.DEFAULT_GOAL := help
.PHONY: help demo quality reference test all-tests test-full check lint serve notebooks clean

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
# A file's tests stay together, since they share a server or a model. One process more than cores, since tests wait
# for servers; more than four at a time want too much memory. Each keeps to a core: threads would wait for each other.
TESTS := OMP_NUM_THREADS=1 $(BIN)/python -m pytest tests --dist loadfile --no-loadscope-reorder \
	-n $(shell $(PYTHON) -c 'import os; print(min(4, 1 + (os.cpu_count() or 1)))')
PIP := $(BIN)/python -m pip install --quiet --disable-pip-version-check

help: ## list the targets
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | awk -F':.*## ' '{printf "  make %-10s %s\n", $$1, $$2}'

$(BIN)/python:
	$(PYTHON) -m venv $(VENV)

$(VENV)/.installed: pyproject.toml | $(BIN)/python
	@echo "installing Tailorbird into $(VENV) (PyTorch is large: some minutes the first time)"
	$(PIP) 'pip>=25.1'
	$(PIP) torch==2.13.0
	$(PIP) -e '.[aws-local,demo]'
	@touch $@

$(VENV)/.installed-dev: $(VENV)/.installed
	$(PIP) --group dev -e '.[aws-local,demo,notebooks]'
	@touch $@

$(VENV)/.installed-bench: $(VENV)/.installed-dev
	$(PIP) --group bench
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

all-tests:
	$(TESTS)

test-full: $(VENV)/.installed-dev tests/javascript/node_modules ## also the long tests
	TAILORBIRD_LONG=1 $(TESTS)

quality: $(VENV)/.installed-bench ## measure quality beside peers: make quality PROTOCOLS="P4 P4d" (needs TAILORBIRD_DATA)
	OMP_NUM_THREADS=1 PYTHONPATH=src:bench $(BIN)/python -m quality $(PROTOCOLS) --write .

reference: $(VENV)/.installed ## make docs/reference anew
	$(BIN)/tailorbird reference > docs/reference/operations.md
	$(BIN)/tailorbird reference --figures docs/reference/recipes.json > docs/reference/recipes.md
	$(BIN)/tailorbird reference --settings > docs/reference/settings.md

lint: $(VENV)/.installed-dev ## ruff, mypy --strict, layers
	$(BIN)/ruff format --check src tests bench notebooks/*.py
	$(BIN)/ruff check src tests bench notebooks/*.py
	$(BIN)/mypy
	$(BIN)/lint-imports

check: test ## the same as `make test`

clean: ## remove what the other targets made
	rm -rf $(VENV) build dist tests/javascript/node_modules .pytest_cache .mypy_cache .ruff_cache .hypothesis
