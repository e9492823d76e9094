# Every command a developer needs; `make` alone lists them.
SHELL := /bin/bash
.DEFAULT_GOAL := help
.PHONY: help setup demo test test-compat check lint bench lock clean

PYTHON := .venv/bin/python
JAVA = JAVA_HOME="$$(cat .build/java_home.spark35)"
UV = $(shell command -v uv || echo .build/uv/bin/uv)
COMPILE = $(UV) pip compile --quiet --upgrade --python-version 3.11 --no-header --no-annotate pyproject.toml requirements/dev.in requirements/sigopt.in --override requirements/sigopt.overrides --extra delta --extra flow --extra hdfs --extra images --extra onnx --extra tuning --extra sigopt

help: ## List the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-12s %s\n", $$1, $$2 }' Makefile

setup: ## Make or refresh both environments: .venv (Spark 3.5) and .venv-spark4 (Spark 4.1)
	@scripts/setup.sh

demo: ## Set up, then raw rows to a trained model and a report in runs/demo (INPUT=Criteo rows; without, they are made)
	@scripts/setup.sh spark35
	$(JAVA) PYSPARK_PYTHON="$$PWD/$(PYTHON)" $(PYTHON) recipes/dlrm/demo.py --output runs/demo $(if $(INPUT),--input $(INPUT)) $(ARGS)

test: ## Set up, then run all tests on Spark 3.5 and Spark 4.1 in every session mode
	@scripts/test.sh

test-compat: ## Set up, then try real petastorm with what we write, us with what it writes, and BigDL Orca's loop in ours
	@scripts/setup.sh spark35 spark41 compat
	$(JAVA) $(PYTHON) -m pytest --spark-mode=local tests/compat
	JAVA_HOME="$$(cat .build/java_home.spark41)" .venv-spark4/bin/python -m pytest --spark-mode=local tests/compat
	@scripts/test.sh compat

check: ## Quick inner loop: Spark 3.5, local mode, stops at the first failure (ARGS=path or pytest options)
	@scripts/setup.sh spark35
	$(JAVA) $(PYTHON) -m pytest --spark-mode=local -m 'not cluster and not heavy' -x -q $(ARGS)

lint: ## Check style, format and types
	@scripts/setup.sh spark35
	.venv/bin/ruff check .
	.venv/bin/ruff format --check .
	.venv/bin/mypy

bench: ## Run the benchmarks and print their tables (ARGS=options)
	@scripts/setup.sh spark35
	$(JAVA) $(PYTHON) -m benchmarks $(ARGS)

lock: ## Renew requirements/*.txt from pyproject.toml and requirements/dev.in
	@scripts/setup.sh spark35
	$(COMPILE) --constraints <(echo 'pyspark==3.5.8') --output-file requirements/spark35.txt requirements/examples.in --extra tensorflow
	$(COMPILE) --constraints <(echo 'pyspark==4.1.4') --output-file requirements/spark41.txt --extra connect
	$(UV) pip compile --quiet --upgrade --python-version 3.11 --no-header --no-annotate requirements/compat.in --override requirements/compat.overrides --constraints <(grep -E '^(torch|nvidia-[a-z0-9-]+|triton|cuda-[a-z]+)==' requirements/spark35.txt) --output-file requirements/compat.txt

clean: ## Remove everything that can be made again, the environments too
	rm -rf runs .venv .venv-spark4 .venv-compat .build build dist *.egg-info .hypothesis .mypy_cache .pytest_cache .ruff_cache
	rm -rf spark-warehouse metastore_db derby.log artifacts
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
