"""Every option of metrics, written wrong: `towline check` says file, key, problem and fix, whatever the key."""

import pytest

from tests.e2e.test_bad_config import COLLECTOR, FORM, run

pytestmark = pytest.mark.e2e

CASES = {
    "interval_seconds: often": "metrics.interval_seconds",
    "interval_seconds: -1": "metrics.interval_seconds",
    "interval_seconds: .nan": "metrics.interval_seconds",
    "interval_seconds: .inf": "metrics.interval_seconds",
    "top_processes: -1": "metrics.top_processes",
    "top_processes: many": "metrics.top_processes",
    "annotations: perhaps": "metrics.annotations",
    "scrapes: []": "metrics.scrapes",
    "scrape: 'http://127.0.0.1:9'": "metrics.scrape",
    "scrape: [{job: a}]": "metrics.scrape[0].url",
    "scrape: [{url: 'http://10.0.0.1:9/m'}]": "metrics.scrape[0].url",
    "scrape: [{url: 'http://169.254.169.254/'}]": "metrics.scrape[0].url",
    "scrape: [{url: 'http://localhost.example:9/'}]": "metrics.scrape[0].url",
    "scrape: [{url: 'http://127.0.0.1:99999/'}]": "metrics.scrape[0].url",
    "scrape: [{url: 'http://127.0.0.1:http/'}]": "metrics.scrape[0].url",
    "scrape: [{url: 'ftp://127.0.0.1/'}]": "metrics.scrape[0].url",
    "scrape: [{url: 'http://[::1/'}]": "metrics.scrape[0].url",
    "scrape: [{url: 'http://127.0.0.1:9/a b'}]": "metrics.scrape[0].url",
    "scrape: [{url: 'http://127.0.0.1:9', job: [a]}]": "metrics.scrape[0].job",
    "scrape: [{url: 'http://127.0.0.1:9', labels: [a]}]": "metrics.scrape[0].labels",
    "scrape: [{url: 'http://127.0.0.1:9', labels: {a: 1}}]": "metrics.scrape[0].labels.a",
    "scrape: [{url: 'http://127.0.0.1:9', timeout_seconds: 0}]": "metrics.scrape[0].timeout_seconds",
    "scrape: [{url: 'http://127.0.0.1:9', max_bytes: 0}]": "metrics.scrape[0].max_bytes",
    "scrape: [{url: 'http://127.0.0.1:9', max_series: -5}]": "metrics.scrape[0].max_series",
    "scrape: [{url: 'http://127.0.0.1:9', path: /m}]": "metrics.scrape[0].path",
    "scrape: [{url: 'http://127.0.0.1:9/a'}, {url: 'http://localhost:9/b'}]": "metrics.scrape",
    "dogstatsd: 8125": "metrics.dogstatsd",
    "dogstatsd: {port: 8125}": "metrics.dogstatsd.port",
    "dogstatsd: {listen: '127.0.0.1'}": "metrics.dogstatsd.listen",
    "dogstatsd: {listen: '127.0.0.1:99999'}": "metrics.dogstatsd.listen",
    "dogstatsd: {listen: '127.0.0.1:dsd'}": "metrics.dogstatsd.listen",
    "dogstatsd: {socket: here.socket}": "metrics.dogstatsd.socket",
    f"dogstatsd: {{socket: /{'s' * 120}}}": "metrics.dogstatsd.socket",
    "dogstatsd: {max_series: 0}": "metrics.dogstatsd.max_series",
    "dogstatsd: {expire_seconds: 0}": "metrics.dogstatsd.expire_seconds",
    "dogstatsd: {receive_buffer_bytes: lots}": "metrics.dogstatsd.receive_buffer_bytes",
    "interval_seconds: 0, dogstatsd: {}": "metrics.interval_seconds",
    "interval_seconds: 0, scrape: [{url: 'http://127.0.0.1:9'}]": "metrics.interval_seconds",
}


def test_every_wrong_option_of_metrics_is_said_with_its_key_and_a_fix(tmp_path):
    files = {}
    for number, (text, key) in enumerate(CASES.items()):
        files[tmp_path / f"collector-{number}.yaml"] = (text, key)
    for file, (text, _) in files.items():
        file.write_text(f"{COLLECTOR}metrics: {{{text}}}\n")
    done = run("towline", "check", *files)
    assert (done.returncode, done.stdout) == (2, ""), "one is taken for good"
    said = [FORM.fullmatch(line) for line in done.stderr.splitlines()]
    assert all(said), [line for line in done.stderr.splitlines() if not FORM.fullmatch(line)]
    keys = {file: [one["key"] for one in said if one["file"] == str(file)] for file in files}
    assert keys == {file: [key] for file, (_, key) in files.items()}, done.stderr
