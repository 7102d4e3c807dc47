# syntax=docker/dockerfile:1
# One image, all programs: region-operator run | agent | manager | crds. Any base with Python >= 3.11 and venv will do.
ARG BASE_IMAGE=docker.io/library/python:3.11-slim

# Dependencies alone: this layer changes only with pyproject.toml.
FROM ${BASE_IMAGE} AS dependencies
WORKDIR /source
RUN python3 -m venv /opt/tools && /opt/tools/bin/pip install --no-cache-dir "hatchling>=1.27" && \
    python3 -m venv --without-pip /opt/region-operator
COPY pyproject.toml .
RUN python3 -c "import tomllib; print(*tomllib.load(open('pyproject.toml', 'rb'))['project']['dependencies'], sep='\n')" > requirements.txt && \
    /opt/tools/bin/pip --python /opt/region-operator/bin/python install --no-cache-dir -r requirements.txt

FROM dependencies AS program
COPY README.md .
COPY operator operator
RUN /opt/tools/bin/pip wheel --no-deps --no-build-isolation --wheel-dir /wheels . && \
    /opt/tools/bin/pip --python /opt/region-operator/bin/python install --no-deps --prefix /program /wheels/*.whl

FROM ${BASE_IMAGE}
COPY --from=dependencies /opt/region-operator /opt/region-operator
COPY --from=program /program /opt/region-operator
# Numeric, so that runAsNonRoot can be checked; nothing is written outside mounted volumes.
USER 65532:65532
ENV PATH=/opt/region-operator/bin:$PATH PYTHONDONTWRITEBYTECODE=1 PYTHONUNBUFFERED=1
# Freed memory goes back to the system: glibc keeps an arena per thread and learns from large blocks to keep them.
ENV MALLOC_ARENA_MAX=1 MALLOC_TRIM_THRESHOLD_=131072
ENTRYPOINT ["region-operator"]
