# Every target works as the first command on a machine that has Python and nothing else.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
INSTALLED := $(VENV)/.installed

.PHONY: serve test test-slow test-image lint format bench bundled-model clean

serve: $(INSTALLED)
	$(BIN)/visreward serve

test: $(INSTALLED) lint
	$(BIN)/pytest

test-slow: $(INSTALLED)
	$(BIN)/pytest -m slow

test-image: $(INSTALLED)
	$(BIN)/pytest -m image

lint: $(INSTALLED)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

format: $(INSTALLED)
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

bench: $(INSTALLED)
	$(BIN)/python -m loadtests

bundled-model: $(INSTALLED)
	$(BIN)/python -m visreward_service.models.bundled.train --out runs/scenes-fgclip

clean:
	rm -rf $(VENV) build dist

$(INSTALLED): pyproject.toml constraints.txt
	$(PYTHON) -m venv $(VENV)
	$(BIN)/pip install --disable-pip-version-check --constraint constraints.txt --editable '.[service,test]'
	touch $@
