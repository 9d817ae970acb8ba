PY := .venv/bin/python
STAMP := .venv/.installed

.PHONY: setup demo test lab check lock clean
.DEFAULT_GOAL := help

help: ## This list
	@grep -hE '^[a-z]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 10

setup: $(STAMP) ## Virtual environment, locked dependencies, a browser
$(STAMP): pyproject.toml requirements.lock
	python3 -c 'import sys; sys.exit("Python 3.11 or newer is needed, this is " + sys.version.split()[0]) if sys.version_info < (3, 11) else None'
	python3 -m venv .venv
	$(PY) -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements.lock
	$(PY) -m pip install --quiet --disable-pip-version-check --no-deps --editable .
	$(PY) -m mcp_demo.local.browser
	@touch $@

demo: setup ## The whole system on this machine; Ctrl-C ends it
	.venv/bin/mcp-demo up

test: setup ## All tests
	.venv/bin/pytest -n 2

lab: setup ## JupyterLab on the first notebook
	.venv/bin/jupyter lab notebooks/00_start_here.ipynb

check: setup ## Format, lint, types, import rules, templates
	.venv/bin/ruff format --check .
	.venv/bin/ruff check .
	.venv/bin/pyright
	.venv/bin/lint-imports
	.venv/bin/cfn-lint infrastructure/*.yaml

lock: ## Renew requirements.lock
	.venv/bin/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-annotate --no-header \
	  --all-extras --group dev --upgrade pyproject.toml -o requirements.lock

clean: ## Remove what setup and runs made in this folder
	-.venv/bin/mcp-demo down
	rm -rf .venv .pytest_cache .ruff_cache .hypothesis dist test-results
