# Everything runs in .venv, which the first target makes; nothing else is touched.
PYTHON ?= python3
ACTIVATE = . .venv/bin/activate &&

.DEFAULT_GOAL := help
.PHONY: help train test notebooks lint format bench docs clean

help:  ## show this list
	@grep -E '^[a-z]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 11

.venv/.installed: pyproject.toml constraints.txt
	$(PYTHON) -m venv .venv
	.venv/bin/python -m pip install --upgrade pip
	.venv/bin/python -m pip install --constraint constraints.txt --editable ".[dev]"
	touch $@

train: .venv/.installed  ## train on the embedded demo data: a few minutes on two cores (ARGS="rosta=ft ...")
	$(ACTIVATE) python train.py backbone=r34_2b track=comp_rssn $(ARGS)

test: .venv/.installed  ## run the tests, two at once (ARGS="-k losses")
	$(ACTIVATE) python -m pytest -n 2 $(ARGS)

notebooks: .venv/.installed  ## execute the notebooks
	$(ACTIVATE) python -m pytest --nbmake --nbmake-timeout=180 notebooks $(ARGS)

lint: .venv/.installed  ## check style, types and the order of packages
	$(ACTIVATE) ruff check . && ruff format --check . && mypy && lint-imports --no-cache

format: .venv/.installed  ## bring the code into style
	$(ACTIVATE) ruff check --fix . && ruff format .

bench: .venv/.installed  ## compare our speed with reference formulations, side by side (ARGS=models)
	$(ACTIVATE) python -m tests.benchmarks $(ARGS)

docs: .venv/.installed  ## build the documentation site; any warning fails (docs/_build/html/index.html)
	$(ACTIVATE) python -m sphinx -W --keep-going -q docs docs/_build/html

clean:  ## remove the environment, the built pages and what the tools cached; runs/ and data/ stay
	rm -rf .venv build *.egg-info .pytest_cache .ruff_cache .mypy_cache docs/_build docs/_generated
