# make app     the page on http://127.0.0.1:7860
# make test    every check: lint, types, tests
# make lint    ruff and mypy alone
# make clean   removes .venv and the caches; runs and data stay
#
# Another Python than python3: make app PYTHON=python3.12

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip --disable-pip-version-check
APP_READY := $(VENV)/.app-ready
TEST_READY := $(VENV)/.test-ready

.PHONY: help app test lint clean

help:
	@sed -n 's/^# \(make .*\)/\1/p' Makefile

app: $(APP_READY)
	@$(BIN)/python app.py

test: lint
	$(BIN)/python -m pytest -n logical --maxprocesses 4 --dist loadfile --no-loadscope-reorder

lint: $(TEST_READY)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

clean:
	rm -rf $(VENV) __pycache__ build dist *.egg-info .mypy_cache .pytest_cache .ruff_cache .hypothesis
	find gandemo tests -name __pycache__ -prune -exec rm -rf {} +

# The stamps make a second run start at once: pip runs again only when a requirements file changes.
$(APP_READY): requirements.txt $(BIN)/python
	$(PIP) install -r requirements.txt
	@touch $@

$(TEST_READY): requirements-dev.txt $(APP_READY)
	$(PIP) install -r requirements-dev.txt
	@touch $@

$(BIN)/python:
	@command -v "$(PYTHON)" >/dev/null || \
		{ echo "gandemo: there is no '$(PYTHON)' here; install Python 3.10 or newer, or name one with PYTHON=..." >&2; exit 1; }
	@"$(PYTHON)" -c 'import sys; sys.exit(sys.version_info < (3, 10))' || \
		{ echo "gandemo: '$(PYTHON)' is older than Python 3.10; install a newer one and name it with PYTHON=..." >&2; exit 1; }
	@"$(PYTHON)" -c 'import ensurepip, venv' 2>/dev/null || \
		{ echo "gandemo: '$(PYTHON)' has no venv module; on Debian and Ubuntu: apt install python3-venv" >&2; exit 1; }
	"$(PYTHON)" -m venv --clear $(VENV)
