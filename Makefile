# `make help` lists the targets. ARGS passes overrides on: make train ARGS="loss=option_c"
SHELL := /bin/bash
PYTHON ?= python3
VENV ?= .venv
RUN := $(VENV)/bin/python
ARGS ?=
# Processes that the tests are spread over, a file each at a time; 0 = none but pytest itself.
JOBS ?= 2

.DEFAULT_GOAL := help
.PHONY: help setup train page compare frontier operations tasks replay test test-all check benchmark clean

help: ## Show this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  make %-10s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

setup: $(VENV)/.installed ## Create .venv with everything that the other targets need

$(VENV)/.installed: pyproject.toml constraints.txt
	@echo "Installing torch and the other packages into $(VENV); this takes minutes, once"
	$(PYTHON) -m venv $(VENV)
	$(RUN) -m pip install --quiet --disable-pip-version-check -c constraints.txt -e '.[dev]'
	@touch $@

train: setup ## Train codes of objects on 100,000 grids; ARGS="..." overrides the config
	$(RUN) -m arcvae.train experiment=objects $(ARGS)

page: setup ## A page to play with codes of objects, without training: outputs/atomic-objects.html
	$(RUN) -m arcvae.report atomic-objects out=outputs/atomic-objects.html $(ARGS)

compare: setup ## Train options A, B and C, compare them, recommend one; ARGS="seeds=[1,2,3]"
	$(RUN) -m arcvae.compare $(ARGS)

frontier: setup ## Train codes of 4 to 128 numbers, and codes of objects; ARGS="seeds=[1,2,3]"
	$(RUN) -m arcvae.compare study=frontier $(ARGS)

operations: setup ## Operations on codes against pixels; ARGS="'runs=[atomic-objects]'" trains nothing
	$(RUN) -m arcvae.compare study=operations $(ARGS)

tasks: setup ## Make 3,000 tasks in the sense of ARC; ARGS="num_tasks=300 out=FOLDER"
	$(RUN) -m arcvae.tasks $(ARGS)

# The folder that `make tasks` writes to.
TASKS ?= outputs/tasks/3000-seed42
replay: setup ## Make every output of these tasks again, in pixels, and compare the bytes; TASKS=FOLDER names others
	$(RUN) -m arcvae.tasks replay=$(TASKS)

test: setup ## Run the tests that are not slow, doctests included; JOBS=4 spreads them over 4 processes
	$(RUN) -m pytest -m "not slow" -n $(JOBS) --dist loadfile $(ARGS)

test-all: setup ## Run all tests, as CI does
	$(RUN) -m pytest -n $(JOBS) --dist loadfile $(ARGS)

check: setup ## Lint, check the format and the types
	$(RUN) -m ruff check .
	$(RUN) -m ruff format --check .
	$(RUN) -m mypy

benchmark: setup ## Time the corpus, the class counts and training steps on this machine
	$(RUN) -m arcvae.benchmark $(ARGS)

clean: ## Remove caches and the environment; outputs/ stays
	rm -rf $(VENV) build dist .pytest_cache .mypy_cache .ruff_cache .hypothesis *.egg-info
	find arcvae tests -name __pycache__ -type d -prune -exec rm -rf {} +
