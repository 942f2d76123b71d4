# Everything runs from the checkout, with the Python of .venv, which .ci/setup makes and keeps up with the lock files.
# PYTHON=/path/to/python3 chooses the Python (3.11 or newer) that .venv is made with.
PYTHON ?=
export PYTHON
# The tests start hundreds of processes: modules are compiled once, even where this is set.
export PYTHONDONTWRITEBYTECODE :=
RUN := .venv/bin/python
CODE := $(wildcard common schemas producers worker bench tests)
COMPILE := pip compile pyproject.toml --quiet --universal --python-version 3.11 --generate-hashes \
	--no-emit-index-url --no-header --annotation-style line $(if $(UPGRADE),--upgrade)

.DEFAULT_GOAL := help
.PHONY: help setup demo run pictures test test-of faults nemesis mutants histories walker image boxes nightly audit sbom check bench growth schemas migrate lock clean .runtime .dev

help: ## this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-9s %s\n", $$1, $$2 }' Makefile

setup: .dev ## make .venv with all that the other targets need

demo: .runtime ## make the files of a fictitious commune and show them: needs Python only
	$(RUN) -m worker.solo demo

run: .runtime ## open the clerk's screen at the address that it prints, with the files it makes: needs Python only
	$(RUN) -m worker.solo run

test: .dev ## install the services that the tests use, then run all tests but the slow ones: ten to fifteen minutes on two cores
	$(RUN) -m tests.parts.install
	$(RUN) -m pytest -n auto --maxprocesses 4 -m "not slow"

test-of: .dev ## run the tests of one module, FILE=worker/work/queue.py: twenty seconds
	$(RUN) -m tests.of $(FILE)

faults: .dev ## break each part in turn while files are made, send bad messages, attack by all at once: ten minutes
	$(RUN) -m pytest -n 0 -m slow tests/faults/test_faults.py tests/faults/test_poison.py tests/faults/test_flood.py

nemesis: .dev ## overlap two or three troubles at a time, drawn by SEEDS seeds (20), and judge what is left: a minute each
	SEEDS=$(or $(SEEDS),20) SEED=$(or $(SEED),1) $(RUN) -m pytest -n 0 -m slow tests/faults/nemesis

mutants: .dev ## take each safeguard away in a copy of the tree, and count those whose test file notices nothing: an hour
	$(RUN) -m tests.mutants

image: ## build the container image, under the name that docker-compose.yml runs: needs Docker
	docker compose build migrate

boxes: .dev ## play docs/operations.md on a container engine of its own, an upgrade and the way back: needs root
	$(RUN) -m pytest -n 0 -s --timeout 1800 $(or $(BOXES),tests/boxes)

histories: .dev ## N random histories of a register (5,000), made by the product and computed from the law: three quarters of an hour
	HISTORIES=$(or $(N),5000) SEED=$(or $(SEED),1) $(RUN) -m pytest -n 0 tests/oracle/test_histories.py -k no_history

walker: .dev ## clerks who follow each cure of the screen, through N random histories (20) from SEED on (today's): three seconds each
	WALKS=$(or $(N),20) SEED=$(or $(SEED),$$(date -u +%Y%m%d000)) DATABASE=$(DATABASE) $(RUN) -m pytest -n 0 --show-capture=no tests/walker/test_walker.py

nightly: .dev ## the slow tests, then mutants, 1,000 histories, 1,000 walks of clerks and bench: three hours
	$(RUN) -m tests.parts.install
	$(RUN) -m pytest -n auto --maxprocesses 4 -m slow --ignore tests/faults/test_flood.py
	$(MAKE) faults mutants bench
	$(MAKE) histories N=1000
	$(MAKE) walker N=500
	$(MAKE) walker N=500 SEED=$$(date -u +%Y%m%d500) DATABASE=postgresql

audit: .dev ## secrets in the history, and known vulnerabilities of what is locked
	gitleaks detect --no-banner --redact --verbose --config=tests/gitleaks.toml
	$(RUN) -m pip_audit --requirement requirements.lock --disable-pip --require-hashes

sbom: .dev ## var/sbom.json, what is locked for running as an inventory (CycloneDX)
	@mkdir -p var
	$(dir $(RUN))cyclonedx-py requirements requirements.lock --pyproject pyproject.toml --output-reproducible -o var/sbom.json

pictures: .dev ## make the pictures of docs/guide-agent.md again, from the running screen
	$(RUN) -m tests.pictures

check: .dev ## style, types, dependency rules, generated files up to date, compose file, Dockerfile; prints the size of the repository
	$(RUN) -m ruff check .
	$(RUN) -m ruff format --check .
	$(RUN) -m mypy $(CODE)
	$(RUN) -c 'from importlinter.cli import lint_imports_command as main; main()' --no-logo
	$(RUN) -m schemas check
	$(RUN) -m tests.weight
	$(RUN) -m check_jsonschema --builtin-schema vendor.compose-spec docker-compose.yml $(wildcard deploy/*.yml)
	$(dir $(RUN))hadolint Dockerfile

bench: .dev ## measure how fast files are made and the screen answers: half an hour
	$(RUN) -m bench

growth: .dev ## how work grows with a list and with the past: exponents, seven minutes
	$(RUN) -m bench.growth

schemas: .runtime ## write the JSON Schemas and the examples again, from the models, and the alerts of Kubernetes
	$(RUN) -m schemas write
	$(RUN) -m common.regimes_page
	@set -e; cd deploy/kubernetes/monitoring; rules=$$(sed '/^spec:/q' alerts.yaml; sed 's/^./  &/' ../../monitoring/alerts.yml); \
	printf '%s\n' "$$rules" > alerts.yaml

migrate: .runtime ## bring the database to the current version
	$(RUN) -m worker migrate

lock: ## write the lock files again after a change of pyproject.toml (UPGRADE=1: newest releases)
	@sh .ci/setup venv
	@set -e; tools=$$(mktemp -d); trap 'rm -rf "$$tools"' EXIT; \
	$(RUN) -m venv "$$tools"; "$$tools/bin/python" -m pip install --quiet --disable-pip-version-check uv; \
	"$$tools/bin/uv" $(COMPILE) -o requirements.lock; \
	"$$tools/bin/uv" $(COMPILE) --group dev -c requirements.lock -o requirements-dev.lock

clean: ## remove .venv and the caches, never the data (var/)
	rm -rf .venv .hypothesis .import_linter_cache .mypy_cache .pytest_cache .ruff_cache
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

.runtime:
	@sh .ci/setup runtime

.dev:
	@sh .ci/setup dev
