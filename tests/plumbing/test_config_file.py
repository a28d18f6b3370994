from collections.abc import Callable, Mapping
from typing import Any, Literal, NamedTuple

import msgspec
import pytest

from towline.plumbing.config_file import build_component, check_secret_files, convert, load_config
from towline.plumbing.errors import ConfigError
from towline.plumbing.place import Place
from towline.plumbing.sizes import PositiveSize, Seconds


class Door(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    listen: str = "here"
    timeout_seconds: Seconds = 10
    token_file: str = ""
    ca_files: tuple[str, ...] = ()

    def __post_init__(self):
        if self.listen == "nowhere":
            raise ValueError("listen: is nowhere. Name a place")


class House(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    name: str
    door: Door = Door()
    rooms: tuple[Door, ...] = ()
    size_bytes: PositiveSize = 1 << 20
    floors: int = 1
    tilt: float = 0.0
    mode: Literal["open", "shut"] = "open"
    lit: bool | None = None
    guest: Door | None = None
    tags: tuple[str, ...] = ()
    by_name: Mapping[str, Door] = {}
    anything: Mapping[str, Any] = {}


class HttpJsonConfig(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    url: str
    timeout_seconds: Seconds = 10
    max_batch_bytes: int = 1_000_000


class Row(NamedTuple):
    config: type[msgspec.Struct]
    build: Callable[..., Any] = dict


REGISTRY = {"http_json": Row(HttpJsonConfig)}
PLACE = Place("house.yaml")


def problems(values):
    with pytest.raises(ConfigError) as caught:
        convert(values, House, PLACE)
    return str(caught.value).splitlines()


def problem_of_component(values):
    with pytest.raises(ConfigError) as caught:
        build_component(values, REGISTRY, Place("aggregator.yaml", "sinks.main"))
    return str(caught.value)


def test_what_is_not_written_has_its_default():
    assert convert({"name": "a"}, House, PLACE) == House(name="a")


def test_sizes_and_durations_may_be_written_with_units():
    house = convert({"name": "a", "size_bytes": "2GiB", "door": {"timeout_seconds": "5m"}}, House, PLACE)
    assert (house.size_bytes, house.door.timeout_seconds) == (2 << 30, 300)


def test_numbers_and_truth_values_may_come_as_text_because_variables_do():
    house = convert({"name": "a", "floors": "3", "tilt": "0.5", "lit": "true", "size_bytes": "77"}, House, PLACE)
    assert (house.floors, house.tilt, house.lit, house.size_bytes) == (3, 0.5, True, 77)


def test_a_section_with_nothing_in_it_has_its_defaults():
    house = convert({"name": "a", "door": None, "rooms": None, "by_name": None, "guest": None}, House, PLACE)
    assert house == House(name="a")


def test_sections_within_lists_and_mappings_are_converted():
    house = convert(
        {"name": "a", "rooms": [{"listen": "x"}], "by_name": {"k": {"listen": "y"}}, "guest": {}}, House, PLACE
    )
    assert (house.rooms[0].listen, house.by_name["k"].listen, house.guest) == ("x", "y", Door())


def test_an_open_mapping_is_kept_as_it_is():
    raw = {"x": {"type": "y", "n": 1, "l": [1, "2"]}}
    assert convert({"name": "a", "anything": raw}, House, PLACE).anything == raw


@pytest.mark.parametrize(
    ("values", "problem"),
    [
        ({"name": 5}, "name: expected text, got a number. Put it in quotes"),
        ({"name": True}, "name: expected text, got true or false. Put it in quotes"),
        ({"name": None}, "name: expected text, got nothing. Write text"),
        ({"name": ["a"]}, "name: expected text, got a list. Write text"),
        ({"floors": "many"}, "floors: expected a whole number, got text. Write a whole number"),
        ({"floors": 1.5}, "floors: expected a whole number, got a number. Write a whole number"),
        ({"tilt": "nan"}, "tilt: is not a finite number. Write a number"),
        ({"tilt": [1]}, "tilt: expected a number, got a list. Write a number"),
        ({"lit": "maybe"}, "lit: expected true or false, got text. Write true or false"),
        ({"tags": "a"}, "tags: expected a list, got text. Write a list: [..., ...]"),
        ({"tags": ["a", 1]}, "tags[1]: expected text, got a number. Put it in quotes"),
        ({"mode": "opened"}, "mode: this version knows no 'opened'. Did you mean open? Use one of: open, shut"),
        ({"mode": ["open"]}, "mode: this version knows no ['open']. Use one of: open, shut"),
        ({"size_bytes": 0}, "size_bytes: expected a whole number >= 1, got 0. Write bytes, or a size such as 512MiB"),
        (
            {"size_bytes": "big"},
            "size_bytes: 'big' is not a size. Write bytes as 1000, or a number with KiB, MiB, GiB, TiB (or kB, MB, GB, TB)",
        ),
        (
            {"door": {"timeout_seconds": -1}},
            "door.timeout_seconds: expected a number >= 0.0, got -1. Write seconds, or a duration such as 5m",
        ),
        ({"rooms": [{}, {"listen": 3}]}, "rooms[1].listen: expected text, got a number. Put it in quotes"),
        ({"by_name": {"k": {"listen": 3}}}, "by_name.k.listen: expected text, got a number. Put it in quotes"),
        ({"by_name": []}, "by_name: expected keys and values, got a list. Write keys and values: {name: ...}"),
        ({"rooms": {}}, "rooms: expected a list, got keys and values. Write a list: [..., ...]"),
        (
            {"door": "open"},
            "door: expected keys and values, got text. Options of door: listen, timeout_seconds, token_file, ca_files",
        ),
        (
            {"door": {"lisen": "x"}},
            "door.lisen: unknown key. Did you mean listen? Options of door: listen, timeout_seconds, token_file, ca_files",
        ),
        ({"door": {"listen": "nowhere"}}, "door.listen: is nowhere. Name a place"),
    ],
)
def test_a_problem_names_file_key_and_fix(values, problem):
    assert problems({"name": "a"} | values) == [f"house.yaml: {problem}"]


def test_a_missing_key_is_named_with_the_options():
    [problem] = problems({})
    assert problem.startswith("house.yaml: name: is missing. Add it. Options of the file: name, door, ")


def test_all_problems_are_told_in_the_order_of_the_struct_unknown_keys_first():
    told = problems({"rooms": [{"x": 1}], "nane": "a", "mode": "x", "floors": "y"})
    assert [line.split(": ")[1] for line in told] == ["nane", "name", "rooms[0].x", "floors", "mode"]


def test_control_characters_of_a_file_never_reach_a_terminal():
    [problem] = problems({"name": "a", "x\x1b[31m\n": 1})
    assert problem.startswith(r"house.yaml: x\x1b[31m\n: unknown key")


def test_a_file_is_read_expanded_and_converted(tmp_path):
    (tmp_path / "house.yaml").write_text("name: ${WHO}\nfloors: ${FLOORS:-2}\n")
    assert load_config(tmp_path / "house.yaml", House, {"WHO": "me"}) == House(name="me", floors=2)


def test_a_component_is_converted_by_the_row_that_its_type_names():
    spec, config = build_component({"type": "http_json", "url": "u", "timeout_seconds": "1m"}, REGISTRY, PLACE)
    assert (spec, config) == (REGISTRY["http_json"], HttpJsonConfig(url="u", timeout_seconds=60))


def test_an_unknown_type_is_answered_with_the_known_ones():
    assert problem_of_component({"type": "http_jsn"}) == (
        "aggregator.yaml: sinks.main: unknown type 'http_jsn'. Did you mean http_json? Use one of: http_json"
    )
    assert problem_of_component({"type": 7}) == "aggregator.yaml: sinks.main: unknown type 7. Use one of: http_json"


def test_a_component_without_a_type_or_without_keys_is_refused():
    assert problem_of_component({"url": "u"}) == "aggregator.yaml: sinks.main: `type` is missing. Use one of: http_json"
    assert problem_of_component("u").startswith("aggregator.yaml: sinks.main: expected keys and values. Write {type: ")


def test_an_unknown_option_of_a_component_is_answered_with_its_options():
    assert problem_of_component({"type": "http_json", "url": "u", "timeout_secs": 1}) == (
        "aggregator.yaml: sinks.main.timeout_secs: unknown key. Did you mean timeout_seconds? "
        "Options of http_json: url, timeout_seconds, max_batch_bytes"
    )


def test_options_that_every_component_has_are_told_too():
    with pytest.raises(ConfigError, match=r"Did you mean when_full\? Options of http_json: url, .*, share, when_full$"):
        build_component({"type": "http_json", "url": "u", "when_ful": 1}, REGISTRY, PLACE, ["share", "when_full"])


def test_every_file_that_an_option_names_for_a_secret_must_be_usable(tmp_path):
    (tmp_path / "good").write_text("x")
    good, bad = str(tmp_path / "good"), str(tmp_path / "bad")
    config = House(name="a", door=Door(token_file=bad, ca_files=(good, bad)), guest=Door(token_file=good))
    assert [str(error).split(": ")[1] for error in check_secret_files(config, PLACE)] == [
        "door.token_file",
        "door.ca_files[1]",
    ]
