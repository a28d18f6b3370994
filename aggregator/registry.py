"""Which sinks there are: a new one is one folder in sinks/ and one row here.

Room: aggregator. Never enters: anything else. Vendors' libraries are imported where a sink is built, not here.
"""

from collections.abc import Mapping
from typing import Any

from aggregator.metric_sink import MetricSinkOptions
from aggregator.sink import Spec
from aggregator.sinks.cloudwatch.config import CloudWatchConfig
from aggregator.sinks.cloudwatch.sink import CloudWatchSink
from aggregator.sinks.datadog.config import DatadogConfig
from aggregator.sinks.datadog.sink import DatadogSink
from aggregator.sinks.file.config import FileConfig
from aggregator.sinks.file.sink import FileSink
from aggregator.sinks.log_metrics.config import LogMetricsConfig
from aggregator.sinks.log_metrics.sink import LogMetricsSink
from aggregator.sinks.prometheus import PrometheusConfig, PrometheusSink
from aggregator.sinks.remote_write.config import RemoteWriteConfig
from aggregator.sinks.remote_write.sink import RemoteWriteSink

SINKS: Mapping[str, Spec[Any, Any]] = {
    "datadog": Spec(DatadogConfig, DatadogSink.build),
    "cloudwatch": Spec(CloudWatchConfig, CloudWatchSink.build),
    "file": Spec(FileConfig, FileSink.build),
    "log_metrics": Spec(LogMetricsConfig, LogMetricsSink.build),
    "remote_write": Spec(RemoteWriteConfig, RemoteWriteSink.build, MetricSinkOptions, takes_lines=False),
    # It pulls: no part in what is delivered.
    "prometheus": Spec(PrometheusConfig, PrometheusSink.build, takes_lines=False, is_single=True),
}
