"""What tests of the page start from: pods, families and texts as a collector sends them, and the page as both parsers read it."""

import msgspec
from prometheus_client.openmetrics.parser import text_string_to_metric_families as read_openmetrics
from prometheus_client.parser import text_string_to_metric_families as read_text

from aggregator.core.exposition import Exposition, Terms
from aggregator.core.opening import OpenLimits, open_snapshot
from towline.wire.codec import compress
from towline.wire.identity import Pod
from towline.wire.snapshot import Distribution, Family, Sample, Scrape, SnapshotRequest

CART, SHIP = (Pod(namespace="shop", name=name, uid=f"u-{name}") for name in ("cart", "ship"))
PUSHED_NS = 1_800_000_000_500_000_000
TEXT = "text/plain; version=0.0.4"
OPENMETRICS = "application/openmetrics-text; version=1.0.0; charset=utf-8"
APP = {"job": "app", "instance": "127.0.0.1:9000"}
LIMITS = OpenLimits()
OURS = ("aggregator_", "towline_")


def family(name, *samples, kind="gauge", help_text="Some help.", **more):
    rows = tuple(Sample(labels, value) for labels, value in samples)
    return Family(name=name, type=kind, help=help_text, samples=rows, **more)


def distribution(name, *sketches, flavour="distribution"):
    return Family(
        name=name,
        type="histogram",
        help="",
        source="dogstatsd",
        flavour=flavour,
        from_zero=True,
        distributions=sketches,
    )


def sketch(labels=None, **values):
    given = {"count": 0.0, "sum": 0.0, **values}
    return Distribution(labels or {}, **given)


def scrape(text, content_type=TEXT, labels=APP, **more):
    body = text if isinstance(text, bytes) else text.encode()
    said = {"up": True, "length": len(body), "body": compress(body), **more}
    return Scrape(labels=labels, scraped_unix_ns=1, duration_seconds=0.25, content_type=content_type, **said)


def snapshot(*families, sequence=1, run="r", taken_unix_ns=1, **more):
    return SnapshotRequest(
        journal="j",
        pod=msgspec.Raw(b"\xc0"),
        run=run,
        sequence=sequence,
        taken_unix_ns=taken_unix_ns,
        interval_seconds=15,
        families=families,
        **more,
    )


def opened(*families, pod=CART, limits=LIMITS, **more):
    return open_snapshot(pod, snapshot(*families, **more), limits)


def opened_text(text, content_type=TEXT, labels=APP, limits=LIMITS):
    return opened(scrapes=(scrape(text, content_type, labels),), limits=limits)


def rows_of(opened, name=None):
    """(sample name, labels) -> value, of one family or of all that the app said."""
    told = [
        one
        for one in opened.families
        if one.name == name or (name is None and not one.name.startswith(("up", "scrape_")))
    ]
    return {(row.name, row.labels): row.value for one in told for row in one.rows}


def page(**terms):
    return Exposition(Terms(**terms))


def push(shown, pod, *families, now=0.0, **more):
    return shown.push(opened(*families, pod=pod, **more), now, PUSHED_NS)


def text(shown):
    return b"".join(shown.render()).decode()


def openmetrics(shown):
    return b"".join(shown.render(openmetrics=True)).decode() + "# EOF\n"


def both(shown):
    """Every series as the lax and as the strict parser reads it, without the page's own."""
    return series_of(read_text(text(shown))), series_of(read_openmetrics(openmetrics(shown)))


def bare(series):
    """The lax parser calls every counter `_total`, the strict one knows none without."""
    return {(name.removesuffix("_total"), labels) for name, labels in series}


def series_of(families):
    return {
        (sample.name, tuple(sorted(sample.labels.items()))): sample.value
        for one in families
        for sample in one.samples
        if not sample.name.startswith(OURS)
    }


def of_pods(shown):
    """The page's lines without what it says of itself."""
    return {line for line in text(shown).splitlines() if "aggregator_" not in line and "last_snapshot" not in line}
