# Predictor, transformer, collector and fetcher.
# Build from the checkout's root: `make images`.
ARG BUILD=debian:12-slim
ARG RUN=gcr.io/distroless/python3-debian12:nonroot

FROM ${BUILD} AS build
# Debian's own Python, since the image that it is copied into has the same.
RUN python3 -c 'import ensurepip' 2>/dev/null \
 || (apt-get update && apt-get install --yes --no-install-recommends ca-certificates python3-venv)
WORKDIR /build
COPY requirements.lock ./
RUN python3 -m venv uv && uv/bin/pip install --no-cache-dir "$(grep -oE '^uv==[0-9.]+' requirements.lock)"
COPY pyproject.toml README.md LICENSE ./
COPY operator operator
COPY workers workers
COPY .ci/sbom.py ./
# Every package in the version and with the hash of requirements.lock, what builds the wheel too.
RUN uv/bin/uv build --wheel --build-constraints requirements.lock --out-dir dist . \
 && uv/bin/uv venv --python /usr/bin/python3 /opt/leeboard \
 && uv/bin/uv pip install --no-cache --compile-bytecode --python /opt/leeboard/bin/python \
      --constraint requirements.lock "leeboard[serving] @ file://$(ls /build/dist/*.whl)" \
 && /opt/leeboard/bin/python sbom.py leeboard-serving > /opt/leeboard/sbom.cdx.json

# No shell, no package manager; each pod names its program.
FROM ${RUN}
ARG VERSION=
ARG REVISION=
ARG SOURCE=
LABEL org.opencontainers.image.title="leeboard-serving" \
      org.opencontainers.image.version="${VERSION}" \
      org.opencontainers.image.revision="${REVISION}" \
      org.opencontainers.image.source="${SOURCE}" \
      org.opencontainers.image.licenses="Apache-2.0"
COPY --from=build /opt/leeboard /opt/leeboard
ENV PATH=/opt/leeboard/bin:/usr/local/bin:/usr/bin:/bin HOME=/tmp USER=leeboard PYTHONUNBUFFERED=1 PYTHONDONTWRITEBYTECODE=1
USER 65532:65532
ENTRYPOINT ["/opt/leeboard/bin/python"]
