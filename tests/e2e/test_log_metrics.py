"""Metrics from logs, whole: what rules count is on the page, exact over kill -9 at the moments at which a promise is half kept."""

import re
import subprocess

import pytest

from tests.e2e.procs import fetch, wait_until

pytestmark = pytest.mark.e2e

POINTS = ("journal.before_commit", "journal.after_commit", "forwarder.after_2xx", "forwarder.before_settle")
LINE = r'^\{"w":"(?P<w>[^"]+)","n":(?P<n>\d+),'
RULES = [
    {"name": "written_lines_total", "type": "counter", "match": LINE, "labels": {"w": "w"}, "help": "Lines by writer."},
    {
        "name": "written_numbers_total",
        "type": "counter",
        "json": True,
        "value": "n",
        "labels": {"w": "w"},
        "per": "all",
    },
    {
        "name": "written_values",
        "type": "histogram",
        "match": LINE,
        "value": "n",
        "buckets": [99, 499],
        "per": "workload",
    },
    {"name": "written_last_number", "type": "gauge", "match": LINE, "value": "n", "labels": {"w": "w"}},
]
SINKS = {"counts": {"type": "log_metrics", "rules": RULES}, "prom": {"type": "prometheus"}}
WRITING = ["--files", 2, "--rate", 600, "--rotate", "rename", "--rotate-bytes", 50_000, "--keep", 20]
LINES = 900
SAMPLE = re.compile(r"(written_\w+)(?:\{(.*)\})? (\S+)")


def samples(stage):
    """`name{labels}` to its value, of all that the rules made."""
    page = fetch(f"{stage.aggregator_url}/metrics")[1]
    found = (SAMPLE.fullmatch(line) for line in page.splitlines())
    return {f"{sample[1]}{{{sample[2] or ''}}}": float(sample[3]) for sample in found if sample}


def expected(written):
    """What a page is to say once all that was written is counted, each line once."""
    totals = {}
    for writer, lines in written["lines"].items():
        totals[f'written_lines_total{{namespace="shop",pod="web-0",w="{writer}"}}'] = lines
        totals[f'written_numbers_total{{w="{writer}"}}'] = sum(range(lines))
    everybody = 'namespace="shop",workload="web"'
    for bound in ("99", "499", "+Inf"):
        below = sum(min(lines, float(bound) + 1) for lines in written["lines"].values())
        totals[f'written_values_bucket{{{everybody},le="{bound}"}}'] = below
    totals[f"written_values_count{{{everybody}}}"] = sum(written["lines"].values())
    totals[f"written_values_sum{{{everybody}}}"] = sum(sum(range(lines)) for lines in written["lines"].values())
    return totals


def assert_exact(stage, written):
    wanted = expected(written)

    def seen():
        return {name: value for name, value in samples(stage).items() if not name.startswith("written_last_number")}

    wait_until(lambda: seen().keys() == wanted.keys() and max(seen().values()) >= max(wanted.values()), 20, "the page")
    assert seen() == wanted


@pytest.mark.parametrize("passes", [1, 3])
@pytest.mark.parametrize("point", POINTS)
def test_an_aggregator_that_dies_there_counts_every_line_once(stage, point, passes):
    collector, aggregator = stage.collector(), stage.aggregator(sinks=SINKS, routes=[{"to": ["counts"]}])
    aggregator.environment["TOWLINE_KILL_AT"] = f"{point}:{passes}"
    stage.run(aggregator).wait_ready()
    stage.run(collector)
    with stage.writer(*WRITING, lines=LINES) as writer:
        assert aggregator.wait(30) == -9
        del aggregator.environment["TOWLINE_KILL_AT"]
        aggregator.start().wait_ready()
        assert writer.wait(30) == 0
    assert_exact(stage, stage.written_and_delivered())


def test_totals_never_fall_while_the_aggregator_is_killed_again_and_again(stage):
    collector, aggregator = stage.collector(), stage.aggregator(sinks=SINKS, routes=[{"to": ["counts"]}])
    stage.run(aggregator).wait_ready()
    stage.run(collector)
    seen = {}
    with stage.writer(*WRITING, lines=LINES) as writer:
        for _ in range(5):
            seen = not_below(seen, wait_until(lambda: samples(stage), 20, "a page with totals"))
            aggregator.restart()
        assert writer.wait(30) == 0
    written = stage.written_and_delivered()
    not_below(seen, samples(stage))
    assert_exact(stage, written)


def not_below(before, after):
    """What is shown now, none of it below what was shown."""
    fallen = {name: (value, after.get(name)) for name, value in before.items() if after.get(name, value) < value}
    assert {name: values for name, values in fallen.items() if not name.startswith("written_last_number")} == {}
    return after


@pytest.mark.needs("promtool")
def test_promtool_finds_nothing_wrong_with_a_page_of_them(stage):
    stage.start({}, {"sinks": SINKS, "routes": [{"to": ["counts"]}]})
    stage.append("x.log", b'{"w":"a \\"b\\"","n":5}\n{"w":"z","n":7,"x":0}\n')
    wait_until(lambda: len(samples(stage)) > 8, 20, "the page")
    page = fetch(f"{stage.aggregator_url}/metrics")[1]
    checked = subprocess.run(["promtool", "check", "metrics"], input=page, capture_output=True, text=True, check=False)
    assert (checked.returncode, checked.stdout, checked.stderr) == (0, "", "")
