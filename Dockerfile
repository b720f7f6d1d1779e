# The images of a run, and one that starts runs; docker, podman and buildah build them:
#
#   docker build -t textgen-job:0.1.0 .    what generates, on a GPU, too: torch, transformers, the embedded model
#   docker build -t textgen-job-cpu:0.1.0 --target textgen-job-cpu .    what generates on a CPU: no torch
#   docker build -t textgen-job-vllm:0.1.0 --target textgen-job-vllm .    what generates on GPUs with vLLM
#   docker build -t textgen:0.1.0 --target textgen .    what checks out, fetches and commits beside a job
#   docker build -t textgen-trigger:0.1.0 --target textgen-trigger .    `textgen trigger poll`: that, and argo/
#
# The layers are in the order in which they change: a change of code makes only the last one again.

# Hugging Face's transformers GPU image. The digest is the one that public Dockerfiles pin for this tag; it
# could not be pulled where this was written, only stand-ins for it. What is taken from it is its system (CUDA's
# libraries, git): its Python is too old for us and stays as it is.
ARG BASE_IMAGE=huggingface/transformers-pytorch-gpu:4.41.2@sha256:4c7317881a534b22e18add49c925096fa902651fb0571c69f3cad58af3ea2c0f
# vLLM's own image, which could not be pulled where this was written either.
ARG VLLM_IMAGE=vllm/vllm-openai:v0.32.0
ARG SMALL_BASE_IMAGE=debian:12-slim
# A base image without this version gets it from uv, which checks its digest.
ARG PYTHON=3.11


# What only the build needs.
FROM ${SMALL_BASE_IMAGE} AS tools
RUN apt-get update \
    && apt-get install --yes --no-install-recommends ca-certificates python3 python3-venv \
    && rm -rf /var/lib/apt/lists/*
COPY requirements-uv.lock /locks/
RUN python3 -m venv /tools && /tools/bin/python -m pip install --no-cache-dir --require-hashes -r /locks/requirements-uv.lock
ENV PATH=/tools/bin:$PATH UV_LINK_MODE=copy

# The package, installed into a folder: without argo/ for the images of jobs, and without its command, which is argo's.
# Its bytecode has no times in it, so that a rebuild makes the same again.
FROM tools AS job-code
COPY requirements-job.lock pyproject.toml README.md LICENSE NOTICE /source/
COPY job /source/job
ENV INSTALL="uv pip install --target /code --no-deps --compile-bytecode --build-constraints /source/requirements-job.lock /source" \
    PYC_INVALIDATION_MODE=UNCHECKED_HASH
RUN --mount=type=cache,id=uv,target=/root/.cache/uv $INSTALL && rm -r /code/bin

FROM job-code AS trigger-code
COPY argo /source/argo
RUN --mount=type=cache,id=uv,target=/root/.cache/uv $INSTALL --reinstall && rm -r /code/bin

FROM tools AS new-environment
COPY requirements-sbom.lock /locks/
RUN uv venv --python /usr/bin/python3 /opt/textgen \
    && echo /opt/textgen/code > "$(echo /opt/textgen/lib/python*/site-packages)/code.pth"
ENV INSTALL="uv pip install --python /opt/textgen --no-deps --require-hashes --compile-bytecode -r" \
    LIST="uv run --no-project --python /opt/textgen/bin/python --with-requirements /locks/requirements-sbom.lock \
        cyclonedx-py environment --output-reproducible --output-file /opt/textgen/sbom.cdx.json /opt/textgen"

FROM new-environment AS small-environment
COPY requirements-pod.lock /locks/
RUN --mount=type=cache,id=uv,target=/root/.cache/uv $INSTALL /locks/requirements-pod.lock && $LIST

FROM small-environment AS trigger-environment
COPY requirements-trigger.lock /locks/
RUN --mount=type=cache,id=uv,target=/root/.cache/uv $INSTALL /locks/requirements-trigger.lock && $LIST

# The environment is the user's: files of workflows install what they need with pip.
FROM new-environment AS cpu-environment
COPY requirements-job-cpu.lock requirements-parquet.lock /locks/
RUN --mount=type=cache,id=uv,target=/root/.cache/uv $INSTALL /locks/requirements-job-cpu.lock -r /locks/requirements-parquet.lock && $LIST


FROM ${SMALL_BASE_IMAGE} AS small
ENV PATH=/opt/textgen/bin:$PATH
# ssh and git want a name for the user; a pod may still be any other.
RUN apt-get update \
    && apt-get install --yes --no-install-recommends ca-certificates git git-lfs openssh-client python3 \
    && rm -rf /var/lib/apt/lists/* \
    && useradd --uid 1000 --create-home --shell /bin/bash textgen
USER 1000:1000
WORKDIR /home/textgen

FROM small AS textgen
COPY --from=small-environment /opt/textgen /opt/textgen
COPY --from=job-code /code /opt/textgen/code
ENTRYPOINT ["python3", "-m", "job"]
CMD ["--help"]
ARG VERSION=0.1.0
ARG REVISION=
LABEL org.opencontainers.image.title="textgen" \
      org.opencontainers.image.description="Checks out, fetches and commits for the jobs of a workflow" \
      org.opencontainers.image.licenses="Apache-2.0" \
      org.opencontainers.image.version="${VERSION}" \
      org.opencontainers.image.revision="${REVISION}"


FROM small AS textgen-job-cpu
COPY --from=cpu-environment --chown=1000:1000 /opt/textgen /opt/textgen
COPY --from=job-code /code /opt/textgen/code
ENTRYPOINT ["python3", "-m", "job"]
CMD ["generate"]
ARG VERSION=0.1.0
ARG REVISION=
LABEL org.opencontainers.image.title="textgen-job-cpu" \
      org.opencontainers.image.description="Generates text from prompts on a CPU" \
      org.opencontainers.image.licenses="Apache-2.0" \
      org.opencontainers.image.version="${VERSION}" \
      org.opencontainers.image.revision="${REVISION}"


# What vLLM's image has stays as it is: it is in no lock here.
FROM ${VLLM_IMAGE} AS textgen-job-vllm
USER root
RUN getent passwd 1000 || useradd --uid 1000 --create-home --shell /bin/bash textgen
COPY --from=tools /tools/bin/uv /usr/local/bin/
COPY requirements-pod.lock requirements-parquet.lock /opt/locks/
RUN --mount=type=cache,id=uv,target=/root/.cache/uv \
    export UV_LINK_MODE=copy UV_BREAK_SYSTEM_PACKAGES=1 \
    && uv pip install --python "$(command -v python3)" --no-deps --require-hashes \
        -r /opt/locks/requirements-pod.lock -r /opt/locks/requirements-parquet.lock \
    && uv pip install --python "$(command -v python3)" --no-deps 'gguf>=0.19,<0.20'
COPY --from=job-code /code /opt/textgen/code
ENV PYTHONPATH=/opt/textgen/code
USER 1000:1000
WORKDIR /tmp
ENTRYPOINT ["python3", "-m", "job"]
CMD ["generate"]
ARG VLLM_IMAGE
ARG VERSION=0.1.0
ARG REVISION=
LABEL org.opencontainers.image.title="textgen-job-vllm" \
      org.opencontainers.image.description="Generates text from prompts with vLLM" \
      org.opencontainers.image.licenses="Apache-2.0" \
      org.opencontainers.image.base.name="${VLLM_IMAGE}" \
      org.opencontainers.image.version="${VERSION}" \
      org.opencontainers.image.revision="${REVISION}"


# Beside no job: what polls repositories holds tokens that jobs must not see.
FROM small AS textgen-trigger
COPY --from=trigger-environment /opt/textgen /opt/textgen
COPY --from=trigger-code /code /opt/textgen/code
ENTRYPOINT ["python3", "-m", "argo", "trigger", "poll"]
CMD ["--help"]
ARG VERSION=0.1.0
ARG REVISION=
LABEL org.opencontainers.image.title="textgen-trigger" \
      org.opencontainers.image.description="Runs workflow files when their branches are pushed to" \
      org.opencontainers.image.licenses="Apache-2.0" \
      org.opencontainers.image.version="${VERSION}" \
      org.opencontainers.image.revision="${REVISION}"


# Everything of the job image but the package.
FROM ${BASE_IMAGE} AS environment
ARG PYTHON
ENV PATH=/opt/textgen/bin:$PATH
RUN getent passwd 1000 || useradd --uid 1000 --create-home --shell /bin/bash textgen
COPY --from=tools /tools/bin/uv /usr/local/bin/
COPY requirements-job.lock requirements-parquet.lock requirements-sbom.lock /opt/locks/
# The environment is the user's: files of workflows install what they need with pip.
RUN --mount=type=cache,id=uv,target=/root/.cache/uv \
    export UV_LINK_MODE=copy UV_PYTHON_INSTALL_DIR=/opt/python \
    && uv venv --python "$PYTHON" /opt/textgen \
    && uv pip install --python /opt/textgen --no-deps --require-hashes --compile-bytecode \
        -r /opt/locks/requirements-job.lock -r /opt/locks/requirements-parquet.lock \
    && uv run --no-project --python /opt/textgen/bin/python --with-requirements /opt/locks/requirements-sbom.lock \
        cyclonedx-py environment --output-reproducible --output-file /opt/textgen/sbom.cdx.json /opt/textgen \
    && echo /opt/textgen/code > "$(echo /opt/textgen/lib/python*/site-packages)/code.pth" \
    && chown -R 1000:1000 /opt/textgen

FROM environment AS textgen-job
COPY --from=job-code /code /opt/textgen/code
USER 1000:1000
WORKDIR /home/textgen
ENTRYPOINT ["python3", "-m", "job"]
CMD ["generate"]
ARG BASE_IMAGE
ARG VERSION=0.1.0
ARG REVISION=
LABEL org.opencontainers.image.title="textgen-job" \
      org.opencontainers.image.description="Generates text from prompts" \
      org.opencontainers.image.licenses="Apache-2.0" \
      org.opencontainers.image.base.name="${BASE_IMAGE}" \
      org.opencontainers.image.version="${VERSION}" \
      org.opencontainers.image.revision="${REVISION}"
