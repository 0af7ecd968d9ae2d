# syntax=docker/dockerfile:1
# docker build -t bottalk . ; compose.yaml runs it.
ARG PYTHON=3.11-slim-bookworm

FROM python:${PYTHON} AS build
WORKDIR /src
RUN python -m venv /opt/bottalk
COPY requirements.lock ./
COPY pyproject.toml README.md LICENSE ./
COPY supervisors ./supervisors
COPY bottalk ./bottalk
# The lock as a constraint: the versions that were tested, without what only the tests need.
RUN /opt/bottalk/bin/python -m pip install --no-cache-dir --disable-pip-version-check --constraint requirements.lock .

FROM python:${PYTHON}
COPY --from=build /opt/bottalk /opt/bottalk
# The data is the only place that is written, so the root may be read-only (with a tmpfs on /tmp for large uploads and
# SQLite's sorting). A new volume takes over the owner and the mode of the directory that it covers.
RUN groupadd --system --gid 10001 bottalk \
 && useradd --system --uid 10001 --gid bottalk --no-create-home --home-dir /data --shell /usr/sbin/nologin bottalk \
 && install -d -m 700 -o bottalk -g bottalk /data
ENV PATH=/opt/bottalk/bin:$PATH \
    PYTHONDONTWRITEBYTECODE=1 \
    PYTHONFAULTHANDLER=1 \
    HOST=0.0.0.0 \
    PORT=3000 \
    DATA_DIR=/data
USER bottalk
WORKDIR /data
VOLUME /data
EXPOSE 3000
STOPSIGNAL SIGTERM
# /healthz says that the process answers. A restart cures no more than that: /readyz also falls with a full disk.
HEALTHCHECK --interval=30s --timeout=5s --start-period=60s --retries=3 CMD ["python", "-c", "import http.client, os, sys; c = http.client.HTTPConnection('127.0.0.1', int(os.environ.get('BOTTALK_PORT') or os.environ['PORT']), timeout=4); c.request('GET', '/healthz'); sys.exit(c.getresponse().status != 200)"]
ENTRYPOINT ["bottalk"]
CMD ["serve"]
