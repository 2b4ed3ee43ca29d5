# Everything that a person or CI runs. `make help` lists it.
SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
PYTHON ?= python3
BIN := .venv/bin
PACKAGES := $(patsubst %/pyproject.toml,%,$(wildcard libs/*/pyproject.toml services/*/pyproject.toml gateway/pyproject.toml))
PROTOS := $(shell find proto -name '*.proto')
CODE := libs services gateway evals docs/examples .ci conftest.py

.PHONY: help setup proto fmt check test demo up down logs status lock bench-gateway bench-repomap bench-semgrep eval-repomap bench-codesearch eval-codesearch clean

help: ## list what can be made
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 16

setup: .venv/.ready .venv/.proto ## install everything into .venv and generate the stubs

demo: setup ## start a mesh, push this repository, ask for its map three ways, stop
	@docs/examples/demo

up: setup ## start the mesh in the background; prints its URL and how to get a token
	@$(BIN)/toolmesh up

down: setup ## stop the mesh
	@$(BIN)/toolmesh down

logs: setup ## show what the mesh logs (FOLLOW=1 to go on)
	@$(BIN)/toolmesh logs $(if $(FOLLOW),--follow)

status: setup ## show every process: state, restarts, memory
	@$(BIN)/toolmesh status

test: setup ## run all tests and measure coverage
	@$(BIN)/coverage erase
	@COVERAGE_PROCESS_START=$(CURDIR)/pyproject.toml $(BIN)/coverage run -m pytest
	@$(BIN)/coverage combine -q
	@$(BIN)/coverage report --fail-under=85

check: setup ## format, lint, types, protos, imports: what CI checks
	@$(BIN)/ruff format --check --quiet $(CODE)
	@$(BIN)/ruff check --quiet $(CODE)
	@$(BIN)/ty check --quiet $(CODE)
	@$(BIN)/python .ci/check-imports.py
	@$(BIN)/python .ci/check-threats.py
	@$(BIN)/buf format --diff --exit-code proto
	@$(BIN)/buf lint
	@.ci/check-breaking
	@.ci/check-lock
	@echo "all checks passed"

fmt: setup ## format code and protos
	@$(BIN)/ruff check --quiet --fix $(CODE) || true
	@$(BIN)/ruff format --quiet $(CODE)
	@$(BIN)/buf format --write proto

proto: .venv/.ready ## generate the stubs and the descriptor set anew
	@$(BIN)/python -m toolmesh_contracts.build
	@touch .venv/.proto

lock: .venv/.uv ## work out requirements.lock anew, keeping what need not change
	@$(BIN)/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes \
		--no-emit-index-url --no-annotate --no-header --group dev --all-extras \
		$(foreach package,$(PACKAGES),--no-emit-package toolmesh-$(notdir $(package))) \
		$(addsuffix /pyproject.toml,$(PACKAGES)) --output-file requirements.lock

bench-gateway: setup ## requests a second and latency at every door, beside its peers
	@$(BIN)/python -m evals.gateway

bench-repomap: setup ## repository maps beside Aider's: time and memory
	@$(BIN)/python -m evals.repomap speed $(FLAGS)

bench-semgrep: setup ## scans beside Semgrep's own command: time, and what other calls wait
	@$(BIN)/python -m evals.semgrep $(FLAGS)

eval-repomap: setup ## repository maps beside Aider's: how often they show what matters
	@$(BIN)/python -m evals.repomap quality $(FLAGS)

bench-codesearch: setup ## searches for code: time, memory, health
	@$(BIN)/python -m evals.codesearch speed $(FLAGS)

eval-codesearch: setup ## searches for code beside BM25, embeddings and ripgrep: what they find
	@$(BIN)/python -m evals.codesearch quality $(FLAGS)

clean: ## remove what setup made; the mesh's data stays
	@rm -rf .venv .bench libs/genproto/src libs/genproto/include

# uv is installed by pip from its own lines of the lock, and everything else by uv.
.venv/.uv: requirements.lock
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Python 3.11 or later is needed: make PYTHON=python3.12 ...")'
	@$(PYTHON) -m venv .venv
	@sed -n '/^uv==/,/[^\\]$$/p' requirements.lock > .venv/uv.txt
	@$(BIN)/pip install --quiet --disable-pip-version-check --require-hashes --requirement .venv/uv.txt
	@touch $@

.venv/.ready: .venv/.uv requirements.lock $(addsuffix /pyproject.toml,$(PACKAGES))
	@$(BIN)/uv pip sync --quiet --python $(BIN)/python --require-hashes requirements.lock
	@$(BIN)/uv pip install --quiet --python $(BIN)/python --no-deps --no-build-isolation $(addprefix --editable ,$(PACKAGES))
	@touch $@

.venv/.proto: .venv/.ready $(PROTOS) $(wildcard libs/contracts/src/toolmesh_contracts/*.py)
	@$(BIN)/python -m toolmesh_contracts.build
	@touch $@
