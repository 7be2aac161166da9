# Everything here needs Python 3.11 or newer and make, nothing else: the rest is installed once,
# from pyproject.toml, into environments beside this file (.venv, and .venv-demo for the demo).
#
#   make test PYTHON=python3.13 VENV=.venv-313     another Python, in an environment of its own
#   make test DATABASE=postgres ARGS="-k claim"    one database; the rest is pytest's

PYTHON ?= python3
VENV ?= .venv
DATABASE ?=
ARGS ?=
# The environments whose test runs `make coverage` adds up.
COVERED ?= $(VENV)

BIN = $(VENV)/bin
# Twice quiet: errors only. pip older than 25.1 knows no --group, so each environment renews it first.
INSTALL = $(BIN)/python -m pip install -qq --disable-pip-version-check
export COVERAGE_FILE = $(abspath $(VENV))/coverage.data

.DEFAULT_GOAL := help
.NOTPARALLEL:
.PHONY: help demo test browser lint format types arch migrations docs coverage check package bench bench-quick harsh chaos chaos-short soak clean

help: ## Show this list
	@echo "Usage: make TARGET"
	@echo
	@awk 'BEGIN {FS = ":.*## "} /^[a-z-]+:.*## / {printf "  %-12s %s\n", $$1, $$2}' Makefile

demo: .venv-demo/.installed ## See it work: a small shop, a worker and the admin, in your browser
	@.venv-demo/bin/python testproject/demo.py

test: $(VENV)/.test $(VENV)/.mysql ## Run the tests on every database that answers (DATABASE=, ARGS=)
	@$(BIN)/python tests/run.py $(addprefix --database ,$(DATABASE)) $(ARGS)

browser: $(VENV)/.browser ## Click through the demo and the admin in Chromium (ARGS="--pictures build/pictures")
	@COVERAGE_FILE=$(abspath $(VENV))/browser.data $(BIN)/python tests/run.py --browser $(ARGS)

lint: $(VENV)/.lint ## Look for faults, bad layout and spelling
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/codespell

format: $(VENV)/.lint ## Repair what can be repaired by machine
	$(BIN)/ruff check --fix
	$(BIN)/ruff format

types: $(VENV)/.test $(VENV)/.lint ## Check the types
	DJANGO_SETTINGS_MODULE=tests.settings $(BIN)/python -m mypy
	DJANGO_SETTINGS_MODULE=config.settings $(BIN)/python -m mypy testproject
	$(BIN)/python -m tests.typed

arch: $(VENV)/.lint ## Check which module may import which
	$(BIN)/lint-imports

check: lint types arch ## All of lint, types and arch

migrations: $(VENV)/.test ## Check that no change of a model lacks its migration
	$(BIN)/python -m django makemigrations --check --dry-run --settings tests.settings
	PYTHONPATH=testproject $(BIN)/python -m django makemigrations --check --dry-run --settings config.settings

docs: $(VENV)/.docs ## Build the documentation into docs/_build/html
	$(BIN)/python -m sphinx -W --keep-going -q -b html docs docs/_build/html
	@echo "Open docs/_build/html/index.html"

coverage: $(VENV)/.test ## Report what the last `make test` did not reach
	@$(BIN)/python -m coverage combine --quiet --keep --data-file=.coverage $(addsuffix /coverage.data,$(COVERED))
	@$(BIN)/python -m coverage report --data-file=.coverage

package: $(VENV)/.package ## Build wheel and sdist, and try the wheel in an empty environment
	@rm -rf dist build/venv-package
	@mkdir -p build
	@$(BIN)/python -m build --outdir dist >build/log.txt 2>&1 || { cat build/log.txt >&2; exit 1; }
	@$(BIN)/python -m venv build/venv-package
	@build/venv-package/bin/python -m pip install -qq --disable-pip-version-check dist/*.whl
	@$(BIN)/python -c "$$CHECK_CONTENTS"
	@cd build && venv-package/bin/python -c "$$CHECK_INSTALLED"

bench: .venv-bench/.installed ## Measure everything beside rivals (long), and write docs/benchmarks.md
	@.venv-bench/bin/python -m tests.benchmarks --scale full $(ARGS); failed=$$?; \
	  .venv-bench/bin/python -m tests.benchmarks --scale full --render && exit $$failed

bench-quick: $(VENV)/.test ## Measure enqueue and run, in a minute
	@$(BIN)/python -m tests.benchmarks.quick $(ARGS)

harsh: $(VENV)/.test $(VENV)/.mysql ## Run the tests that kill, freeze and cut off, a quarter of an hour (DATABASE=, ARGS=)
	@$(BIN)/python tests/run.py --harsh $(addprefix --database ,$(DATABASE)) $(ARGS)

chaos: $(VENV)/.test $(VENV)/.mysql ## Kill workers and servers for long, and write docs/explanation/chaos.md
	@$(BIN)/python -m tests.chaos --out docs/explanation/chaos.md $(ARGS)

chaos-short: $(VENV)/.test $(VENV)/.mysql ## The same in five minutes, on all three databases
	@$(BIN)/python -m tests.chaos --jobs 2000 --kills 5 --pause 2 --silence 2.5 $(ARGS)

soak: $(VENV)/.test ## Run an hour at a steady rate, and see what grows (ARGS="--store sqlite --minutes 10")
	@$(BIN)/python -m tests.chaos.soak $(ARGS)

clean: ## Remove the environments and all that was built
	rm -rf .venv .venv-* build dist docs/_build htmlcov .coverage .coverage.* *.egg-info
	rm -rf .hypothesis .import_linter_cache .mypy_cache .pytest_cache .ruff_cache
	find django_repid tests testproject docs -name __pycache__ -type d -prune -exec rm -rf {} +

# ---- Environments. A stamp file says that something is installed; a newer pyproject.toml renews it.

$(VENV)/.made:
	@echo "Making $(VENV) (once)"
	@$(call make-environment,$(VENV))
	@touch $@

$(VENV)/.test: $(VENV)/.made pyproject.toml
	@echo "Installing the package and what its tests need into $(VENV) (once, about half a minute)"
	@$(INSTALL) --editable ".[postgres,redis,pydantic,cron-text]" --group test
	@touch $@

# mysqlclient comes as source only. Where it cannot be built, go on; try again next time.
$(VENV)/.mysql: $(VENV)/.test
	@if $(INSTALL) --editable ".[mysql]" >$(VENV)/mysql.log 2>&1; then touch $@; else \
	  echo "No MariaDB: mysqlclient needs a C compiler, pkg-config and MariaDB's C headers ($(VENV)/mysql.log)"; fi

# The demo runs in it, too.
$(VENV)/.browser: $(VENV)/.test
	@echo "Installing Playwright into $(VENV) (once); the browser is the machine's own Chromium"
	@$(INSTALL) --group browser --group demo
	@touch $@

$(VENV)/.lint: $(VENV)/.made pyproject.toml
	@echo "Installing linters into $(VENV) (once)"
	@$(INSTALL) --group lint
	@touch $@

$(VENV)/.docs: $(VENV)/.made pyproject.toml
	@echo "Installing Sphinx into $(VENV) (once)"
	@$(INSTALL) --group docs
	@touch $@

$(VENV)/.package: $(VENV)/.made pyproject.toml
	@$(INSTALL) --group package
	@touch $@

.venv-demo/.installed: pyproject.toml
	@echo "Making .venv-demo (once)"
	@$(call make-environment,.venv-demo)
	@.venv-demo/bin/python -m pip install -qq --disable-pip-version-check --editable ".[pydantic]" --group demo
	@touch $@

# Rivals, pinned; some of them want another redis-py, and get an environment beside it.
.venv-bench/.installed: pyproject.toml $(wildcard tests/benchmarks/requirements*.txt)
	@echo "Making .venv-bench and .venv-bench-redis5 (once, a minute or two)"
	@$(call make-bench-environment,.venv-bench)
	@$(call make-bench-environment,.venv-bench-redis5)
	@.venv-bench/bin/python -m pip install -qq --disable-pip-version-check \
	  --requirement tests/benchmarks/requirements.txt --editable .
	@.venv-bench-redis5/bin/python -m pip install -qq --disable-pip-version-check \
	  --requirement tests/benchmarks/requirements-redis5.txt
	@touch $@

# Make the environment $(1) of $(PYTHON), or of the first that is new enough for every rival.
define make-bench-environment
python=$$(for one in $(PYTHON) python3.14 python3.13 python3.12; do \
  $$one -c 'import sys; sys.exit(sys.version_info < (3, 12))' 2>/dev/null && echo $$one && break; done); \
test -n "$$python" || { echo "The benchmarks need Python 3.12 or newer, for instance:" \
  "make PYTHON=python3.13 $(MAKECMDGOALS)" >&2; exit 1; }; \
$$python -m venv $(1) && $(1)/bin/python -m pip install -qq --disable-pip-version-check --upgrade pip
endef

# Make the environment $(1), or say what is missing.
define make-environment
$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null || { \
  echo "Python 3.11 or newer is needed, and '$(PYTHON)' is: $$($(PYTHON) --version 2>&1 | head -n 1)" >&2; \
  echo "Name another one, for instance: make PYTHON=python3.13 $(MAKECMDGOALS)" >&2; exit 1; }; \
$(PYTHON) -m venv $(1) || { \
  echo "On Debian and Ubuntu: apt-get install python3-venv" >&2; rm -rf $(1); exit 1; }; \
$(1)/bin/python -m pip install -qq --disable-pip-version-check --upgrade pip
endef

# ---- What `make package` asserts.

define CHECK_CONTENTS
import glob, os, tarfile, zipfile
[wheel], [sdist] = glob.glob('dist/*.whl'), glob.glob('dist/*.tar.gz')
inside = {n for n in zipfile.ZipFile(wheel).namelist() if '.dist-info/' not in n}
tree = {
    os.path.join(folder, name).replace(os.sep, '/')
    for folder, _, names in os.walk('django_repid')
    for name in names
    if '__pycache__' not in folder and name != '.DS_Store'
}
assert inside == tree, f'wheel and tree differ: {sorted(inside ^ tree)}'
assert {'django_repid/py.typed', 'django_repid/migrations/0001_initial.py'} <= inside, sorted(inside)
source = {n.partition('/')[2] for n in tarfile.open(sdist).getnames()}
wanted = {'LICENSE', 'README.md', 'CHANGELOG.md', 'docs/conf.py', 'testproject/manage.py', 'tests/settings.py'}
assert wanted <= source, f'not in the sdist: {sorted(wanted - source)}'
print(f'{wheel}: {len(inside)} files, all of django_repid and nothing else')
print(f'{sdist}: {len(source)} files, with tests, docs and the example project')
endef
export CHECK_CONTENTS

define CHECK_INSTALLED
import django_repid
from django.apps import apps
assert not apps.ready and 'venv-package' in django_repid.__file__, django_repid.__file__
from importlib.metadata import version
assert django_repid.__version__ == version('django-repid'), 'django_repid.__version__ differs from pyproject.toml'
import django
from django.conf import settings
from django.core.management import call_command
settings.configure(
    INSTALLED_APPS=['django.contrib.contenttypes', 'django.contrib.auth', 'django_repid'],
    DATABASES={'default': {'ENGINE': 'django.db.backends.sqlite3', 'NAME': ':memory:'}},
)
django.setup()
call_command('migrate', verbosity=0)
print(f'The wheel imports, and migrates an empty database, beside Django {django.__version__} alone')
endef
export CHECK_INSTALLED
