# The images of the reward service, for processors (target `cpu`) and for NVIDIA GPUs (target `cuda`), and of the trainer
# (target `trainer`).
#
#   docker build --target cpu     --tag visreward:cpu .
#   docker build --target cuda    --tag visreward:cuda .
#   docker build --target trainer --tag visreward:trainer .
#
# Arguments: PYTHON_IMAGE, the base, to which a release adds `@sha256:…`; CPU_INDEX and CUDA_INDEX, an index of wheels to
# ask besides the default one. docs/deployment.md tells when each is wanted.
ARG PYTHON_IMAGE=python:3.11.14-slim-bookworm


FROM ${PYTHON_IMAGE} AS python
ENV PIP_DISABLE_PIP_VERSION_CHECK=1 \
    PIP_ROOT_USER_ACTION=ignore \
    PATH=/opt/visreward/bin:$PATH


# The dependencies are a layer of their own, made from these lists: an edit of anything else does not fetch torch again.
FROM python AS requirements
WORKDIR /build
COPY pyproject.toml ./
RUN list="import sys, tomllib; p = tomllib.load(open('pyproject.toml', 'rb'))['project']; print(*p['dependencies'], *(line for extra in sys.argv[1:] for line in p['optional-dependencies'][extra]), sep='\n')" \
    && python3 -c "$list" service grpc triton zstd > service.txt \
    && python3 -c "$list" trainer grpc zstd > trainer.txt


# What is fetched is kept by the builder and is no part of an image. hadolint knows such a place by `.cache/pip`.
FROM python AS installer
ENV PIP_CACHE_DIR=/var/.cache/pip
WORKDIR /build
RUN python3 -m venv /opt/visreward


FROM installer AS cpu-dependencies
ARG CPU_INDEX=
COPY constraints.txt ./
COPY --from=requirements /build/service.txt ./
RUN --mount=type=cache,target=/var/.cache/pip \
    pip install ${CPU_INDEX:+--extra-index-url "$CPU_INDEX"} --constraint constraints.txt --requirement service.txt


FROM installer AS cuda-dependencies
ARG CUDA_INDEX=
COPY constraints.txt ./
COPY --from=requirements /build/service.txt ./
RUN --mount=type=cache,target=/var/.cache/pip \
    pip install ${CUDA_INDEX:+--extra-index-url "$CUDA_INDEX"} --constraint constraints.txt --requirement service.txt


FROM installer AS trainer-dependencies
ARG CUDA_INDEX=
COPY constraints.txt ./
COPY --from=requirements /build/trainer.txt ./
RUN --mount=type=cache,target=/var/.cache/pip \
    pip install ${CUDA_INDEX:+--extra-index-url "$CUDA_INDEX"} --constraint constraints.txt --requirement trainer.txt


FROM installer AS wheel
COPY pyproject.toml README.md LICENSE ./
COPY client client
COPY service service
COPY trainer trainer
RUN --mount=type=cache,target=/var/.cache/pip \
    pip wheel --no-deps --wheel-dir /wheels .


# What all targets run in. Nothing below needs a writable root: caches go to /tmp, weights to /models.
FROM python AS base
# tini is process 1: it passes SIGTERM on while models load, and reaps the processes that run rules.
# Its version is the base image's own, which the base's digest pins.
# hadolint ignore=DL3008
RUN apt-get update \
    && apt-get install --yes --no-install-recommends tini \
    && rm -rf /var/lib/apt/lists/* \
    && groupadd --gid 10001 visreward \
    && useradd --uid 10001 --gid 10001 --no-create-home --home-dir /tmp --shell /usr/sbin/nologin visreward \
    && install --directory --owner 10001 --group 10001 /models /runs
ENV HOME=/tmp \
    HF_HOME=/models \
    PYTHONDONTWRITEBYTECODE=1 \
    PYTHONUNBUFFERED=1
STOPSIGNAL SIGTERM


# GRPO on one GPU, with rewards and completions from other containers. It listens to nobody.
FROM base AS trainer
# TRL's loss runs through Triton on a GPU, and Triton compiles its driver when that is first used.
# The compiler's version is the base image's own; Python's headers are in the base.
# hadolint ignore=DL3008
RUN apt-get update \
    && apt-get install --yes --no-install-recommends gcc libc6-dev \
    && rm -rf /var/lib/apt/lists/*
COPY --from=trainer-dependencies /opt/visreward /opt/visreward
RUN --mount=type=bind,from=wheel,source=/wheels,target=/wheels \
    pip install --no-cache-dir --no-deps --no-index /wheels/*.whl
ENV NVIDIA_VISIBLE_DEVICES=all \
    NVIDIA_DRIVER_CAPABILITIES=compute,utility
VOLUME ["/models", "/runs"]
ENTRYPOINT ["tini", "--", "visreward", "train"]
USER 10001:10001


FROM base AS runtime
COPY --chmod=0444 k8s/base/settings.toml /etc/visreward/settings.toml
ENV VISREWARD_CONFIG=/etc/visreward/settings.toml \
    VISREWARD_HOST=0.0.0.0
VOLUME ["/models"]
EXPOSE 8000 8001
HEALTHCHECK --interval=10s --timeout=5s --start-period=300s --retries=3 \
    CMD ["python", "-c", "import os, urllib.request as u; u.urlopen('http://127.0.0.1:' + os.environ.get('VISREWARD_PORT', '8000') + '/readyz', timeout=4)"]
# After a drain uvicorn ends by the signal that it was sent: 143, which is no failure.
ENTRYPOINT ["tini", "-e", "143", "--", "visreward", "serve"]


FROM runtime AS cuda
COPY --from=cuda-dependencies /opt/visreward /opt/visreward
RUN --mount=type=bind,from=wheel,source=/wheels,target=/wheels \
    pip install --no-cache-dir --no-deps --no-index /wheels/*.whl
# The wheels bring CUDA's libraries; the host's container toolkit brings the driver.
ENV NVIDIA_VISIBLE_DEVICES=all \
    NVIDIA_DRIVER_CAPABILITIES=compute,utility
USER 10001:10001


# Last, so that a build that names no target gives the image that runs anywhere.
FROM runtime AS cpu
COPY --from=cpu-dependencies /opt/visreward /opt/visreward
RUN --mount=type=bind,from=wheel,source=/wheels,target=/wheels \
    pip install --no-cache-dir --no-deps --no-index /wheels/*.whl
USER 10001:10001
