PYTHON ?= $(shell for p in python3 python3.14 python3.13 python3.12 python3.11; do \
  $$p -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null && echo $$p && break; done)
PY := .venv/bin/python
STAMP := .venv/.installed
# Its dependencies are pinned to the digit, so it has an environment of its own.
CHECKOV := .venv/checkov

.PHONY: help setup demo test lab check official targets score notebooks api parity diagrams bench soak logins scale fuzz secrets audit sbom env-example lock clean
.DEFAULT_GOAL := help

help: ## This list
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 14

setup: $(STAMP) ## Virtual environment, locked dependencies, a browser
$(STAMP): pyproject.toml requirements.lock
	@test -n "$(PYTHON)" || { echo "Python 3.11 or newer is needed; name one: make setup PYTHON=/path/to/python" >&2; exit 4; }
	$(PYTHON) -m venv .venv
	$(PY) -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements.lock
	$(PY) -m pip install --quiet --disable-pip-version-check --no-deps --editable .
	$(PY) -m mcp_demo.local.browser
	@touch $@

demo: setup ## The whole system on this machine; Ctrl-C ends it
	.venv/bin/mcp-demo up

test: setup ## All tests
	.venv/bin/pytest -n 2 --dist loadfile

lab: setup ## JupyterLab on the first notebook
	.venv/bin/jupyter lab $(if $(filter 0,$(shell id -u)),--allow-root) notebooks/00_start_here.ipynb

$(CHECKOV)/.installed: infrastructure/checkov.txt $(STAMP)
	.venv/bin/uv venv --quiet --clear --python $(PY) $(CHECKOV)
	.venv/bin/uv pip sync --quiet --require-hashes --python $(CHECKOV)/bin/python infrastructure/checkov.txt
	@touch $@

check: setup $(CHECKOV)/.installed ## Format, lint, types, import rules, templates
	.venv/bin/ruff format --check .
	.venv/bin/ruff check --no-cache .
	.venv/bin/pyright
	.venv/bin/lint-imports
	.venv/bin/cfn-lint infrastructure/*.yaml
	$(CHECKOV)/bin/checkov --skip-download --quiet --compact --framework cloudformation --directory infrastructure

official: setup ## The official MCP suite over our client and bridge; writes docs/official.md
	$(PY) -m conformance.official --write docs/official.md

targets: setup ## Judge five servers that people run; renews docs/findings.md
	$(PY) -m conformance.targets

score: setup ## Plant every bug for the conformance suite; renews docs/mutation-score.md
	$(PY) -m conformance.mutants.score docs/mutation-score.md

notebooks: setup ## Run the notebooks and renew their outputs
	$(PY) notebooks/build.py

api: setup ## Renew docs/api.md from the docstrings
	$(PY) docs/api.py

parity: setup ## Renew docs/parity.md from the rows and the tests
	$(PY) docs/parity.py

diagrams: setup ## Renew docs/architecture.md from the templates
	$(PY) docs/diagrams.py

bench: setup ## Measure how fast it is, beside peers, a quarter of an hour (needs wrk); renews docs/performance.md
	$(PY) -m benchmarks --write docs/performance.md

soak: setup ## Ten minutes of mixed load with faults (needs faketime); renews its table in docs/reliability.md
	$(PY) -m benchmarks soak --minutes 10 --write docs/reliability.md

logins: setup ## A thousand logins at bridges that are killed and replaced; renews its table in docs/scale.md
	$(PY) -m benchmarks logins --write docs/scale.md

scale: setup ## What the registry costs by size, and the plan for AWS; renews docs/scale.md
	$(PY) -m benchmarks scale --write docs/scale.md
	$(PY) -m benchmarks plan --write docs/scale.md

fuzz: setup ## Fuzz every parser, and show a million hostile tokens to the verifier (half an hour)
	$(PY) tests/fuzz/guided.py --seconds 60 --seed 1
	$(PY) tests/fuzz/hostile_tokens.py --number 1000000 --seed 1

secrets: setup ## Look for secrets among the files
	$(PY) tests/supply_chain/secret_scan.py

audit: setup ## Look for known vulnerabilities; fails where no service can be reached
	$(PY) tests/supply_chain/audit.py

sbom: setup ## Bill of materials, dist/sbom.json
	mkdir -p dist
	.venv/bin/uv tool run --quiet --from cyclonedx-bom==7.5.0 cyclonedx-py requirements requirements.lock --pyproject pyproject.toml \
	  --output-reproducible --of JSON -o dist/sbom.json

env-example: ## Renew .env.example from the settings classes
	$(PY) -m mcp_demo.deploy.example > .env.example

lock: ## Renew requirements.lock, and what the Lambda functions get of it
	.venv/bin/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-annotate --no-header \
	  --all-extras --group dev --upgrade pyproject.toml -o requirements.lock
	.venv/bin/uv pip compile --quiet --python-version 3.13 --python-platform linux --generate-hashes --no-annotate --no-header \
	  --constraint requirements.lock mcp_demo/serverless/requirements.in -o mcp_demo/serverless/requirements.txt

clean: ## Remove what setup and runs made in this folder
	-test ! -x .venv/bin/mcp-demo || .venv/bin/mcp-demo down
	rm -rf .venv .pytest_cache .ruff_cache .hypothesis dist test-results conformance/official/node_modules conformance/targets/node_modules
