"""What `metrics:` of a CloudWatch sink may say, and what it answers to the rest."""

import re
from pathlib import Path
from types import SimpleNamespace

import msgspec
import pytest

from aggregator.config import load
from aggregator.core.vendor_names import CONTAINER_INSIGHTS
from aggregator.metric_sink import Terms
from aggregator.registry import SINKS
from aggregator.sinks.cloudwatch.config import CloudWatchConfig
from aggregator.sinks.cloudwatch.metric_config import CloudWatchMetricsConfig
from aggregator.sinks.cloudwatch.metric_names import Chosen
from aggregator.sinks.cloudwatch.sink import CloudWatchSink
from tests.aggregator.sinks.batches import surroundings
from towline.plumbing.errors import ConfigError

GUIDE = (Path(__file__).resolve().parents[3] / "docs" / "guides" / "cloudwatch.md").read_text()


def loaded(tmp_path, metrics):
    file = tmp_path / "aggregator.yaml"
    file.write_text(f"sinks: {{cw: {{type: cloudwatch, metrics: {metrics}}}}}")
    return load(file, SINKS, {})


def test_without_the_section_no_metrics_go():
    assert CloudWatchConfig().metrics is None


def test_a_section_with_nothing_in_it_sends_the_default(tmp_path):
    loaded(tmp_path, "{}")
    chosen = Chosen(CloudWatchMetricsConfig().include, ())
    assert chosen.insights == {name for name, one in CONTAINER_INSIGHTS.items() if one.by_default}
    assert chosen.name("anything_else") is None


def test_lists_of_lists_can_be_written(tmp_path):
    config = loaded(
        tmp_path,
        '{include: [default, "http_*"], dimensions: [[ClusterName], []], app_dimensions: [[Namespace, "*"]], share: 64MiB}',
    )
    assert config.sinks["cw"]["metrics"]["dimensions"] == [["ClusterName"], []]


@pytest.mark.parametrize(
    ("metrics", "message"),
    [
        ("{includes: []}", r"metrics.includes: unknown key. Did you mean include\?"),
        ("{include: []}", "metrics.include: names nothing"),
        ('{include: [""]}', "metrics.include: holds a name that is empty"),
        ('{exclude: [""]}', "metrics.exclude: holds a name that is empty"),
        ("{dimensions: []}", "metrics.dimensions: has no set"),
        ("{dimensions: [[PodNames]]}", "metrics.dimensions: there is no 'PodNames'. Use: ClusterName, "),
        ("{dimensions: [['*']]}", "metrics.dimensions: there is no"),
        ("{app_dimensions: [[a-b]]}", "metrics.app_dimensions: there is no 'a-b'. .* the name of a label"),
        ("{app_dimensions: [[a, a]]}", "metrics.app_dimensions: has a set with a name twice"),
        ("{namespace: AWS/Mine}", "metrics.namespace: is none that CloudWatch takes"),
        ("{namespace: ContainerInsights}", "metrics.namespace: ContainerInsights is for"),
        ("{log_group: aws/mine}", "metrics.log_group: starts with aws/"),
        ("{log_stream: 'a:b'}", "metrics.log_stream: holds characters"),
        ("{max_series_per_pod: 0}", "metrics.max_series_per_pod: "),
        ("{share: 2}", "metrics.share: "),
        ("{when_full: drop}", "metrics.when_full: .*Use one of: hold, shed"),
    ],
)
def test_what_is_wrong_is_named_by_its_key(tmp_path, metrics, message):
    with pytest.raises(ConfigError, match=message):
        loaded(tmp_path, metrics)


def test_a_sink_offers_metrics_only_where_they_are_asked_for():
    def built(**options):
        config = CloudWatchConfig(region="eu-central-1", **options)
        return CloudWatchSink(config, surroundings(), SimpleNamespace())

    assert built().metrics is None
    terms = built(metrics=CloudWatchMetricsConfig(share=0.2, when_full="hold")).metrics.terms
    assert terms == Terms(0.2, "hold", of_lines=False)


def test_the_guide_names_every_option_with_its_default():
    told = dict(
        re.findall(r"(?m)^\| `(\w+)` \| `(.+?)` \| [^|]*\|$", GUIDE.partition("## Metrics")[2].partition("###")[0])
    )
    fields = {field.name: field.default for field in msgspec.structs.fields(CloudWatchMetricsConfig)}
    text_of = {name: "{" + f"{name}: {value}" + "}" if "{" not in value else "" for name, value in told.items()}
    assert told.keys() == fields.keys()
    written = {name: msgspec.yaml.decode(text)[name] for name, text in text_of.items() if text}
    written |= {name: value for name, value in told.items() if name not in written}
    assert msgspec.convert(written, CloudWatchMetricsConfig) == CloudWatchMetricsConfig()


def test_the_guides_example_loads(tmp_path):
    first, second = re.findall(r"(?s)```yaml\n(.*?)```", GUIDE)
    file = tmp_path / "aggregator.yaml"
    for text in (first, re.sub(r"    metrics: \{\}.*\n", second, first)):
        file.write_text(text)
        assert load(file, SINKS, {}).sinks["cloudwatch"]["metrics"] is not None


def test_the_guide_names_the_default_set():
    said = GUIDE.partition("`default` is ")[2].partition(".")[0]
    assert set(re.findall(r"`(\w+)`", said)) == Chosen(("default",), ()).insights
