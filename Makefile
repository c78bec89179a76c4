# Every target makes what it needs: the environment is built once and reused while
# pyproject.toml and constraints.txt stay the same, so a second call works offline.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed
# make test-browser SCREENSHOTS=docs/images renews the pictures of the docs.
SCREENSHOTS ?= build/screenshots

.PHONY: quickstart test test-browser test-tensorflow docs codes check format clean

quickstart: $(STAMP)  ## train on the bundled text, generate, show what is next
	$(BIN)/autogpt quickstart

test: $(STAMP)  ## the tests, with everything they need
	$(BIN)/pytest -n auto

test-tensorflow:  ## exports in KerasHub on TensorFlow, in an environment of its own (about 2 GB)
	test -x .venv-tensorflow/bin/python || $(PYTHON) -m venv .venv-tensorflow
	.venv-tensorflow/bin/python -m pip install --quiet -c constraints.txt torch
	.venv-tensorflow/bin/python -m pip install --quiet -c constraints.txt -e ".[tensorflow,transformers]" pytest hypothesis
	KERAS_BACKEND=tensorflow .venv-tensorflow/bin/python -m pytest tests/interop/test_tensorflow.py

test-browser: $(STAMP) node_modules/.installed  ## the studio in Chromium (apt-get install chromium), the API from Node
	$(BIN)/pytest -n 0 --browser --screenshots $(SCREENSHOTS) tests/browser tests/server/test_node_client.py

node_modules/.installed: package.json package-lock.json  # axe-core and openai, for the tests alone
	npm ci --ignore-scripts --no-audit --no-fund
	touch $@

docs: $(STAMP)  ## the documentation as a site, in site/; a broken link is an error
	NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --strict --quiet

codes: $(STAMP)  ## give new errors their codes (src/autogpt/core/locales/codes.json)
	$(BIN)/python -m tests.core.registering

check: $(STAMP)  ## what CI runs
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/pytest -n auto

format: $(STAMP)
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

$(STAMP): pyproject.toml constraints.txt
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet -c constraints.txt torch
	$(BIN)/python -m pip install --quiet -c constraints.txt -e ".[test]"
	touch $(STAMP)

clean:
	rm -rf $(VENV) .venv-tensorflow node_modules build dist site .pytest_cache .mypy_cache .ruff_cache .hypothesis
