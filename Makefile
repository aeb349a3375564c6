# Everything runs in .venv, which the first target creates; the system's Python stays as it is.
PYTHON ?= python3
ACTIVATE = . .venv/bin/activate &&

.DEFAULT_GOAL := help
.PHONY: help train test slow notebooks lint format bench gpu docs clean

help:  ## list the targets
	@grep -E '^[a-z]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 11

.venv/.installed: pyproject.toml constraints.txt
	$(PYTHON) -m venv .venv
	.venv/bin/python -m pip install --upgrade pip
	.venv/bin/python -m pip install --constraint constraints.txt --editable ".[dev]"
	touch $@

train: .venv/.installed  ## train on the built-in demo data: a few minutes on two cores (ARGS="rosta=ft ...")
	$(ACTIVATE) python train.py backbone=r34_2b track=comp_rssn $(ARGS)

test: .venv/.installed  ## run the tests in two processes (ARGS="-k losses")
	$(ACTIVATE) python -m pytest -n 2 --dist worksteal $(ARGS)

slow: .venv/.installed  ## run slow tests for 150 seconds, in an order seeded by the commit (ARGS="--seconds=9999" for all)
	$(ACTIVATE) python -m pytest -n 2 -m slow -p tests.slow_share --draw="$$(git rev-parse --short HEAD)" $(ARGS)

notebooks: .venv/.installed  ## execute the notebooks
	$(ACTIVATE) python -m pytest --nbmake --nbmake-timeout=180 notebooks $(ARGS)

lint: .venv/.installed  ## check style, types and the order of packages
	$(ACTIVATE) ruff check . && ruff format --check . && mypy && lint-imports --no-cache

format: .venv/.installed  ## format the code
	$(ACTIVATE) ruff check --fix . && ruff format .

bench: .venv/.installed  ## compare the speed with reference implementations (ARGS=models)
	$(ACTIVATE) python -m tests.benchmarks $(ARGS)

gpu: .venv/.installed  ## check correctness and speed on a GPU (ARGS="--minutes 10", ARGS="--device cpu" rehearses)
	$(ACTIVATE) python -m tests.gpu $(ARGS)

docs: .venv/.installed  ## build the documentation; any warning is an error (docs/_build/html/index.html)
	$(ACTIVATE) python -m sphinx -W --keep-going -q docs docs/_build/html

clean:  ## remove the environment, the built documentation and tool caches; keep runs/ and data/
	rm -rf .venv build *.egg-info .pytest_cache .ruff_cache .mypy_cache docs/_build docs/_generated
