# make run    set up, then run this repository's workflow on this machine
# make test   set up, then check and test everything
# make test-cluster   the tests that need a cluster: KUBECONFIG's, or one that is started for them, if possible
# make soak   tests that find more the longer they run, in their long form: half an hour
# make mutants   take the code's guards out one by one, and say which of them no test misses: ten minutes
#
# MODEL=gpt2   another model for `make run`: a hub name, a folder, a GGUF file
# TORCH=cpu    torch without CUDA (Linux): 0.2 GB in place of 4.6 GB, from PyTorch's own index
# PYTHON=...   another Python 3.11 or newer
.DELETE_ON_ERROR:
.PHONY: run test test-cluster soak mutants check setup lock clean

PYTHON ?= python3
MODEL ?= smollm2-135m
TORCH ?= default
WORKFLOW := .gradient/workflows/nlp-text-generation.yaml

VENV := .venv
BIN := $(VENV)/bin
# uv from PATH, else a pinned one in .uv
UV := $(or $(shell command -v uv 2>/dev/null),.uv/bin/uv)
# As pip, git and curl do: the machine's own certificates
export UV_SYSTEM_CERTS := true
COMPILE = $(UV) pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-emit-index-url --no-header
ALL = pyproject.toml --extra job --group model --group build

ifeq ($(TORCH),cpu)
LOCK := requirements-cpu.lock
BACKEND := --torch-backend cpu
else
LOCK := requirements.lock
endif

run: $(VENV)/run
	@$(BIN)/python -m job model $(MODEL)
	@$(BIN)/textgen run $(WORKFLOW) -p model=$(MODEL)

test: check
	$(BIN)/pytest -n 2

test-cluster: $(VENV)/dev
	.ci/test-cluster

soak: $(VENV)/dev
	TEXTGEN_MUTATIONS=10000 $(BIN)/pytest tests/language/test_mutations.py tests/compile/test_mutations.py

mutants: $(VENV)/dev
	$(BIN)/python bench/mutants.py

check: $(VENV)/dev
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/mypy
	$(BIN)/lint-imports --no-logo

setup: $(VENV)/run

# Bytecode is compiled here, because what a job writes to the environment is gone with the job.
$(VENV)/run: $(LOCK) pyproject.toml | $(BIN)/python
	$(UV) pip install --quiet --python $(BIN)/python --no-deps --require-hashes --compile-bytecode $(BACKEND) -r $(LOCK)
	$(UV) pip install --quiet --python $(BIN)/python --no-deps --no-build-isolation --editable .
	@touch $@

$(VENV)/dev: requirements-dev.lock $(VENV)/run
	$(UV) pip install --quiet --python $(BIN)/python --no-deps --require-hashes -r requirements-dev.lock
	@touch $@

$(BIN)/python: | $(UV)
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "textgen needs Python 3.11 or newer, $(PYTHON) is " + sys.version.split()[0] + "; try make PYTHON=python3.12")'
	@echo "Setting up $(VENV): torch with CUDA is 4.6 GB; see the README for a smaller one."
	$(UV) venv --quiet --python $(PYTHON) $(VENV)

.uv/bin/uv: requirements-uv.lock
	@$(PYTHON) -m venv .uv || { echo "Install uv, or the package python3-venv, and try again." >&2; exit 1; }
	.uv/bin/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements-uv.lock
	@touch $@

lock: | $(UV)
	echo 'uv==0.13.9' | $(COMPILE) - -o requirements-uv.lock
	$(COMPILE) $(ALL) -o requirements.lock
	$(COMPILE) --group dev -c requirements.lock -o requirements-dev.lock
	printf '%s\n' boto3 click obstore tenacity | $(COMPILE) -c requirements.lock - -o requirements-pod.lock
	printf '%s\n' boto3 click hera kubernetes obstore pydantic pyyaml ruamel.yaml tenacity | $(COMPILE) -c requirements.lock - -o requirements-trigger.lock
	echo 'cyclonedx-bom==7.5.0' | $(COMPILE) - -o requirements-sbom.lock

requirements-cpu.lock: pyproject.toml | $(UV)
	$(COMPILE) $(ALL) --torch-backend cpu -o $@

clean:
	rm -rf $(VENV) .uv .textgen requirements-cpu.lock
