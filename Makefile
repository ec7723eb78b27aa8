# MarketPrism. `make` alone lists the targets. Nothing has to be installed by hand before any of them.
SHELL := /bin/bash
.DEFAULT_GOAL := help

VENV ?= .venv
BIN := $(VENV)/bin
FIXTURES ?= $(or $(MARKETPRISM_FIXTURES),../shared/fixtures)
# The first interpreter that is new enough.
PYTHON ?= $(shell for p in python3 python3.13 python3.12 python3.11; do \
  command -v $$p >/dev/null 2>&1 && $$p -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null && { echo $$p; break; }; done)
# A real trading day when recordings are there, else the simulated venue. SOURCE=… overrides.
RECORDINGS := $(wildcard $(FIXTURES)/ctp/ticks/ru1901_2018100[89].csv.gz $(FIXTURES)/ctp/ticks/ru1901_20181010.csv.gz)
comma := ,
empty :=
SOURCE ?= $(if $(RECORDINGS),replay:$(subst $(empty) $(empty),$(comma),$(strip $(RECORDINGS))),sim)
# What `make run` needs is installed by itself; everything else, and what tests and checks need, comes with those.
RUN := $(VENV)/.ready-run
DEV := $(VENV)/.ready-dev
PIP = $(BIN)/python -m pip $(1) --disable-pip-version-check --no-input
# One line a package while pip works: what it collects, and when it begins to unpack. Errors come as they are.
PROGRESS := sed -u -n -e 's/^Collecting \([A-Za-z0-9._-]*\).*/  \1/p' -e 's/^Installing collected packages.*/  … unpacking/p'
# Most tests wait for a server, a lease or a clock: two of them share a core.
WORKERS ?= 4

PEER_PYTHON ?= python3.13
PEERS ?= $(HOME)/.cache/marketprism/peers

STEPS ?= 1000000
MINUTES ?= 3
.PHONY: $(shell sed -n 's/^\([a-z][a-z-]*\):.*/\1/p' $(firstword $(MAKEFILE_LIST)))

help: ## List the targets
	@awk -F':.*## ' '/^[a-z-]+:.*## / {printf "  make %-13s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

setup: $(DEV) ## Install everything, tools for development too (other targets install what they need)

$(BIN)/python:
	@test -n "$(PYTHON)" || { echo "MarketPrism needs Python 3.11 or newer; none found on PATH" >&2; exit 2; }
	@$(PYTHON) -m venv $(VENV)

$(RUN): pyproject.toml constraints.txt | $(BIN)/python
	@echo "Installing what the services need into $(VENV), some 900 MB, once:"
	@set -o pipefail; MARKETPRISM_COMPILED=0 $(call PIP,install) --no-compile -c constraints.txt -e '.[server,embedded,plot,backup]' | $(PROGRESS)
	@touch $@

$(DEV): pyproject.toml constraints.txt | $(BIN)/python
	@echo "Installing everything and the tools for development into $(VENV), once:"
	@# The counters are compiled meanwhile, on the core that an installation leaves idle.
	@$(MAKE) --no-print-directory $(COMPILED)/.ready & set -o pipefail; MARKETPRISM_COMPILED=0 $(call PIP,install) -c constraints.txt -e '.[all,dev]' | $(PROGRESS); done=$$?; wait; exit $$done
	@$(INSTALL_COUNTERS)
	@touch $@ $(RUN)

# Their compiled API alone, without the trader and the Qt that the packages ask for.
COUNTERS := vnpy-ctp vnpy-sopt
COMPILED := $(VENV)/counters
INSTALL_COUNTERS = $(call PIP,install) --quiet --no-index --no-deps -c constraints.txt -f $(COMPILED) $(COUNTERS) \
  >/dev/null 2>&1 || echo "CTP and SOPT: their API does not build here; everything else works"

$(COMPILED)/.ready: constraints.txt | $(BIN)/python
	@echo "  $(COUNTERS) (compiled here; may take minutes)"
	@$(call PIP,wheel) --quiet -c constraints.txt --no-deps -w $(@D) $(COUNTERS) >/dev/null 2>&1 && touch $@ || true

counters: $(COMPILED)/.ready ## Build the API of the CTP and SOPT counters (needs a C++ compiler)
	@$(INSTALL_COUNTERS)

run: $(RUN) $(if $(filter ctp% sopt%,$(SOURCE)),counters) ## Run the whole pipeline until you see bars (SOURCE=replay:… or sim, CLICKHOUSE=server or a URL)
	@PYTHONPATH="$$($(BIN)/python deploy/core/core_build.py path)$${PYTHONPATH:+:$$PYTHONPATH}" $(BIN)/marketprism up --source '$(SOURCE)' $(if $(CLICKHOUSE),--clickhouse '$(CLICKHOUSE)') $(ARGS)

# Hundreds of processes load the same modules: each is compiled once, whatever the shell says.
test: export PYTHONDONTWRITEBYTECODE :=
test: $(DEV) ## Lint, types, import contracts and every test that is not long
	@# Beside the tests, on the core that their servers leave idle; printed where it finds something, before what failed.
	@$(MAKE) --no-print-directory lint >$(VENV)/lint.txt 2>&1 & lint=$$!; set -o pipefail; \
	$(BIN)/python -m pytest -q -n $(WORKERS) --dist loadgroup -m "not long and not ops" --ignore tests/chaos --ignore tests/veighna $(ARGS) | tee $(VENV)/tests.txt; tests=$$?; \
	wait $$lint; linted=$$?; if [ $$linted = 0 ]; then echo "lint, types and import contracts: clean"; else cat $(VENV)/lint.txt; fi; \
	[ $$tests = 0 ] || grep -E '^(FAILED|ERROR) |^[0-9]+ failed' $(VENV)/tests.txt; exit $$((tests ? tests : linted))

test-long: $(DEV) ## Every page in every language, theme and width, more seeds of faults, more kills, more engines
	@$(BIN)/python -m pytest -q -n $(WORKERS) --dist loadgroup -m "long and not ops" --ignore tests/chaos --ignore tests/veighna $(ARGS)

ops: $(DEV) ## Deployment for real: image, containers, network namespaces (needs root; installs packages of the system)
	@$(BIN)/python -m pytest -q -p no:xdist -m ops tests/ops $(ARGS)

check-deploy: $(DEV) ## What is deployed, as far as nothing has to run: manifests, units, workflows, images, scripts
	@$(BIN)/python -m pytest -q -n 2 $(wildcard tests/unit/deploy tests/integration/deploy) $(ARGS)

check-packages: $(DEV) ## The wheel in bare environments: light, server, embedded (needs a package index)
	@$(BIN)/python -m pytest -q -p no:xdist -m ops tests/ops/test_packages.py $(ARGS)

# docs/releasing.md: only Python and git are needed; what builds comes into .build.
RELEASE := $(PYTHON) deploy/release/release.py

dist: ## Source and pure wheel into dist, the same bytes of the same commit
	@$(RELEASE) build

wheels: ## Wheels with the compiled core into dist, one a Python and platform (cibuildwheel; on Linux with a container engine)
	@test -x .build/wheels/bin/cibuildwheel || { $(PYTHON) -m venv .build/wheels && \
	  .build/wheels/bin/python -m pip install --quiet --disable-pip-version-check cibuildwheel==4.3.5; }
	@.build/wheels/bin/cibuildwheel --output-dir dist $(ARGS)

rehearse: ## A release without publishing, in a copy of the last commit; results in .build/rehearsal (VERSION=0.2.0)
	@$(RELEASE) prepare "$(VERSION)" --dry-run

release-check: ## Whether the tree is what the tag in the variable TAG says
	@$(RELEASE) check "$$TAG"

release-files: ## Sums, SBOM and provenance of what lies in dist
	@$(RELEASE) files

# What stands on the framework alone: nothing of the services is installed there.
CORE_TESTS := tests/unit/domain tests/unit/application tests/unit/sdk tests/contract/test_codec.py
# cronsim: times of jobs; chinesecalendar: the holidays of the calendar that the tests share; numpy: columns of backtests and history.
TEST_TOOLS := blockbuster chinesecalendar cronsim hypothesis msgpack numpy pytest pytest-asyncio pytest-timeout pytest-xdist

# What vnpy and its gateways import, without Qt.
VNPY_TOOLS := numpy ta-lib loguru tzlocal requests psutil
VNPY_GATEWAYS := vnpy_ctp vnpy_sopt vnpy_mini vnpy_femas vnpy_rohon vnpy_jees vnpy_xtp vnpy_tora vnpy_tap vnpy_esunny vnpy_ib

test-core: ## Domain, application, SDK and contracts in an environment without the services
	@test -x .venv-core/bin/python || $(PYTHON) -m venv .venv-core
	@.venv-core/bin/python -m pip install --quiet --disable-pip-version-check -c constraints.txt -e '.[sdk,arrow,otlp]' $(TEST_TOOLS)
	@.venv-core/bin/python -m pytest -q -n 2 $(CORE_TESTS) $(ARGS)

test-vnpy-gateways: ## Gateways of VeighNa as sources, on true vnpy; those that build here are made (minutes, once)
	@test -x .venv-vnpy-gateways/bin/python || $(PYTHON) -m venv .venv-vnpy-gateways
	@.venv-vnpy-gateways/bin/python -m pip install --quiet --disable-pip-version-check -c constraints.txt -e '.[sdk,arrow]' $(TEST_TOOLS) $(VNPY_TOOLS)
	@.venv-vnpy-gateways/bin/python -m pip install --quiet --disable-pip-version-check --no-deps vnpy
	@for package in $(VNPY_GATEWAYS); do .venv-vnpy-gateways/bin/python -m pip show -q $$package >/dev/null 2>&1 || \
	  .venv-vnpy-gateways/bin/python -m pip install --quiet --disable-pip-version-check --no-deps $$package >/dev/null 2>&1 || \
	  echo "$$package: does not build here"; done
	@.venv-vnpy-gateways/bin/python -m pytest -q -rs -n 0 tests/unit/adapters/vnpy_gateway $(ARGS)

test-oldest: ## The same tests on the lowest versions that pyproject.toml allows
	@test -x .venv-oldest/bin/python || $(PYTHON) -m venv .venv-oldest
	@$(PYTHON) tests/support/oldest.py > .venv-oldest/oldest.txt
	@.venv-oldest/bin/python -m pip install --quiet --disable-pip-version-check -c .venv-oldest/oldest.txt -e '.[sdk,arrow,otlp]' $(TEST_TOOLS)
	@.venv-oldest/bin/python -m pytest -q -n 2 $(CORE_TESTS) $(ARGS)

compiled: $(DEV) ## Compile the domain's hot modules for this tree (needs a C compiler); `make run` uses them while they fit
	@$(BIN)/python deploy/core/core_build.py tree

# The same tests, the same golden files, over the compiled modules.
test-compiled: compiled ## Domain, golden and property tests over the compiled core
	@core=$$($(BIN)/python deploy/core/core_build.py path); test -n "$$core" && \
	PYTHONPATH="$$core" $(BIN)/python -m pytest -q -n 2 tests/unit/domain tests/unit/application/validation tests/unit/application/replay tests/contract/test_codec.py $(ARGS)

test-types: ## Public types of SDK, client and backtests, and a user's program, by pyright and mypy (in an environment of its own)
	@test -x .venv-types/bin/mypy || { $(PYTHON) -m venv .venv-types && MARKETPRISM_COMPILED=0 \
	  .venv-types/bin/python -m pip install --quiet --disable-pip-version-check 'basedpyright>=1.30' mypy pandas-stubs pyarrow-stubs -c constraints.txt -e '.[sdk,arrow,pandas]' numpy; }
	@PATH="$(CURDIR)/.venv-types/bin:$$PATH" .venv-types/bin/python tests/support/public_types.py

# VeighNa brings Qt and TA-Lib, 1 GB; of ours only the light client is beside it, and the wheel of sdk/veighna.
VEIGHNA := vnpy==4.5.0 vnpy_ctastrategy==1.4.1 vnpy_datamanager==1.2.0 vnpy_portfoliostrategy==1.3.0 vnpy_chartwizard==1.1.0

test-vnpy: $(DEV) ## VeighNa itself on our database, datafeed and gateway, in an environment of its own
	@test -x .venv-vnpy/bin/python || $(PYTHON) -m venv .venv-vnpy
	@MARKETPRISM_COMPILED=0 .venv-vnpy/bin/python -m pip install --quiet --disable-pip-version-check -c constraints.txt -e '.[arrow]' sdk/veighna $(VEIGHNA) mypy pyarrow-stubs
	@cd sdk/veighna && ../../.venv-vnpy/bin/mypy --strict --follow-untyped-imports --config-file= vnpy_marketprism
	@$(BIN)/python -m pytest -q -n 0 tests/veighna $(ARGS)

# As a user has them: packages by npm, libraries of the system where they are, notebooks by nbclient in an environment of their own (a backtest needs what the services need).
test-clients: $(DEV) ## Programs in other languages and libraries, and every notebook, against a running pipeline
	@test -x .venv-notebooks/bin/python || $(PYTHON) -m venv .venv-notebooks
	@.venv-notebooks/bin/python -m pip install --quiet --disable-pip-version-check -c constraints.txt -e '.[server]' duckdb ipykernel nbclient pandas polars
	@$(BIN)/python -m pytest -q -n 0 tests/unit/deploy/test_foreign_pages.py tests/integration/client/test_foreign_node.py \
	  tests/integration/client/test_notebooks_run.py tests/integration/query/test_foreign_readers.py tests/ops/test_foreign_c.py $(ARGS)

coverage: $(DEV) ## Which lines the tests of one process reach; a report, no gate
	@$(BIN)/python -m coverage erase
	@$(BIN)/python -m coverage run -m pytest -q -p no:xdist tests/unit tests/contract $(ARGS)
	@$(BIN)/python -m coverage combine -q
	@$(BIN)/python -m coverage report | tail -40

lint: $(DEV) ## ruff, mypy --strict, import-linter, and eslint and tsc for the console
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check -q .
	@$(BIN)/mypy
	@$(BIN)/lint-imports --no-cache
	@$(MAKE) --no-print-directory lint-console

# The console is served as it is; node only checks its sources, where there is one that is new enough.
NODE := $(shell node -e 'process.exit(parseInt(process.versions.node) < 20 ? 1 : 0)' 2>/dev/null && command -v npm)

lint-console: $(if $(NODE),console/node_modules/.ready) ## Types and style of the console's sources, where node is there
	@$(if $(NODE),cd console && npm run --silent lint,echo "console: no node (20 or later), its sources are not checked")

console/node_modules/.ready: console/package.json
	@cd console && npm install --silent --no-package-lock --no-audit --no-fund --ignore-scripts
	@touch $@

format: $(DEV) ## Rewrite the code in the house format
	@$(BIN)/ruff check --fix -q . ; $(BIN)/ruff format .

docs: $(DEV) ## Write the reference pages of docs/ from the code (settings, commands, requests, libraries and the rest)
	@$(BIN)/python -m tests.support.reference

# What builds the site is no tool of the code: an environment of its own.
.venv-docs/.ready: deploy/docs/requirements.txt
	@test -x .venv-docs/bin/python || $(PYTHON) -m venv .venv-docs
	@.venv-docs/bin/python -m pip install --quiet --disable-pip-version-check -r deploy/docs/requirements.txt
	@touch $@

site: .venv-docs/.ready ## Build docs/ as a web site, English and Chinese, strictly; it comes into .build/site and asks no other host
	@.venv-docs/bin/python deploy/docs/site.py

lock: $(RUN) ## Write requirements.lock: every package with the hashes of its files, for this Python and this machine
	@$(BIN)/python tests/support/lock.py '.[server,embedded,plot,backup]' > requirements.lock
	@echo "requirements.lock: install from it with pip install --require-hashes -r requirements.lock"

bench: $(DEV) ## Measure throughput and costs; results in tests/benchmarks/results
	@$(BIN)/python -m tests.benchmarks $(ARGS)

bench-check: $(DEV) ## Compare counts of the hot path with the accepted ones (ARGS=--seconds: its processor time too; ARGS="--accept 'why'")
	@$(BIN)/python -m tests.benchmarks.check $(ARGS)

bench-peers: ## An environment for cryptofeed and ccxt, measured beside us (PEER_PYTHON: 3.13 or later)
	@$(PEER_PYTHON) -m venv $(PEERS)
	@$(PEERS)/bin/pip install --quiet --disable-pip-version-check cryptofeed==3.0.1 ccxt==4.5.90

check-statistics: ## Hold statistics of backtests against empyrical-reloaded and quantstats, in an environment of their own
	@$(PEER_PYTHON) -m venv $(PEERS)-statistics
	@$(PEERS)-statistics/bin/pip install --quiet --disable-pip-version-check empyrical-reloaded==0.7.1 quantstats==0.0.86 pyarrow pydantic msgspec xxhash
	@PYTHONPATH=domain:application:sdk:. $(PEERS)-statistics/bin/python -m tests.benchmarks.statistics_peers

chaos: $(DEV) ## Inject faults into real processes; results in chaos/results
	@$(BIN)/python -m pytest -q -s -p no:xdist tests/chaos $(ARGS)

proof: $(DEV) ## Look for an order of events in which a guarantee breaks, and for faults that are put in (STEPS, MINUTES: how long)
	@$(BIN)/python -m tests.simulation electing --steps $(STEPS)
	@$(BIN)/python -m tests.simulation stages --steps $(STEPS)
	@$(BIN)/python -m tests.simulation storing --steps $(STEPS)
	@$(BIN)/python -m tests.simulation pipeline --steps $(STEPS)
	@$(BIN)/python -m tests.simulation.mutants
	@for what in kv lease lock stages reads; do $(BIN)/python -m tests.histories $$what --minutes $(MINUTES) || exit 1; done
	@for what in full mutants traces real; do $(BIN)/python -m tests.model $$what || exit 1; done

soak: $(DEV) ## The whole product under a steady load, and whether anything grows (MINUTES=360, ARGS="--instruments 20000")
	@$(BIN)/python -m tests.histories soak --minutes $(MINUTES) $(ARGS)

# atheris has wheels for some Pythons only, and is no tool of the tests: it lies beside them, in a folder of its own.
.venv-fuzz/.ready: | $(DEV)
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --target .venv-fuzz atheris==3.0.0
	@touch $@

SECONDS ?= 60
fuzz: .venv-fuzz/.ready ## Every parser under inputs chosen by what they reach (SECONDS a target, TARGETS: some of them)
	@PYTHONPATH=".venv-fuzz$${PYTHONPATH:+:$$PYTHONPATH}" $(BIN)/python -m tests.fuzzing $(TARGETS) --seconds $(SECONDS) $(ARGS)

.venv-supply/.ready:
	@test -x .venv-supply/bin/python || $(PYTHON) -m venv .venv-supply
	@.venv-supply/bin/python -m pip install --quiet --disable-pip-version-check bandit==1.9.4 pip-audit==2.10.1
	@touch $@

supply-chain: $(DEV) .venv-supply/.ready ## Licences, secrets, bandit, hashes, SBOM and known faults of what is installed (the last needs the network)
	@$(BIN)/python deploy/supply_chain/licences.py
	@$(BIN)/python deploy/supply_chain/secrets_scan.py
	@.venv-supply/bin/bandit -q -c pyproject.toml -r domain application adapters services sdk console deploy examples
	@mkdir -p .build && $(BIN)/python tests/support/lock.py '.[server,embedded,plot,backup]' > .build/requirements.lock
	@$(BIN)/python deploy/image/sbom.py > .build/sbom.cdx.json && echo "SBOM: .build/sbom.cdx.json"
	@.venv-supply/bin/pip-audit --progress-spinner off --disable-pip --require-hashes -r .build/requirements.lock

MODULES ?= marketprism_domain marketprism_sdk.election marketprism_sdk.partitions
SAMPLE ?= 20

mutants: $(DEV) ## Small changes of the source that some test must fail on (MODULES, SAMPLE=0: every one, ARGS=--keep: into docs/proof.md)
	@nice -n 10 $(BIN)/python -m tests.mutation $(MODULES) --sample $(SAMPLE) $(ARGS)

clean: ## Remove the virtual environment and caches (not your data)
	rm -rf $(VENV) console/node_modules .venv-core .venv-oldest .venv-types .venv-docs .venv-notebooks .venv-vnpy .venv-fuzz .venv-supply .coverage* .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache .build dist build
