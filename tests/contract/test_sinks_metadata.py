"""Without credentials, and whatever the environment suggests, nobody asks a metadata endpoint: proved in a process of its own."""

import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

PROGRAM = textwrap.dedent("""
    import asyncio, json, os, socket, sys, time

    asked = []

    def watch(event, args):
        if event == "socket.connect" and isinstance(args[1], tuple):
            asked.append(str(args[1][0]))
            if str(args[1][0]).startswith(("169.254.", "fd00:ec2:", "fe80:")):
                raise ConnectionRefusedError("stopped by the test: nothing may leave")
        if event == "socket.getaddrinfo":
            asked.append(str(args[0]))

    sys.addaudithook(watch)

    import aiohttp
    from aggregator.sinks.cloudwatch.config import CloudWatchConfig
    from aggregator.sinks.cloudwatch.sink import CloudWatchSink
    from aggregator.sinks.datadog.config import DatadogConfig
    from aggregator.sinks.datadog.sink import DatadogSink
    from tests.aggregator.sinks.batches import batch_of, piece, surroundings
    from towline.plumbing.errors import TowlineError

    async def attempt(sink):
        one = piece([b"x"], read_unix_ns=time.time_ns())
        batch = batch_of(one, key=sink.key(one.pod, one.origin))
        for work in (sink.healthcheck, lambda: sink.send(batch, sink.encode(batch))):
            try:
                await work()
            except TowlineError as error:
                said.append(f"{type(error).__name__}: {error}")

    async def main():
        async with aiohttp.ClientSession() as session:
            cloudwatch = CloudWatchConfig(region="eu-west-1", endpoint_url="http://127.0.0.1:9")
            await attempt(CloudWatchSink.build(cloudwatch, surroundings(session)))
            datadog = DatadogConfig(logs_url="http://127.0.0.1:9", api_url="http://127.0.0.1:9")
            await attempt(DatadogSink.build(datadog, surroundings(session)))

    said = []
    asyncio.run(main())
    if sys.argv[1:] == ["control"]:
        from botocore.credentials import create_credential_resolver
        from botocore.session import Session
        os.environ.pop("AWS_EC2_METADATA_DISABLED", None)
        create_credential_resolver(Session()).load_credentials()
    print(json.dumps([asked, said]))
""")

BAITS = {
    "nothing": {},
    "container credentials": {"AWS_CONTAINER_CREDENTIALS_RELATIVE_URI": "/v2/credentials"},
    "pod identity": {"AWS_CONTAINER_CREDENTIALS_FULL_URI": "http://169.254.170.23/v1/credentials"},
    "metadata switched on": {"AWS_EC2_METADATA_DISABLED": "false"},
    "automatic defaults": {"AWS_DEFAULTS_MODE": "auto"},
}
PROFILE = """
[default]
role_arn = arn:aws:iam::123456789012:role/x
credential_source = Ec2InstanceMetadata
"""


def run(tmp_path, *arguments, **more):
    environment = {
        "PATH": "/usr/bin:/bin",
        "HOME": str(tmp_path),
        "DD_API_KEY": "k",
        "AWS_METADATA_SERVICE_NUM_ATTEMPTS": "1",
        **more,
    }
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM, *arguments],
        env=environment,
        capture_output=True,
        cwd=Path(__file__).parents[2],
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.splitlines()[-1]


@pytest.mark.parametrize("bait", [*BAITS, "a profile that names instance metadata"])
def test_no_sink_asks_a_metadata_endpoint(tmp_path, bait):
    more = BAITS.get(bait)
    if more is None:
        (tmp_path / "config").write_text(PROFILE)
        more = {"AWS_CONFIG_FILE": str(tmp_path / "config")}
    told = run(tmp_path, **more)
    assert "169.254" not in told
    assert "metadata" not in told
    assert "there are no AWS credentials" in told
    assert "127.0.0.1" in told  # what was asked is seen: Datadog's address on loopback


def test_the_watch_would_have_seen_it(tmp_path):
    assert "169.254.169.254" in run(tmp_path, "control")
