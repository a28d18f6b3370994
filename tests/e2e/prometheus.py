"""Debian's prometheus as a test runs it."""

import json
import urllib.parse

from tests.e2e.procs import Service, fetch, free_port, wait_until

PROMETHEUS_YAML = """\
global: {{scrape_interval: 500ms, scrape_timeout: 500ms}}
scrape_configs:
  - job_name: towline
    honor_labels: true
    static_configs: [{{targets: ["127.0.0.1:{port}"]}}]
"""


class Prometheus:
    """Debian's prometheus, scraping one aggregator."""

    def __init__(self, stage):
        folder = stage.folder / "prometheus"
        folder.mkdir()
        config = folder / "prometheus.yml"
        config.write_text(PROMETHEUS_YAML.format(port=stage.aggregator_port))
        port = free_port()
        self.url = f"http://127.0.0.1:{port}"
        self.service = Service([], folder / "prometheus.log")
        listen = f"--web.listen-address=127.0.0.1:{port}"
        self.service.arguments = [
            "prometheus",
            f"--config.file={config}",
            f"--storage.tsdb.path={folder}/tsdb",
            listen,
        ]

    def query(self, expression):
        """The instant vector: [(labels, value), ...]; empty where there is none yet."""
        status, body = fetch(f"{self.url}/api/v1/query?{urllib.parse.urlencode({'query': expression})}")
        found = json.loads(body)["data"]["result"] if status == 200 else []
        return [(one["metric"], float(one["value"][1])) for one in found]

    def wait_for(self, expression):
        return wait_until(lambda: self.query(expression), 20, f"{expression} at Prometheus")
