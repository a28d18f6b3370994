# Two targets of one house: `--target collector` (the sidecar) and `--target aggregator` (the Deployment).
FROM python:3.13-slim AS build
WORKDIR /src
COPY pyproject.toml README.md ./
COPY towline towline
COPY collector collector
COPY aggregator aggregator
RUN python -m venv /opt/collector && /opt/collector/bin/pip install --no-cache-dir --no-compile '.[collector]' \
 && python -m venv /opt/aggregator && /opt/aggregator/bin/pip install --no-cache-dir --no-compile '.[aggregator]' \
 && /opt/collector/bin/pip uninstall --yes pip && /opt/aggregator/bin/pip uninstall --yes pip \
 # A missing .pyc costs 4 MB of memory at every start, and the root file system is read-only.
 && python -m compileall -q /opt/collector /opt/aggregator

FROM python:3.13-slim AS collector
COPY --from=build /opt/collector /opt/collector
ENV PATH=/opt/collector/bin:$PATH PYTHONDONTWRITEBYTECODE=1 PYTHONUNBUFFERED=1
USER 65532:65532
HEALTHCHECK CMD ["python", "-c", "import urllib.request as u; u.urlopen('http://127.0.0.1:2020/healthz', timeout=3)"]
ENTRYPOINT ["towline", "collector"]
CMD ["--config", "/etc/towline/collector.yaml"]

FROM python:3.13-slim AS aggregator
COPY --from=build /opt/aggregator /opt/aggregator
# No SDK may look for credentials at a link-local address: there is none on Fargate.
ENV PATH=/opt/aggregator/bin:$PATH PYTHONDONTWRITEBYTECODE=1 PYTHONUNBUFFERED=1 AWS_EC2_METADATA_DISABLED=true
USER 65532:65532
HEALTHCHECK CMD ["python", "-c", "import urllib.request as u; u.urlopen('http://127.0.0.1:8080/healthz', timeout=3)"]
ENTRYPOINT ["towline", "aggregator"]
CMD ["--config", "/etc/towline/aggregator.yaml"]
