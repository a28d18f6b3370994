import re
from pathlib import Path

import msgspec
import pytest

from aggregator.config import AggregatorConfig, RouteConfig, load, sinks_of
from aggregator.sink import SinkOptions, Spec
from towline.plumbing.config_file import load_config
from towline.plumbing.errors import ConfigError

BASE = Path(__file__).parents[2] / "config" / "base" / "aggregator.yaml"


class PaperConfig(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    path: str


class PageConfig(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    seconds: int = 1


REGISTRY = {"paper": Spec(PaperConfig, lambda config, _: config)}
WITH_PAGE = {**REGISTRY, "page": Spec(PageConfig, lambda config, _: config, takes_lines=False, is_single=True)}
SMALLEST = "sinks: {out: {type: paper, path: /p}}\n"


def loaded(tmp_path, text, registry=REGISTRY):
    (tmp_path / "aggregator.yaml").write_text(text)
    return load(tmp_path / "aggregator.yaml", registry, {})


def problems(tmp_path, text, registry=REGISTRY):
    with pytest.raises(ConfigError) as caught:
        loaded(tmp_path, text, registry)
    return [line.removeprefix(f"{tmp_path}/aggregator.yaml: ") for line in str(caught.value).splitlines()]


def test_the_smallest_configuration_names_one_destination(tmp_path):
    assert loaded(tmp_path, SMALLEST) == AggregatorConfig(sinks={"out": {"type": "paper", "path": "/p"}})


def test_the_defaults_are_those_of_the_design(tmp_path):
    config = loaded(tmp_path, SMALLEST)
    assert (config.http.listen, config.http.max_body_bytes) == ("0.0.0.0:8080", 16 << 20)
    assert (config.http.header_timeout_seconds, config.http.body_timeout_seconds) == (10, 30)
    assert (config.journal.path, config.journal.max_bytes) == ("/var/lib/towline/journal.db", 2 << 30)
    assert (config.auth.mode, config.auth.token_files, config.routes) == ("none", (), ())
    assert (config.marks.keep, config.drain.grace_seconds) == (7 * 86400, 300)


def test_sizes_and_durations_are_read_in_units(tmp_path):
    config = loaded(tmp_path, SMALLEST + "journal: {max_bytes: 512MiB}\nmarks: {keep: 2d}\nroutes: [{to: [out]}]")
    assert (config.journal.max_bytes, config.marks.keep, config.routes) == (
        512 << 20,
        172800,
        (RouteConfig(to=("out",)),),
    )


def test_a_sinks_options_are_split_into_every_sinks_and_its_own(tmp_path):
    text = "sinks: {out: {type: paper, path: /p, share: 25%, when_full: shed, event_id: true}, more: {type: paper, path: /q}}"
    sinks = sinks_of(loaded(tmp_path, text), REGISTRY)
    assert list(sinks) == ["out", "more"]
    assert sinks["out"].options == SinkOptions(type="paper", share="25%", when_full="shed", event_id=True)
    assert (sinks["out"].name, sinks["out"].spec, sinks["out"].config) == (
        "out",
        REGISTRY["paper"],
        PaperConfig(path="/p"),
    )
    assert sinks["more"].options == SinkOptions(type="paper")


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        (
            "http: {}",
            "sinks: is missing. Add it. Options of the file: http, journal, auth, sinks, parsers, multiline, routing, routes, tests, marks, drain, log_level",
        ),
        ("sinks: {}", "sinks: names no destination. Add one, such as out: {type: file, path: /data/{pod}.jsonl}"),
        ("sinks: {out: {type: papr}}", "sinks.out: unknown type 'papr'. Did you mean paper? Use one of: paper"),
        ("sinks: {out: {path: /p}}", "sinks.out: `type` is missing. Use one of: paper"),
        ("sinks: {out: paper}", "sinks.out: expected keys and values. Write {type: ..., ...} with a type of: paper"),
        ("sinks: [out]", "sinks: expected keys and values, got a list. Write keys and values: {name: ...}"),
        (
            "sinks: {out: {type: paper, path: /p, when_ful: shed}}",
            "sinks.out.when_ful: unknown key. Did you mean when_full? Options of paper: path, share, when_full, event_id",
        ),
        (
            "sinks: {out: {type: paper, path: /p, when_full: wait}}",
            "sinks.out.when_full: this version knows no 'wait'. Use one of: hold, shed",
        ),
        (
            "sinks: {out: {type: paper, path: /p, share: 0}}",
            "sinks.out.share: 0.0 is no part of anything. Write a fraction such as 0.5, or a size such as 512MiB",
        ),
        (
            "sinks: {out: {type: paper, path: /p, share: 3.0}}",
            "sinks.out.share: 3.0 is more than the whole, or a size without its unit. Write a fraction such as 0.5, or a size such as 512MiB",
        ),
        (
            "sinks: {out: {type: paper, path: /p, share: '536870912'}}",
            "sinks.out.share: '536870912' is more than the whole, or a size without its unit. Write a fraction such as 0.5, or a size such as 512MiB",
        ),
        (
            "journal: {max_bytes: 1GiB}\nsinks: {out: {type: paper, path: /p, share: 3GiB}}",
            "sinks.out.share: '3GiB' is not a part of 1073741824 bytes. Write a smaller size, or a fraction such as 0.5",
        ),
        (
            "sinks: {a b: {type: paper, path: /p}}",
            "sinks.a b: is not a name for a sink. Use up to 63 letters, digits, - and _",
        ),
        (SMALLEST + "routes: [{to: [ot]}]", "routes[0].to: no sink is named 'ot'. Did you mean out? Use one of: out"),
        (SMALLEST + "routes: [{to: []}]", "routes[0].to: names no sink. Name at least one, or remove the route"),
        (
            SMALLEST + "auth: {mode: service_account}",
            "auth.mode: this version knows no 'service_account'. Use one of: none, static_token",
        ),
        (
            SMALLEST + "auth: {mode: static_token}",
            "auth.token_files: is missing, and mode is static_token. Name at least one file",
        ),
        (
            SMALLEST + "auth: {token_files: [/t]}",
            "auth.token_files: would not be read, as mode is none. Set mode to static_token, or remove them",
        ),
        (
            SMALLEST + "auth: {mode: static_token, token_files: [/t, '']}",
            "auth.token_files: holds a name that is empty. Name a file, or remove it",
        ),
        (SMALLEST + "http: {listen: 8080}", "http.listen: expected text, got a number. Put it in quotes"),
    ],
)
def test_what_cannot_work_is_refused(tmp_path, text, problem):
    assert problems(tmp_path, text) == [problem]


def test_a_second_sink_of_a_type_that_can_be_there_once_is_refused(tmp_path):
    text = "sinks: {a: {type: page}, out: {type: paper, path: /p}, more: {type: paper, path: /p}, b: {type: page}}"
    assert problems(tmp_path, text, WITH_PAGE) == [
        "sinks.b: is the second of type page, and there is room for one: it would do nothing. Remove it, or a"
    ]


def test_a_route_that_leads_to_nobody_who_takes_lines_is_refused(tmp_path):
    text = "sinks: {a: {type: page}, out: {type: paper, path: /p}}\nroutes: [{to: [out, a]}, {to: [a]}]"
    [said] = problems(tmp_path, text, WITH_PAGE)
    assert said.startswith(
        "routes[1].to: leads to nobody who takes lines: a (type page). Such sinks get the metrics of "
    )


def test_of_the_real_sinks_the_page_is_there_once_and_remote_write_takes_no_lines(tmp_path):
    from aggregator.registry import SINKS

    sinks = "{a: {type: prometheus}, b: {type: prometheus}, rw: {type: remote_write}}"
    said = problems(tmp_path, f"sinks: {sinks}\nroutes: [{{to: [a, rw]}}]", SINKS)
    assert [line.split(",")[0] for line in said] == [
        "routes[0].to: leads to nobody who takes lines: a (type prometheus)",
        "sinks.b: is the second of type prometheus",
    ]


def test_every_problem_of_every_sink_is_told_beside_those_of_the_rest(tmp_path):
    text = "http: {listen: x}\nsinks: {a: {type: x}, b: {type: paper, path: 5, shar: 1}, c: {type: paper, path: /p, share: 9}}"
    assert [line.split(": ")[0] for line in problems(tmp_path, text)] == [
        "http.listen",
        "sinks.a",
        "sinks.b.shar",
        "sinks.b.path",
        "sinks.c.share",
    ]


def test_the_base_configuration_loads_with_the_real_sinks():
    from aggregator.registry import SINKS

    config = load(BASE, SINKS, {})
    assert {sink.options.type for sink in sinks_of(config, SINKS).values()} == {"file", "prometheus"}


def whole_base(tmp_path):
    """The base configuration with every option that stands behind `#` switched on."""
    whole = tmp_path / "aggregator.yaml"
    whole.write_text(re.sub(r"(?m)^(\s*)#(?! )", r"\1", BASE.read_text()))
    return whole


def default_of(field):
    return field.default if field.default_factory is msgspec.NODEFAULT else field.default_factory()


def test_the_base_configuration_names_every_option_with_its_default(tmp_path):
    whole = whole_base(tmp_path)
    config = load_config(whole, AggregatorConfig, {})
    written = msgspec.yaml.decode(whole.read_bytes())
    sections = ("http", "journal", "auth", "marks", "drain")
    pairs = [(written, config), (written["routes"][0], config.routes[0])]
    pairs += [(written[name], getattr(config, name)) for name in sections]
    for values, struct in pairs:
        assert set(values) == set(struct.__struct_fields__)
        for field in msgspec.structs.fields(struct):
            is_example = field.name in {*sections, "sinks", "routes", "to", "match"}
            assert is_example or getattr(struct, field.name) == default_of(field), field.name


def test_the_base_configuration_names_every_option_of_every_sink_with_its_default(tmp_path):
    from aggregator.registry import SINKS

    written = msgspec.yaml.decode(whole_base(tmp_path).read_bytes())["sinks"].values()
    assert {values["type"] for values in written} == set(SINKS)
    for values in written:
        own = set(values) - set(SinkOptions.__struct_fields__)
        fields = msgspec.json.decode(msgspec.json.encode(SINKS[values["type"]].config()))
        assert own == set(fields), values["type"]
        assert {key: values[key] for key in own} == fields, values["type"]
    assert set(SinkOptions.__struct_fields__) <= set().union(*written)
