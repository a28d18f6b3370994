"""Which addresses, key and lanes a Datadog sink is built with."""

import subprocess
import sys
from collections import Counter

import pytest
from datadog_api_client.api_client import ApiClient
from datadog_api_client.configuration import Configuration
from datadog_api_client.v2.api.logs_api import LogsApi

from aggregator.sinks.datadog.config import DatadogConfig
from aggregator.sinks.datadog.control import addresses_of
from aggregator.sinks.datadog.sink import DatadogSink
from tests.aggregator.sinks.batches import ORIGIN, POD, surroundings
from tests.aggregator.sinks.to_datadog import sink_to
from towline.plumbing.config_file import convert
from towline.plumbing.errors import ConfigError
from towline.plumbing.place import Place
from towline.wire.identity import Origin, Pod

SITES = ("datadoghq.com", "us3.datadoghq.com", "us5.datadoghq.com", "ap1.datadoghq.com", "datadoghq.eu", "ddog-gov.com")


@pytest.mark.parametrize("site", SITES)
def test_a_site_means_what_the_official_client_takes_it_for(site):
    servers = LogsApi(ApiClient(Configuration()))._submit_log_endpoint.settings["servers"]
    logs = Configuration().get_host_from_settings(0, {"site": site}, servers)
    found = addresses_of(site)
    assert (found.logs, found.api, found.listed) == (logs, f"https://api.{site}", True)
    assert found.logs == f"https://http-intake.logs.{site}"


def test_a_site_of_ones_own_is_taken_and_told():
    found = addresses_of("logs.example.org")
    assert (found.logs, found.listed) == ("https://http-intake.logs.logs.example.org", False)


async def test_the_sites_address_is_what_logs_go_to(session, key_file):
    sink = DatadogSink.build(DatadogConfig(site="datadoghq.eu", api_key_file=str(key_file)), surroundings(session))
    assert sink.logs_url == "https://http-intake.logs.datadoghq.eu/api/v2/logs"
    assert sink.api_url == "https://api.datadoghq.eu"


async def test_the_environment_does_not_redirect_the_key_check(intake, session, key_file, monkeypatch):
    monkeypatch.setenv("DD_SITE", "us5.datadoghq.com")
    monkeypatch.setenv("DD_API_KEY", "another")
    await sink_to(intake, session, key_file).healthcheck()
    assert [(one.path, one.headers["dd-api-key"]) for one in intake.requests] == [("/api/v1/validate", "test-api-key")]


async def test_no_key_at_all_is_a_configuration_error(session, monkeypatch):
    monkeypatch.delenv("DD_API_KEY", raising=False)
    with pytest.raises(ConfigError, match=r"sinks\.out\.api_key_file: there is no API key\. Name a file"):
        DatadogSink.build(DatadogConfig(), surroundings(session))


@pytest.mark.parametrize(
    "wrong",
    [
        {"site": "https://datadoghq.com"},
        {"site": ""},
        {"logs_url": "127.0.0.1"},
        {"api_url": "ftp://x"},
        {"api_url": "http://h:99999"},
    ],
)
def test_addresses_are_checked_at_the_start(wrong):
    with pytest.raises(ValueError, match=r"^(site|logs_url|api_url): is not an? .*\. Write "):
        DatadogConfig(**wrong)


def test_the_client_is_loaded_only_where_a_datadog_sink_is_built():
    code = "import sys, aggregator.registry as r; print(sorted({m.partition('.')[0] for m in sys.modules} & {'datadog_api_client', 'botocore', 'aiosonic'}))"
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert found.stdout.strip() == "[]"


def lanes_of(sink, pods):
    return [sink.lane(Pod(namespace="n", name=f"p{pod}", uid=f"0b5f-{pod}"), ORIGIN) for pod in range(pods)]


async def test_pods_are_spread_over_the_lanes(intake, session, key_file):
    found = Counter(lanes_of(sink_to(intake, session, key_file, lanes=8), 800))
    assert len(found) == 8
    assert min(found.values()) > 60


async def test_a_pod_keeps_its_lane_in_every_life_and_for_all_its_files(intake, session, key_file):
    sinks = [sink_to(intake, session, key_file) for _ in range(2)]
    assert lanes_of(sinks[0], 20) == lanes_of(sinks[1], 20)
    assert sinks[0].lane(POD, ORIGIN) == sinks[0].lane(POD, Origin(path="/other")) == "logs-1"
    assert sinks[0].key(POD, ORIGIN) == ""


async def test_one_lane_takes_all_where_it_is_the_only_one(intake, session, key_file):
    assert set(lanes_of(sink_to(intake, session, key_file, lanes=1), 50)) == {"logs-0"}


@pytest.mark.parametrize("lanes", [0, 65])
def test_the_number_of_lanes_is_bounded(lanes):
    place = Place("aggregator.yaml", "sinks.dd")
    with pytest.raises(ConfigError, match=r"lanes"):
        convert({"lanes": lanes}, DatadogConfig, place)
