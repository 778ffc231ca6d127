# Everything a fresh Debian with Python 3.11 or newer needs, from nothing: `make demo` or `make test`.
PYTHON ?= python3
VENV   := .venv
BIN    := $(VENV)/bin
STAMP  := $(VENV)/.installed

export QT_QPA_PLATFORM ?= offscreen
export QT_API := pyqt6

.PHONY: setup demo test lint benchmarks pictures screenshots clean

setup: $(STAMP)

$(STAMP): pyproject.toml constraints.txt tools/setup
	tools/setup "$(PYTHON)" "$(VENV)"
	@touch $@

demo: setup
	$(BIN)/python examples/demo.py

test: lint
	$(BIN)/pytest -n 2 --dist loadfile --no-loadscope-reorder

lint: setup
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

benchmarks: setup
	for benchmark in benchmarks/*.py; do $(BIN)/python $$benchmark || exit 1; done

screenshots: setup
	$(BIN)/python examples/screenshots.py

pictures: setup
	$(BIN)/python examples/phase_diagram.py

clean:
	rm -rf $(VENV) demo .pytest_cache .mypy_cache .ruff_cache
