# `make` needs Python 3.11 or later; all else is set up in .venv, with the newest Python that there is. `make help` lists what it can do.
PYTHON ?= $(shell for p in python3 python3.14 python3.13 python3.12 python3.11; do $$p tests/pythons.py 2>/dev/null && break; done)
VENV := .venv
BIN := $(VENV)/bin
COLLECTIONS := $(VENV)/collections
READY := $(VENV)/ready
DOCS := $(VENV)/docs
export ANSIBLE_COLLECTIONS_PATH := $(CURDIR)/$(COLLECTIONS)
export ANSIBLE_HOME := $(CURDIR)/$(VENV)/ansible
export PYTHONDONTWRITEBYTECODE := 1
PYTEST := $(BIN)/python -m pytest -q -p no:cacheprovider

.PHONY: help demo demo-fleet bench test test-unit test-property test-integration test-faults lint sanity matrix format docs changelog dist
.DEFAULT_GOAL := test

help: ## this list
	@sed -n 's/^\([a-z][a-z -]*\):.*## \(.*\)/\1|\2/p' $(MAKEFILE_LIST) | awk -F'|' '{ n = split($$1, t, " "); for (i = 1; i <= n; i++) printf "make %-17s %s\n", t[i], $$2 }'

$(READY): tests/requirements.txt
	@test -n "$(PYTHON)" || { echo "Python 3.11 or later is needed; none was found."; exit 1; }
	@echo "Setting up $(VENV) (once; about a minute) ..."
	@$(PYTHON) -m venv $(VENV)
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check -r tests/requirements.txt
	@mkdir -p $(COLLECTIONS)/ansible_collections/keyturn
	@ln -sfn ../../../.. $(COLLECTIONS)/ansible_collections/keyturn/iam
	@touch $(READY)

demo: $(READY) ## an account on this machine, its drift report, its rotation, and the days after
	@$(BIN)/python tests/demo/demo.py

demo-fleet: $(READY) ## three accounts at once
	@$(BIN)/python tests/demo/fleet.py

bench: $(READY) ## how fast it is here, beside amazon.aws's modules and bare boto3
	@$(BIN)/python tests/bench/bench.py

test: $(READY) lint ## lint, then all tests (about ten minutes)
	@$(PYTEST) -n 4 --dist worksteal tests

test-unit test-property test-integration: test-%: $(READY) ## these tests only
	@$(PYTEST) tests/$*

test-faults: $(READY) ## every fault at every request, every history, and what is thorough (half an hour)
	@KEYTURN_FAULTS=all $(PYTEST) -n 4 --dist worksteal tests

lint: $(READY) ## ruff, mypy, ansible-lint, licences and changelog fragments
	@$(BIN)/ruff check --quiet --no-cache
	@$(BIN)/ruff format --quiet --no-cache --check
	@$(BIN)/mypy --no-error-summary
	@$(BIN)/ansible-lint --offline --profile production -q
	@$(BIN)/reuse lint --quiet || $(BIN)/reuse lint
	@$(BIN)/antsibull-changelog lint

format: $(READY) ## ruff format, and what ruff can mend
	@$(BIN)/ruff check --quiet --no-cache --fix
	@$(BIN)/ruff format --quiet --no-cache

sanity: $(READY) ## ansible-test's own checks, and Galaxy's importer on the artifact
	@$(BIN)/python tests/sanity.py
	@$(BIN)/python tests/importer.py

matrix: $(READY) ## the life of a key, both modules and the incidents on each ansible-core; `make matrix CORES=2.17` on one
	@$(BIN)/python tests/matrix.py "$(CORES)"

$(DOCS)/ready: $(READY) tests/docs-requirements.txt
	@$(PYTHON) -m venv $(DOCS) && $(DOCS)/bin/python -m pip install --quiet --disable-pip-version-check -r tests/docs-requirements.txt
	@touch $@

# Links to docs.ansible.com need a network.
docs: export PATH := $(CURDIR)/$(BIN):$(CURDIR)/$(DOCS)/bin:$(PATH)
docs: $(DOCS)/ready ## the reference as web pages, from the documentation in the plugins and the role
	@antsibull-docs lint-collection-docs --plugin-docs --skip-rstcheck --validate-collection-refs all .
	@rm -rf $(DOCS)/site && mkdir -m 755 $(DOCS)/site
	@antsibull-docs sphinx-init --use-current --squash-hierarchy --dest-dir $(DOCS)/site keyturn.iam > /dev/null
	@mkdir -p -m 755 $(DOCS)/site/rst && antsibull-docs --config-file $(DOCS)/site/antsibull-docs.cfg collection --use-current --squash-hierarchy \
	    --dest-dir $(DOCS)/site/rst keyturn.iam
	@sphinx-build -M html $(DOCS)/site/rst $(DOCS)/site -q -c $(DOCS)/site
	@echo "$(DOCS)/site/html/index.html"

changelog: $(READY) ## CHANGELOG.md anew, from changelogs/fragments
	@$(BIN)/antsibull-changelog release --update-existing --refresh --reload-plugins --use-ansible-doc --ansible-doc-bin $(BIN)/ansible-doc

dist: $(READY) ## the artifact for Galaxy
	@rm -rf $(VENV)/dist && $(BIN)/ansible-galaxy collection build --force --output-path $(VENV)/dist . && ls $(VENV)/dist
