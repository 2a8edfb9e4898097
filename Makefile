# `make demo` and `make test` need Python 3.11+ and make; all else is set up in .venv, with the newest Python that there is.
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

.PHONY: demo demo-fleet test test-unit test-property test-integration test-faults lint sanity bench docs dist
.DEFAULT_GOAL := test

$(READY): tests/requirements.txt
	@test -n "$(PYTHON)" || { echo "Python 3.11 or later is needed; none was found."; exit 1; }
	@echo "Setting up $(VENV) (once; about a minute) ..."
	@$(PYTHON) -m venv $(VENV)
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check -r tests/requirements.txt
	@mkdir -p $(COLLECTIONS)/ansible_collections/keyturn
	@ln -sfn ../../../.. $(COLLECTIONS)/ansible_collections/keyturn/iam
	@touch $(READY)

demo: $(READY)
	@$(BIN)/python tests/demo/demo.py

demo-fleet: $(READY)
	@$(BIN)/python tests/demo/fleet.py

bench: $(READY)
	@$(BIN)/python tests/bench/bench.py

test: $(READY) lint
	@$(PYTEST) -n 2 --dist loadfile tests

test-unit test-property test-integration: test-%: $(READY)
	@$(PYTEST) tests/$*

test-faults: $(READY)
	@KEYTURN_FAULTS=all $(PYTEST) -n 2 tests/faults

lint: $(READY)
	@$(BIN)/ruff check --quiet --no-cache
	@$(BIN)/ansible-lint --offline --profile production -q

sanity: $(READY)
	@$(BIN)/python tests/sanity.py

$(DOCS)/ready: $(READY) tests/docs-requirements.txt
	@$(PYTHON) -m venv $(DOCS) && $(DOCS)/bin/python -m pip install --quiet --disable-pip-version-check -r tests/docs-requirements.txt
	@touch $@

# The reference as pages, from the documentation in the plugins and the role. Links to docs.ansible.com need a network.
docs: export PATH := $(CURDIR)/$(BIN):$(CURDIR)/$(DOCS)/bin:$(PATH)
docs: $(DOCS)/ready
	@antsibull-docs lint-collection-docs --plugin-docs --skip-rstcheck --validate-collection-refs all .
	@rm -rf $(DOCS)/site && mkdir -m 755 $(DOCS)/site
	@antsibull-docs sphinx-init --use-current --squash-hierarchy --dest-dir $(DOCS)/site keyturn.iam > /dev/null
	@mkdir -p -m 755 $(DOCS)/site/rst && antsibull-docs --config-file $(DOCS)/site/antsibull-docs.cfg collection --use-current --squash-hierarchy \
	    --dest-dir $(DOCS)/site/rst keyturn.iam
	@sphinx-build -M html $(DOCS)/site/rst $(DOCS)/site -q -c $(DOCS)/site
	@echo "$(DOCS)/site/html/index.html"

dist: $(READY)
	@rm -rf $(VENV)/dist && $(BIN)/ansible-galaxy collection build --force --output-path $(VENV)/dist . && ls $(VENV)/dist
