# Icefloe's image: the commands of `icefloe`, as a user without a name or rights, on a file system that may be read-only.
#
#     docker build -t icefloe:0.1.0 .
#     docker run --rm icefloe:0.1.0 engine      ICEFLOE_STORE, ICEFLOE_EVENTS … say where (docs/settings.md)
#     docker run --rm -p 127.0.0.1:8080:8080 icefloe:0.1.0 api
#
# What it writes if nothing else is said, an SQLite store and an outbox of mails, lies in /data: mount a volume there.

FROM python:3.12.12-slim-bookworm AS build
ENV PIP_NO_CACHE_DIR=1 PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_ROOT_USER_ACTION=ignore
WORKDIR /src

# What changes seldom comes first. The build tool stays in this stage; its hashes are among those for development.
COPY requirements.txt requirements-dev.txt ./
RUN python -m venv --without-pip /opt/icefloe \
 && pip --python /opt/icefloe/bin/python install --require-hashes --only-binary :all: -r requirements.txt \
 && sed -n '/^setuptools==/,/# via/p' requirements-dev.txt > requirements-build.txt \
 && pip install --require-hashes -r requirements-build.txt

COPY . .
RUN pip wheel --no-deps --no-build-isolation --wheel-dir dist . \
 && pip --python /opt/icefloe/bin/python install --no-deps --no-index dist/*.whl \
 && /opt/icefloe/bin/icefloe --version


FROM python:3.12.12-slim-bookworm
COPY --from=build /opt/icefloe /opt/icefloe
RUN install --directory --owner=10001 --group=10001 /data

ENV PATH=/opt/icefloe/bin:$PATH \
    HOME=/data \
    PYTHONDONTWRITEBYTECODE=1 \
    PYTHONUNBUFFERED=1 \
    ICEFLOE_HEALTH_HOST=0.0.0.0 \
    ICEFLOE_HEALTH_PORT=8081 \
    ICEFLOE_API_HOST=0.0.0.0 \
    ICEFLOE_API_PORT=8080

WORKDIR /data
USER 10001:10001
EXPOSE 8080 8081

# Alive, not ready: a store or broker that is away is no reason to start another container.
HEALTHCHECK --interval=10s --timeout=5s --start-period=30s CMD ["python", "-m", "icefloe.probe", "/healthz"]

ENTRYPOINT ["icefloe"]
CMD ["--help"]
