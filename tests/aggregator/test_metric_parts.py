"""Sinks of metrics among the parts: their names, their shares, their options."""

import msgspec
import pytest

from aggregator.auth import Anyone
from aggregator.config import AggregatorConfig, SinkConfig, sinks_of
from aggregator.journal import Share
from aggregator.metric_sink import MetricSinkOptions, MetricsOnly, Terms
from aggregator.parts import Parts
from aggregator.sink import SinkOptions, Spec
from aggregator.sinks.prometheus import PrometheusConfig, PrometheusSink
from tests.fakes.memory_metric_sink import MemoryMetricSink
from tests.fakes.memory_sink import MemorySink


class Both(MemorySink):
    """Takes lines, and metrics where it is told to."""

    def __init__(self, metrics=None):
        super().__init__()
        self.metrics = metrics


def configured(name, options):
    return SinkConfig(name, options, Spec(msgspec.Struct, lambda *_: None), None)


@pytest.fixture
def parts():
    sinks = {
        "dd": Both(MemoryMetricSink()),
        "file": MemorySink(),
        "off": Both(),
        "rw": MetricsOnly(MemoryMetricSink()),
        "prom": PrometheusSink(PrometheusConfig()),
    }
    return Parts(sinks, Anyone())


def test_a_destination_of_both_has_two_names_and_one_of_metrics_alone_gets_no_lines(parts):
    assert (list(parts.lines()), list(parts.metrics())) == (["dd", "file", "off"], ["dd.metrics", "rw.metrics"])
    assert isinstance(parts.page(), PrometheusSink)


def test_lines_and_metrics_have_shares_of_their_own(parts):
    parts.sinks["rw"].metrics.terms = Terms("10MiB", "hold")
    options = {name: configured(name, SinkOptions(type="x", share=0.25)) for name in parts.sinks}
    assert parts.shares(options, 1 << 30) == {
        "dd": Share("dd", 1 << 28, "hold"),
        "file": Share("file", 1 << 28, "hold"),
        "off": Share("off", 1 << 28, "hold"),
        "dd.metrics": Share("dd.metrics", (1 << 30) // 10, "shed"),
        "rw.metrics": Share("rw.metrics", 10 << 20, "hold"),
    }


def test_a_destination_of_metrics_alone_sheds_unless_it_is_told_otherwise(tmp_path):
    class Config(msgspec.Struct):
        pass

    registry = {"rw": Spec(Config, lambda *_: None, MetricSinkOptions), "lines": Spec(Config, lambda *_: None)}

    said = AggregatorConfig(
        sinks={"a": {"type": "rw"}, "b": {"type": "lines"}, "c": {"type": "rw", "when_full": "hold"}}
    )
    sinks = sinks_of(said, registry)
    assert [(one.options.share, one.options.when_full) for one in sinks.values()] == [
        (0.1, "shed"),
        (0.5, "hold"),
        (0.1, "hold"),
    ]
