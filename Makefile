.DEFAULT_GOAL := help
SHELL := /bin/bash
PYTHON ?= $(shell command -v python3.11 || command -v python3)
VENV := .venv
BIN := $(VENV)/bin
export PATH := $(CURDIR)/$(BIN):$(PATH)

help:  ## what there is
	@grep -hE '^[a-z0-9-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:[^#]*## /\t/' | expand -t 16

setup: $(VENV)/ready  ## the virtual environment with everything, pinned

$(VENV)/ready: requirements.lock pyproject.toml
	@command -v $(PYTHON) >/dev/null || { echo "Leeboard needs Python 3.11 as $(PYTHON): install it, or say make PYTHON=/path/to/python3.11"; exit 1; }
	@$(PYTHON) -m venv $(VENV)
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check uv
	@echo "installing the pinned packages into $(VENV)"
	@$(BIN)/uv pip sync --quiet --python $(BIN)/python --compile-bytecode requirements.lock
	@$(BIN)/uv pip install --quiet --python $(BIN)/python --no-deps --build-constraints requirements.lock --editable .
	@touch $@

programs: setup  ## the programs of the sandbox: etcd, kube-apiserver, Prometheus, … (found, downloaded or built once)
	@$(BIN)/leeboard sandbox prepare

demo: programs  ## the whole loop on one machine with real flights; KEEP=1 leaves it running
	@$(BIN)/leeboard sandbox demo $(if $(KEEP),--keep)

test: programs  ## every test, two at a time: most wait for something
	@$(BIN)/leeboard sandbox prepare helm versitygw
	@$(BIN)/pytest --numprocesses=2 --dist=worksteal

look: setup  ## the reports in a real browser, by day and by night; pictures in build/look; needs chromium
	@$(BIN)/pytest tests/look

e2e: setup  ## the demo on a real cluster (KUBECONFIG, CONTEXT, REGISTRY, …: docs/operations/e2e.md)
	@$(BIN)/python -m tests.e2e

unit: setup  ## the quick tests
	@$(BIN)/pytest tests/unit tests/repo

lint: setup  ## ruff, format, import contracts
	@$(BIN)/ruff check . && $(BIN)/ruff format --check . && $(BIN)/lint-imports

types: setup  ## mypy, strict
	@$(BIN)/mypy

generate: setup  ## CRDs, the chart's copy, RBAC, reference pages
	@$(BIN)/python -m leeboard.crdgen

verify: setup  ## generated files are fresh
	@$(BIN)/python -m leeboard.crdgen --check

bench: setup  ## the speed figures, side by side with peers; ONLY="univariate scores" for some
	@$(BIN)/python -m tests.benchmarks $(ONLY)

mutants: setup  ## mutation tests of the decisions, half an hour; ONLY="episodes" for some, ONLY=--go-on after a stop
	@$(BIN)/python -m tests.mutants $(ONLY)

REGISTRY ?= ghcr.io/leeboard
SOURCE ?= $(shell git config --get remote.origin.url 2>/dev/null | sed 's|//[^/@]*@|//|')
IMAGES := operator=operator/Dockerfile worker=workers/worker.Dockerfile serving=workers/serving.Dockerfile

images:  ## operator, worker and serving, by docker, podman or buildah; REGISTRY=… names them
	@builder=$$(for tool in docker podman buildah; do $$tool info >/dev/null 2>&1 && echo $$tool && break; done); test -n "$$builder" || { echo "no docker, podman or buildah that works: see docs/operations/images.md for the same content without one"; exit 1; }; \
	version=$$(sed -n 's/^version = "\(.*\)"/\1/p' pyproject.toml); \
	labels="--build-arg VERSION=$$version --build-arg REVISION=$$(git rev-parse HEAD 2>/dev/null) --build-arg SOURCE=$(SOURCE)"; \
	for image in $(IMAGES); do $$builder build $$labels $(BUILD_ARGS) --file $${image#*=} --tag $(REGISTRY)/$${image%%=*}:$$version . || exit 1; done

image-contents: setup  ## what they hold, as folders under build/images, where there is no builder
	@rm -rf build/images build/dist && $(BIN)/uv build --quiet --wheel --build-constraints requirements.lock --out-dir build/dist .
	@for extra in operator worker serving; do \
	  $(BIN)/uv venv --quiet --python $(BIN)/python build/images/$$extra/opt/leeboard && \
	  $(BIN)/uv pip install --quiet --python build/images/$$extra/opt/leeboard/bin/python --constraint requirements.lock "leeboard[$$extra] @ file://$$(ls $(CURDIR)/build/dist/*.whl)" && \
	  build/images/$$extra/opt/leeboard/bin/python .ci/sbom.py leeboard-$$extra > build/images/$$extra/opt/leeboard/sbom.cdx.json && \
	  du -sm build/images/$$extra | awk '{print $$2 ": " $$1 " MB"}' || exit 1; done

lock: setup  ## pin everything anew
	@$(BIN)/uv pip compile pyproject.toml --extra sandbox --group dev --python-version 3.11 --generate-hashes --no-emit-index-url --custom-compile-command "make lock" --quiet --output-file requirements.lock

clean:  ## what this folder's make has made (the cache of programs stays)
	rm -rf $(VENV) build dist .pytest_cache .mypy_cache .ruff_cache .hypothesis .import_linter_cache

.PHONY: help setup programs demo test look e2e unit lint types generate verify bench mutants images image-contents lock clean
