"""The aggregator's configuration as `towline test`, `explain` and `check` see it: read, checked, and nothing of it started.

Room: the front door. Never enters: what is done with it.
"""

import os
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from towline.plumbing.errors import ConfigError
from towline.plumbing.place import Place

if TYPE_CHECKING:
    from aggregator.config import AggregatorConfig, SinkConfig
    from aggregator.core.route import Plans


class Configured(NamedTuple):
    """A configuration that a start would take, but for secrets and regions, which nobody needs here. sinks: those that take lines."""

    file: str
    config: "AggregatorConfig"
    sinks: "dict[str, SinkConfig]"

    def plans(self) -> "Plans":
        """What routes do to lines; nothing is remembered in them yet."""
        from aggregator.route_config import plans_of

        return plans_of(self.config, self.file, list(self.sinks))


def read_configured(file: Path) -> Configured:
    """aggregator.yaml, or a Fluent Bit configuration in its place. Raises ConfigError, which holds every problem."""
    from aggregator.__main__ import read_config
    from aggregator.config import sinks_of
    from aggregator.registry import SINKS
    from towline.cli.check import kind_of
    from towline.plumbing.recognise import is_fluent_bit
    from towline.plumbing.yaml_file import read_yaml

    if not is_fluent_bit(file):
        place = Place(str(file))
        if kind_of(read_yaml(file, os.environ), place) == "collector":
            raise ConfigError(
                place.says("is a collector's configuration, and lines are processed in the aggregator. Name its file")
            )
    config, _ = read_config(file)
    sinks = sinks_of(config, SINKS, str(file))
    return Configured(str(file), config, {name: sink for name, sink in sinks.items() if sink.spec.takes_lines})
