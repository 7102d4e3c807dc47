# Targets install what they need and are quick when nothing is missing. `make help` lists them.
.DEFAULT_GOAL := help
.PHONY: help demo test soak check crds bench dev-up dev-down run prepare

# Absolute, because a relative `.venv` in a recipe of another directory would not be found.
BIN := $(CURDIR)/.venv/bin
STAMP := .venv/installed-$(shell sha256sum pyproject.toml | cut -c1-12)
export PYTHONPATH := tests
DEV := $(BIN)/python -m devcluster
BENCHMARKS := replication replication.memory replication.partition alternatives region_ready black_holes
NAME ?= dev

help:  ## this list
	@sed -nE 's/^([a-z-]+):.*## (.*)/  make \1\t\2/p' $(MAKEFILE_LIST) | expand -t 18

demo: prepare  ## two regions from three manifests, partition and healing included (KEEP=1 leaves it running)
	@KEEP=$(KEEP) $(BIN)/python -m demo

# All tests run in two processes: those in clusters, which mostly wait, in one, and the others beside them.
test: prepare  ## all tests; ARGS="-k name" for some
	@$(BIN)/pytest $(or $(ARGS),--numprocesses=2)

soak: $(STAMP)  ## random histories of simulated fleets until one fails; MINUTES=5 ends it, SEED=4711 repeats one
	@$(BIN)/python -m simulation $(if $(SEED),--seed $(SEED)) $(if $(MINUTES),--minutes $(MINUTES))

check: $(STAMP)  ## style, types, layers, generated files
	@$(BIN)/ruff check . && $(BIN)/ruff format --check . && $(BIN)/mypy && $(BIN)/lint-imports

crds: $(STAMP)  ## write again what is generated from the kinds: definitions, the chart's schema, docs/api.md
	@$(BIN)/region-operator crds crds charts/region-operator/templates/crds charts/region
	@$(BIN)/python docs/generate.py

bench: prepare  ## all benchmarks; results in bench/results, tables in docs/benchmarks.md
	@for name in $(BENCHMARKS); do $(BIN)/python -m bench.$$name || exit 1; done; $(BIN)/python -m bench.tables

dev-up: prepare  ## a cluster to play with, with the images loaded
	@$(DEV) up $(NAME) && $(DEV) load-image $(NAME)

dev-down: $(STAMP)  ## end it (NAME=demo: the one that the demo left)
	@$(DEV) down $(NAME)

run: $(STAMP)  ## the operator from the working tree against the current context
	@OPERATOR_NAMESPACE=$${OPERATOR_NAMESPACE:-default} OPERATOR_POD_NAME=$$(hostname) \
	OPERATOR_IMAGE=$${OPERATOR_IMAGE:-$$($(DEV) image)} $(DEV) exec -- $(BIN)/region-operator run

# Everything that takes long the first time: Debian packages, Kubernetes, helm, images. Says what it does.
prepare: $(STAMP)
	@$(BIN)/python -m devcluster.sources

$(STAMP): pyproject.toml
	@echo "  installing Python packages into .venv …"
	@test -x $(BIN)/python || python3 -m venv .venv
	@$(BIN)/pip install --quiet --disable-pip-version-check --editable '.[dev]'
	@rm -f .venv/installed-* && touch $@
