# One Makefile serves laptop and CI. `make help` lists what it can do.
PYTHON ?= python3
# Found before .venv comes first in PATH, where kedro looks for mlflow and ipython.
BASE_PYTHON := $(shell command -v $(PYTHON))
BIN := .venv/bin
INSTALLER := $(if $(shell command -v uv),uv,pip)
ifeq ($(INSTALLER),uv)
NEW_VENV = uv venv --quiet --seed --clear --python $(BASE_PYTHON) .venv
PIP_INSTALL = uv pip install --python $(BIN)/python
install = $(PIP_INSTALL) --require-hashes --no-deps -r $(1)
TOOL_INSTALL = uv pip install --quiet --python .venv-$*/bin/python
else
NEW_VENV = $(BASE_PYTHON) -m venv --clear .venv
PIP_INSTALL = $(BIN)/python -m pip install --disable-pip-version-check
install = set -o pipefail; $(PIP_INSTALL) --require-hashes --no-deps --progress-bar off -r $(1) | \
	awk -v all="$$(grep -c == $(1))" '/^(Collecting|Processing) / && ++n % 20 == 0 {print "  " n " of " all " packages"} /^Installing/ {print "  installing ..."} {fflush()}'
TOOL_INSTALL = .venv-$*/bin/python -m pip install --disable-pip-version-check --quiet
endif
PEERS_INSTALL = .venv-peers/bin/python -m pip install --disable-pip-version-check --quiet
SHELL := bash
export PATH := $(CURDIR)/$(BIN):$(PATH)
export PYTHONHASHSEED := 0
export PYTHONUNBUFFERED := 1
# Where it is set, each process would compile all it imports again.
export PYTHONDONTWRITEBYTECODE :=
export KEDRO_DISABLE_TELEMETRY := 1
export MLFLOW_DISABLE_TELEMETRY := true

# Tests of a group share what is costly; tests/conftest.py puts the long groups first.
IN_GROUPS := -n auto --dist loadgroup --no-loadscope-reorder

.DEFAULT_GOAL := help
.PHONY: help images up down logs stack setup setup-dev spark s3 peers evidently airflow aws-setup aws-synth docs-setup docs release-setup wheel release-check run serve load test test-fast test-systems acceptance bench simulate monitoring monitoring-types check format viz viz-site mlflow sample lock clean

help: ## Show this list
	@grep -hE '^[a-z0-9-]+:.*## ' $(MAKEFILE_LIST) | awk -F':.*## ' '{printf "  make %-16s %s\n", $$1, $$2}'

setup: .venv/.ready
setup-dev: .venv/.dev

.venv/.ready: requirements.lock pyproject.toml
	@test ! -L .venv || { echo ".venv is a link: setting it up anew would empty the folder that it leads to. Remove the link first."; exit 1; }
	@test -n "$(BASE_PYTHON)" || { echo "There is no $(PYTHON). Install Python 3.11 or newer."; exit 1; }
	@$(BASE_PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { echo "sales_forecast needs Python 3.11 or newer; $(PYTHON) is older. Try: make PYTHON=python3.12 run"; exit 1; }
	@echo "Setting up .venv from requirements.lock with $(INSTALLER) (once; about 1.1 GB, a few minutes) ..."
	@$(NEW_VENV) || { echo "Python's venv is missing. On Debian or Ubuntu: apt-get install python3-venv"; exit 1; }
	@$(call install,requirements.lock)
	@$(PIP_INSTALL) --quiet --no-deps --no-build-isolation -e .
	@$(BIN)/python -c 'import lightgbm' 2>/dev/null || { echo "LightGBM needs the OpenMP library. On Debian or Ubuntu: apt-get install libgomp1"; exit 1; }
	@touch $@

.venv/.dev: requirements-dev.lock .venv/.ready
	@echo "Adding the tools for tests and benchmarks to .venv (once; about 0.6 GB) ..."
	@$(call install,requirements-dev.lock)
	@touch $@

spark: .venv/.spark ## Add Spark to .venv (about 0.5 GB), for kedro run --env spark

.venv/.spark: requirements-spark.lock .venv/.ready
	@echo "Adding Spark to .venv (once; about 0.5 GB, some minutes) ..."
	@$(call install,requirements-spark.lock)
	@java -version >/dev/null 2>&1 || echo "Spark also needs Java 17 or newer. On Debian or Ubuntu: apt-get install openjdk-17-jre-headless"
	@touch $@

s3: .venv/.s3 ## Add what S3 needs to .venv (30 MB), for kedro run --env aws

.venv/.s3: requirements-s3.lock .venv/.ready
	@echo "Adding s3fs and boto3 to .venv (once; about 30 MB, some seconds) ..."
	@$(call install,requirements-s3.lock)
	@touch $@

# torch is in no lock. For Linux, PyPI has builds with CUDA only (several GB more); the hashes of CPU builds are not there.
# pip takes a CPU build of this version where PIP_FIND_LINKS or PIP_EXTRA_INDEX_URL leads to one.
TORCH ?= torch==$(if $(filter Darwin,$(shell uname -s)),2.10.0,2.13.0)

peers: .venv-peers/.ready ## Set up AutoGluon and skforecast in .venv-peers (2.5 GB), for make bench

.venv-peers/.ready: requirements-peers.lock
	@test -n "$(BASE_PYTHON)" && $(BASE_PYTHON) -c 'import sys; sys.exit(not (3, 11) <= sys.version_info < (3, 14))' || { echo "AutoGluon needs Python 3.11 to 3.13. Try: make PYTHON=python3.12 peers"; exit 1; }
	@echo "Setting up .venv-peers from requirements-peers.lock with pip (once; some minutes), then $(TORCH) ..."
	@$(BASE_PYTHON) -m venv --clear .venv-peers
	@$(PEERS_INSTALL) --require-hashes --no-deps -r requirements-peers.lock
	@$(PEERS_INSTALL) $(TORCH)
	@touch $@

# Tools whose packages cannot be in .venv have one of their own.
TOOL_PYTHONS := or newer
TOOL_BELOW := (4,)
.venv-evidently/.ready: TOOL := Evidently
.venv-evidently/.ready: TOOL_TARGET := evidently
.venv-evidently/.ready: TOOL_COST := 1 GB, a minute or more
.venv-docs/.ready: TOOL := the documentation
.venv-docs/.ready: TOOL_TARGET := docs
.venv-docs/.ready: TOOL_COST := 0.1 GB, some seconds
.venv-release/.ready: TOOL := the release checks
.venv-release/.ready: TOOL_TARGET := release-check
.venv-release/.ready: TOOL_COST := 0.2 GB, some seconds
.venv-airflow/.ready: TOOL := Airflow
.venv-airflow/.ready: TOOL_TARGET := airflow
.venv-airflow/.ready: TOOL_COST := 0.3 GB, half a minute or more
.venv-airflow/.ready: TOOL_PYTHONS := to 3.14
.venv-airflow/.ready: TOOL_BELOW := (3, 15)
.venv-aws/.ready: TOOL := the CDK
.venv-aws/.ready: TOOL_TARGET := aws-setup
.venv-aws/.ready: TOOL_COST := 1 GB, a minute or more

.venv-evidently/.ready .venv-docs/.ready .venv-release/.ready .venv-airflow/.ready .venv-aws/.ready: .venv-%/.ready: requirements-%.lock
	@test -n "$(BASE_PYTHON)" && $(BASE_PYTHON) -c 'import sys; sys.exit(not (3, 11) <= sys.version_info < $(TOOL_BELOW))' || { echo "The lock of $(TOOL) needs Python 3.11 $(TOOL_PYTHONS). Try: make PYTHON=python3.12 $(TOOL_TARGET)"; exit 1; }
	@echo "Setting up .venv-$* from $< with $(INSTALLER) (once; $(TOOL_COST)) ..."
	@$(BASE_PYTHON) -m venv --clear .venv-$*
	@$(TOOL_INSTALL) --require-hashes --no-deps -r $<
	@touch $@

evidently: .venv-evidently/.ready ## Set up Evidently in .venv-evidently (1 GB), for the report on drift

docs-setup: .venv-docs/.ready

docs: setup docs-setup ## Build the documentation as a site that needs no internet, in build/site
	@$(BIN)/python -m deploy.site.openapi build/openapi
	@NO_MKDOCS_2_WARNING=1 .venv-docs/bin/mkdocs build --quiet --strict
	@echo "Open next: build/site/index.html"

release-setup: .venv-release/.ready

wheel: setup ## Build the wheel in dist/; kedro package also packs the configuration
	@$(BIN)/python -m build --wheel --no-isolation --outdir dist . >/dev/null
	@echo "Built: $$(ls dist/*.whl)"

release-check: wheel docs release-setup ## Check what a release would do, as far as that goes without a runner and a registry
	@deploy/release/check.sh

airflow: .venv-airflow/.ready ## Set up Airflow in .venv-airflow (0.3 GB), for the DAGs in deploy/airflow

aws-setup: .venv-aws/.ready

aws-synth: setup aws-setup ## Write the CloudFormation templates into build/cdk.out; AWS="size=large email=..." (docs/aws.md)
	@$(BIN)/python -m deploy.site.openapi build/openapi
	@.venv-aws/bin/python -m deploy.aws.app build/cdk.out image=$$(git rev-parse --short=12 HEAD) $(AWS)

run: setup ## Forecast from the sample in data/01_raw: all stages, both domains
	@echo "Running every stage of both domains on $${RAW_FOLDER:-data/01_raw} (some minutes; later runs compute only what is new) ..."
	@$(BIN)/kedro run $(if $(RAW_FOLDER),--params raw_folder=$(RAW_FOLDER))
	@echo "Open next: data/08_reporting/report.html (the answers), then 'make viz' (how they came about)."

images: ## Build the image of each service, with Docker or Podman
	@deploy/images/build.sh

up: images ## Start everything in containers: PostgreSQL, MLflow, processor, trainer, API (docs/operations.md)
	@deploy/stack.sh up

down: ## Stop the containers; data, backups and secrets stay
	@deploy/stack.sh down

logs: ## Show what the containers say
	@deploy/stack.sh logs

serve: setup ## Answer over HTTP from what make run has left, and print a call to try
	@$(BIN)/sales-forecast serve

test: setup-dev ## Run the tests
	@echo "Running the tests (some minutes; make test-fast leaves the slow ones out) ..."
	@$(BIN)/pytest $(IN_GROUPS) --ignore tests/acceptance --ignore tests/stack
	@echo "Open next: README.md, 'Change it'; tests/ has the same folders as src/sales_forecast/."

test-fast: setup-dev ## Run the tests that start no project, no server and no Spark
	@$(BIN)/pytest $(IN_GROUPS) --ignore tests/acceptance --ignore tests/stack -m "not slow"

test-systems: setup-dev spark s3 evidently airflow aws-setup ## Set up Spark, S3, Evidently, Airflow and the CDK, and run the tests that need them
	@echo "Running the tests of other systems (some minutes) ..."
	@$(BIN)/pytest $(IN_GROUPS) -m systems

stack: setup-dev ## Build the images, start all of it in containers, break it and look (root, Podman; Debian)
	@echo "Building and starting everything (about five minutes) ..."
	@$(BIN)/pytest -s tests/stack

acceptance: setup-dev ## Check published facts; needs the real files in ../shared/data
	@$(BIN)/pytest -s tests/acceptance

bench: setup-dev ## Measure accuracy, ranges, speed and memory; RAW_FOLDER=... for files of your own
	@echo "Measuring every method side by side (about 45 minutes, or two hours after make peers; goes on where it was stopped) ..."
	@$(BIN)/python -m benchmarks $(if $(RAW_FOLDER),--raw $(RAW_FOLDER))

simulate: setup-dev ## Replay two years of weekly deliveries under the policies in benchmarks/plan.yml; RAW_FOLDER=...
	@echo "Replaying each policy (about 15 minutes; goes on where it was stopped) ..."
	@$(BIN)/python -m benchmarks --policies $(if $(RAW_FOLDER),--raw $(RAW_FOLDER))
	@$(MAKE) --no-print-directory monitoring # the alerts quote what was measured

load: setup-dev ## Call the service as many callers would, and measure times and memory
	@echo "Calling the service (about 16 minutes) ..."
	@$(BIN)/python -m benchmarks.load

monitoring: setup ## Make the alerts of Prometheus and the dashboards of Grafana anew
	@$(BIN)/python -m deploy.monitoring.build

monitoring-types: ## Check the dashboards against the types of Grafana (needs npm)
	@deploy/monitoring/grafana/check/check.sh

check: setup-dev ## Lint, types, and which module may import which
	@$(BIN)/ruff check . && $(BIN)/ruff format --check . && $(BIN)/mypy && $(BIN)/lint-imports

format: setup-dev ## Let ruff lay out the code
	@$(BIN)/ruff check --fix . && $(BIN)/ruff format .

viz: setup ## Open the lineage in the browser
	@$(BIN)/kedro viz run

viz-site: setup ## Build the lineage as a static site in build/, without rows of the data
	@$(BIN)/kedro viz build
	@grep -rlF '$(CURDIR)/' build/api | xargs -r sed -i 's|$(CURDIR)/||g' # paths relative to the project, not of this machine
	@echo "Open next: build/index.html (serve the folder: python3 -m http.server -d build)"

mlflow: setup ## Open the tracked runs in the browser
	@$(BIN)/kedro mlflow ui

sample: setup ## Make the synthetic sample in data/01_raw anew
	@$(BIN)/python -m sales_forecast.sample

COMPILE := uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-annotate --no-header --upgrade
lock: ## Renew the lock files (needs uv): what runs, what tests and benchmarks add, Spark, S3, peers, Evidently, Airflow, AWS, docs, releases
	$(COMPILE) --extra editable pyproject.toml -o requirements.lock
	$(COMPILE) --extra dev --extra bench -c requirements.lock $$(sed -nE 's/^([A-Za-z0-9._-]+)==.*/--no-emit-package \1/p' requirements.lock) pyproject.toml -o requirements-dev.lock
	$(COMPILE) --extra aws -c requirements.lock $$(sed -nE 's/^([A-Za-z0-9._-]+)==.*/--no-emit-package \1/p' requirements.lock) pyproject.toml -o requirements-s3.lock
	printf 'pyspark>=4.1,<5\npy4j\nzstandard\nfugue>=0.9.7\ntriad\nadagio\n' | $(COMPILE) --no-deps -c requirements-dev.lock - -o requirements-spark.lock
	printf 'autogluon.timeseries>=1.6\nskforecast>=0.26\nfilelock\nfsspec\njinja2\nnetworkx\nsetuptools\nsympy\ntyping-extensions\n' | $(COMPILE) --override <(echo 'torch; python_version < "3"') - -o requirements-peers.lock
	for group in api tracking build; do $(COMPILE) --group $$group -c requirements.lock -o deploy/images/$$group.lock; done
	$(COMPILE) --group pipeline -c requirements.lock --override <(printf '%s; python_version < "3"\n' mlflow uvicorn) -o deploy/images/pipeline.lock # mlflow-skinny, and no server
	$(COMPILE) --group aws -c requirements.lock --override <(echo 'mlflow; python_version < "3"') $$(sed -nE 's/^([A-Za-z0-9._-]+)==.*/--no-emit-package \1/p' deploy/images/pipeline.lock) -o deploy/images/aws.lock # beside those of the pipelines
	printf 'evidently==0.7.23\npandas<3\npyarrow\n' | $(COMPILE) - -o requirements-evidently.lock
	printf 'mkdocs<2\nmkdocs-material\nmkdocstrings-python\n' | $(COMPILE) - -o requirements-docs.lock
	printf 'check-jsonschema\ncyclonedx-bom\nhadolint-bin\njactionlint\nkubernetes-validate\nzizmor\n' | $(COMPILE) - -o requirements-release.lock
	printf 'apache-airflow>=3.3,<3.4\n' | $(COMPILE) - -o requirements-airflow.lock
	printf 'aws-cdk-lib>=2.275,<3\nboto3\ncdk-nag>=3\ncfn-lint\nmoto[server]\nnodejs-wheel-binaries<25\npytest\npyyaml\n' | $(COMPILE) - -o requirements-aws.lock

clean: ## Remove what runs produced, tracked runs and models too; asks before it does (FORCE=1: does not)
	@if [ -z "$(FORCE)" ] && [ -e mlflow.db -o -e mlruns ]; then \
		echo "This also forgets every tracked run and registered model (mlflow.db, mlruns): none can serve again."; \
		[ -t 0 ] || { echo "Nothing is removed. Without a terminal to ask: make clean FORCE=1"; exit 1; }; \
		read -r -p "Remove them? [y/N] " answer; \
		[ "$$answer" = y ] || { echo "Nothing is removed."; exit 1; }; \
	fi
	@find data -mindepth 2 -not -path 'data/01_raw*' -not -name .gitkeep -type f -delete
	@find logs -mindepth 1 -not -name .gitkeep -delete 2>/dev/null || true
	@rm -rf build dist .viz mlruns mlflow.db conf/local/parameters/turnover_tuned.yml
	@echo "Removed what runs produced. Still there: data/01_raw, conf/local, .venv, sales_forecast.db (forecasts, API keys, the record of answers)."
