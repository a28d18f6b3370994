import pytest

from aggregator.config import load, sinks_of
from aggregator.parts import built, faults_of
from aggregator.registry import SINKS
from towline.plumbing.errors import ConfigError, SecretAbsentError

EVERYTHING = """\
auth: {mode: static_token, token_files: [/no/t, KEY, /no/u]}
sinks:
  dd: {type: datadog, api_key_file: /no/key}
  other: {type: datadog}
  cw: {type: cloudwatch}
  out: {type: file}
"""


@pytest.fixture(autouse=True)
def _an_empty_environment(monkeypatch):
    for name in ("AWS_REGION", "AWS_DEFAULT_REGION", "DD_API_KEY"):
        monkeypatch.delenv(name, raising=False)


@pytest.fixture
def loaded(tmp_path):
    (tmp_path / "key").write_text("k" * 32)

    def load_text(text):
        file = tmp_path / "a.yaml"
        file.write_text(text.replace("KEY", str(tmp_path / "key")))
        return load(file, SINKS, {}), file

    return load_text


async def test_all_parts_of_a_good_configuration_are_made_in_the_order_of_the_file(loaded):
    text = "sinks: {dd: {type: datadog, api_key_file: KEY}, out: {type: file}, prom: {type: prometheus}}"
    config, file = loaded(text)
    async with built(config, sinks_of(config, SINKS), file) as parts:
        assert list(parts.sinks) == ["dd", "out", "prom"]
        assert parts.authenticator.allows("")


async def test_a_start_is_told_of_every_part_that_cannot_be_made(loaded):
    config, file = loaded(EVERYTHING)
    with pytest.raises(ExceptionGroup) as caught:
        async with built(config, sinks_of(config, SINKS), file):
            pytest.fail("it was built")
    assert [str(error).split(": ")[:2] for error in caught.value.exceptions] == [
        [str(file), "auth.token_files[0]"],
        [str(file), "auth.token_files[2]"],
        [str(file), "sinks.dd.api_key_file"],
        [str(file), "sinks.other.api_key_file"],
        [str(file), "sinks.cw.region"],
    ]


def test_only_what_is_no_secret_is_wrong_wherever_it_runs(loaded):
    faults, _ = faults_of(*loaded(EVERYTHING))
    assert [str(fault).split(": ")[1] for fault in faults if not isinstance(fault, SecretAbsentError)] == [
        "sinks.cw.region"
    ]


@pytest.mark.parametrize("content", [b"", b"two\nlines", b"\xff\xfe"])
def test_a_secret_that_is_here_and_cannot_be_one_is_wrong_wherever_it_runs(loaded, tmp_path, content):
    config, file = loaded("sinks: {dd: {type: datadog, api_key_file: KEY}}")
    (tmp_path / "key").write_bytes(content)
    [fault], _ = faults_of(config, file)
    assert type(fault) is ConfigError
    assert str(fault).startswith(f"{file}: sinks.dd.api_key_file: {tmp_path}/key ")


def test_a_good_configuration_has_no_faults_and_leaves_nothing_behind(loaded, tmp_path):
    config, file = loaded("journal: {path: j/journal.db}\nsinks: {out: {type: file, path: 'out/{pod}'}}")
    before = set(tmp_path.iterdir())
    assert faults_of(config, file) == ([], [])
    assert set(tmp_path.iterdir()) == before


COUNTING = "{type: log_metrics, rules: [{name: lines_total, type: counter}]}"


@pytest.mark.parametrize("metrics", ["{send: none}", "{sources: [pod]}"])
def test_totals_that_no_sink_shows_or_takes_are_doubted(loaded, metrics):
    config, file = loaded(
        f"sinks: {{counts: {COUNTING}, out: {{type: file}}, dd: {{type: datadog, api_key_file: KEY, metrics: {metrics}}}}}"
    )
    faults, [doubt] = faults_of(config, file)
    assert (faults, doubt.split(", and ")[0]) == ([], f"{file}: sinks.counts: counts lines")


@pytest.mark.parametrize(
    "sink", ["{type: prometheus}", "{type: datadog, api_key_file: KEY}", "{type: remote_write, url: 'http://a:1/w'}"]
)
def test_totals_that_a_sink_shows_or_takes_are_not_doubted(loaded, sink):
    assert faults_of(*loaded(f"sinks: {{counts: {COUNTING}, it: {sink}}}")) == ([], [])
