"""A snapshot as the destinations see it: families of rows, whoever measured them.

Room: aggregator core. Never enters: clocks, sockets, vendors. core/opening.py makes these; the page and the sinks read them.
"""

from collections import Counter
from collections.abc import Mapping
from typing import Literal, NamedTuple

import msgspec

from towline.wire.identity import Pod
from towline.wire.snapshot import Distribution, Event, Flavour, Sample, ServiceCheck, Stamped

Kind = Literal["gauge", "counter", "histogram", "summary", "unknown", "info", "stateset", "gaugehistogram"]
Source = Literal["pod", "scrape", "dogstatsd", "logs"]


class Row(NamedTuple):
    """One series' value.

    name: of the sample as it is exposed: the family's, or with `_bucket`, `_sum`, `_count`, `_total`, ....
    labels: `a="1",b="2"` in the text format's own escapes, without the pod's identity; equal texts are equal label sets.
    value: as the text format writes it: `1`, `0.25`, `NaN`, `+Inf`.
    exemplar: OpenMetrics' ` # {...} v ts`, or "".
    """

    name: str
    labels: str
    value: str
    exemplar: str = ""


class Spread(NamedTuple):
    """One series of a distribution: its labels as in Row, and the cumulative sketch."""

    labels: str
    sketch: Distribution


class SeriesFamily(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """One family of one pod.

    name: as exposed in text format 0.0.4 (a counter's ends in `_total`); said: the name under which it was said (DogStatsD's dots kept).
    flavour, from_zero: see wire/snapshot.py. rows: of a DogStatsD histogram they are made from its `spreads`, as classic buckets.
    raw: of DogStatsD, what the app said, its tags as they were: also where several of them are one label set in `rows`.
    """

    name: str
    kind: Kind
    help: str = ""
    unit: str = ""
    said: str = ""
    source: Source = "pod"
    flavour: Flavour = ""
    from_zero: bool = False
    rows: tuple[Row, ...] = ()
    spreads: tuple[Spread, ...] = ()
    raw: tuple[Sample | Distribution, ...] = ()


class Opened(msgspec.Struct, frozen=True, kw_only=True):
    """One snapshot, opened. refused: series that were said and are not here, by reason.

    seen: of which endpoints (core/endpoints.py) it shows all series, each with the families of which some were refused.
    """

    pod: Pod
    run: str
    sequence: int
    taken_unix_ns: int
    interval_seconds: float
    goodbye: bool = False
    families: tuple[SeriesFamily, ...] = ()
    stamped: tuple[Stamped, ...] = ()
    events: tuple[Event, ...] = ()
    checks: tuple[ServiceCheck, ...] = ()
    refused: Counter[str] = msgspec.field(default_factory=Counter)
    seen: Mapping[str, frozenset[str]] = {}
