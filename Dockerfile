# One image, three commands: callfleet gateway | worker | analytics. Every package is pinned by hash;
# nothing is compiled, and what builds the image stays out of it.
ARG PYTHON=python:3.13-slim-trixie

FROM ${PYTHON} AS build
ENV PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_NO_CACHE_DIR=1 PIP_NO_COMPILE=1 PIP_ROOT_USER_ACTION=ignore
RUN python -m venv /opt/callfleet
WORKDIR /build
# The packages first: they change less often than the code.
COPY requirements.txt requirements-build.txt ./
RUN /opt/callfleet/bin/pip install --require-hashes --only-binary :all: -r requirements.txt
RUN python -m venv /opt/build \
 && /opt/build/bin/pip install --require-hashes --only-binary :all: -r requirements-build.txt
COPY pyproject.toml README.md ./
COPY callfleet callfleet
COPY services services
# Times in the wheel and hashes instead of times in the bytecode: the same source, the same bytes.
ENV SOURCE_DATE_EPOCH=1767225600
RUN /opt/build/bin/pip wheel --no-deps --no-build-isolation --wheel-dir /tmp/wheel . \
 && /opt/callfleet/bin/pip install --no-deps --no-index /tmp/wheel/*.whl \
 && /opt/callfleet/bin/pip uninstall --yes --quiet pip \
 && python -m compileall -q --invalidation-mode unchecked-hash /opt/callfleet/lib

FROM ${PYTHON}
LABEL org.opencontainers.image.title="callfleet" \
      org.opencontainers.image.description="Answers phone calls with OpenAI Realtime voice agents"
ENV PATH=/opt/callfleet/bin:$PATH HOME=/tmp PYTHONDONTWRITEBYTECODE=1 PYTHONUNBUFFERED=1
COPY --from=build /opt/callfleet /opt/callfleet
# By number, so that Kubernetes can tell that it is not root.
USER 10001:10001
WORKDIR /tmp
EXPOSE 8080 8081 9090
STOPSIGNAL SIGTERM
ENTRYPOINT ["callfleet"]
CMD ["--help"]
