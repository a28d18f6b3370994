"""docs/metrics.md says what the collector says, and what Datadog and CloudWatch are told of it."""

import re
from pathlib import Path

import pytest

from aggregator.core.vendor_names import (
    ANY,
    CONTAINER_INSIGHTS,
    DATADOG,
    INSIGHTS_DIMENSIONS,
    Reading,
    chosen_scope,
)
from collector.core.capacity import Capacity
from collector.sources.samplers.families import FAMILIES
from collector.sources.samplers.pod_metrics import PodMetrics

ROOT = Path(__file__).parent.parent.parent
TREES = ROOT / "tests" / "fixtures" / "cgroup"
IDENTITY = {"scope", "container", "container_id", "process"}  # of every container's series
PAGE = (ROOT / "docs" / "metrics.md").read_text()


def rows(heading):
    """The rows of the table that begins so, each a list of cells."""
    _, _, rest = PAGE.partition(heading)
    table = rest.splitlines()[2:]
    cells = ([cell.strip() for cell in line.strip("|").split("|")] for line in table[: table.index("")])
    return list(cells)


TABLE = {row[0].strip("`"): row[1:] for row in rows("| name | type |")}
INSIGHTS = {row[0].strip("*`"): row for row in rows("| metric | unit |")}


def words(cell):
    return set(re.findall(r"`([^`]+)`", cell))


@pytest.fixture(scope="module")
def said(tmp_path_factory):
    """Every (family, scope, labels) that the collector says of the recorded trees."""
    found = set()
    folder = tmp_path_factory.mktemp("logs")
    for tree in (path for path in TREES.iterdir() if path.is_dir()):
        options = {"own_kernel": True, "capacity": Capacity(1, 1 << 30), "state_dir": folder, "limit_bytes": 1}
        metrics = PodMetrics([str(folder)], root=tree, container="towline", top_processes=1, **options)
        for family in metrics.sample(1):
            for sample in family.samples:
                found.add((family.name, family.type, sample.labels.get("scope", ""), frozenset(sample.labels)))
    return found


def test_the_table_has_every_family_and_no_other():
    assert TABLE.keys() == FAMILIES.keys()


def test_the_collector_says_every_family_of_the_table(said):
    assert {name for name, *_ in said} == TABLE.keys()


@pytest.mark.parametrize("name", FAMILIES)
def test_type_and_unit_are_the_collectors(name):
    assert (TABLE[name][0], TABLE[name][1]) == (FAMILIES[name].type, FAMILIES[name].unit)


@pytest.mark.parametrize("name", FAMILIES)
def test_scopes_and_labels_are_those_that_are_said(name, said):
    mine = [(scope, labels) for family, _, scope, labels in said if family == name]
    assert words(TABLE[name][2]) == {scope for scope, _ in mine} - {""}
    is_of_processes = words(TABLE[name][2]) == {"process"}
    labels = set().union(*(labels for _, labels in mine)) - (IDENTITY - ({"process"} if is_of_processes else set()))
    assert words(TABLE[name][3]) == labels


def test_counters_end_as_the_text_formats_want_them():
    assert [name for name, spec in FAMILIES.items() if (spec.type == "counter") != name.endswith("_total")] == []


@pytest.mark.parametrize("name", FAMILIES)
def test_datadogs_names_are_those_of_the_table(name):
    said = [
        f"`{one.name}` {one.kind}" + (f" × {one.scale:g}" if one.scale != 1 else "")  # noqa: RUF001 - the page's sign
        for one in DATADOG[name]
    ]
    assert TABLE[name][5] == "<br>".join(said)


@pytest.mark.parametrize("name", FAMILIES)
def test_cloudwatchs_names_are_those_of_the_table(name):
    readings = ((metric, (one.of, one.plus, one.percent_of)) for metric, one in CONTAINER_INSIGHTS.items())
    made_of_it = {metric for metric, parts in readings for part in parts if part is not None and part.family == name}
    of_the_column = words(TABLE[name][6])
    assert of_the_column == made_of_it


def test_the_vendors_are_told_of_nothing_that_is_not_said():
    assert DATADOG.keys() == FAMILIES.keys()
    parts = [part for one in CONTAINER_INSIGHTS.values() for part in (one.of, one.plus, one.percent_of) if part]
    assert {part.family for part in parts} <= FAMILIES.keys()


def test_only_counters_have_rates_and_only_scopes_that_are_said_are_taken(said):
    scopes = {name: {scope for family, _, scope, _ in said if family == name} for name in FAMILIES}
    for name, ones in DATADOG.items():
        for one in ones:
            assert one.kind == "gauge" or FAMILIES[name].type == "counter", one
            assert one.scopes == ANY or set(one.scopes) & scopes[name], one
    for insight in CONTAINER_INSIGHTS.values():
        for part in filter(None, (insight.of, insight.plus, insight.percent_of)):
            assert (part.taken == "rate") == (FAMILIES[part.family].type == "counter"), part
            assert set(part.scopes) & scopes[part.family], part


def test_no_datadog_metric_is_made_of_two_families():
    names = [(one.name, one.where.get("failure_type")) for ones in DATADOG.values() for one in ones]
    assert len(names) == len(set(names))


def test_the_table_of_container_insights_is_the_one_that_is_sent():
    assert INSIGHTS.keys() == CONTAINER_INSIGHTS.keys()
    for name, insight in CONTAINER_INSIGHTS.items():
        cells = INSIGHTS[name]
        assert cells[1] == insight.unit
        assert cells[0].startswith("**") is insight.by_default
        parts: list[Reading] = [part for part in (insight.of, insight.plus, insight.percent_of) if part]
        assert words(cells[2]) == {part.family for part in parts}


def test_the_dimensions_are_those_that_the_page_names():
    for dimensions in INSIGHTS_DIMENSIONS:
        assert f"`{', '.join(dimensions)}`" in PAGE


@pytest.mark.parametrize(
    ("present", "chosen"), [({"pod", "container"}, "pod"), ({"container"}, "container"), ({"process"}, None)]
)
def test_a_name_takes_the_first_scope_that_there_is(present, chosen):
    assert chosen_scope(("pod", "container"), present) == chosen
