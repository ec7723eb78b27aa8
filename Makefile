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

.PHONY: check-statistics help setup compiled counters run test test-long test-compiled test-core test-oldest test-types coverage lint lint-console format docs lock bench bench-check bench-peers chaos clean

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
	$(BIN)/python -m pytest -q -n $(WORKERS) --dist loadgroup -m "not long" --ignore tests/chaos $(ARGS) | tee $(VENV)/tests.txt; tests=$$?; \
	wait $$lint; linted=$$?; if [ $$linted = 0 ]; then echo "lint, types and import contracts: clean"; else cat $(VENV)/lint.txt; fi; \
	[ $$tests = 0 ] || grep -E '^(FAILED|ERROR) |^[0-9]+ failed' $(VENV)/tests.txt; exit $$((tests ? tests : linted))

test-long: $(DEV) ## Every page in every language, theme and width, more seeds of faults, more kills, more engines
	@$(BIN)/python -m pytest -q -n $(WORKERS) --dist loadgroup -m long --ignore tests/chaos $(ARGS)

# What stands on the core alone: no extra is installed there.
CORE_TESTS := tests/unit/domain tests/unit/application tests/unit/sdk tests/contract/test_codec.py
# chinesecalendar: the holidays of the calendar that the tests share.
TEST_TOOLS := blockbuster chinesecalendar hypothesis msgpack pytest pytest-asyncio pytest-timeout pytest-xdist

test-core: ## Domain, application, SDK and contracts in an environment without any extra
	@test -x .venv-core/bin/python || $(PYTHON) -m venv .venv-core
	@.venv-core/bin/python -m pip install --quiet --disable-pip-version-check -c constraints.txt -e . $(TEST_TOOLS)
	@.venv-core/bin/python -m pytest -q -n 2 $(CORE_TESTS) $(ARGS)

test-oldest: ## The same tests on the lowest versions that pyproject.toml allows
	@test -x .venv-oldest/bin/python || $(PYTHON) -m venv .venv-oldest
	@$(PYTHON) tests/support/oldest.py > .venv-oldest/oldest.txt
	@.venv-oldest/bin/python -m pip install --quiet --disable-pip-version-check -c .venv-oldest/oldest.txt -e . $(TEST_TOOLS)
	@.venv-oldest/bin/python -m pytest -q -n 2 $(CORE_TESTS) $(ARGS)

compiled: $(DEV) ## Compile the domain's hot modules for this tree (needs a C compiler); `make run` uses them while they fit
	@$(BIN)/python deploy/core/core_build.py tree

# The same tests, the same golden files, over the compiled modules.
test-compiled: compiled ## Domain, golden and property tests over the compiled core
	@core=$$($(BIN)/python deploy/core/core_build.py path); test -n "$$core" && \
	PYTHONPATH="$$core" $(BIN)/python -m pytest -q -n 2 tests/unit/domain tests/unit/application/validation tests/unit/application/replay tests/contract/test_codec.py $(ARGS)

test-types: $(DEV) ## How complete the public types of the SDK and the client are (pyright, in an environment of its own)
	@test -x .venv-types/bin/basedpyright || { $(PYTHON) -m venv .venv-types && \
	  .venv-types/bin/python -m pip install --quiet --disable-pip-version-check 'basedpyright>=1.30' -c constraints.txt -e .; }
	@PATH="$(CURDIR)/.venv-types/bin:$$PATH" $(BIN)/python tests/support/public_types.py

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

docs: $(DEV) ## Write the reference pages of docs/ (settings, metrics, subjects, tables) from the code
	@$(BIN)/python -m tests.support.reference

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

clean: ## Remove the virtual environment and caches (not your data)
	rm -rf $(VENV) console/node_modules .venv-core .venv-oldest .venv-types .coverage* .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache .build dist build
