import pytest

from tests.e2e.procs import ROOT
from tests.fluent_bit.harness import converted, written
from towline.fluent_bit.convert import read_setup
from towline.plumbing.errors import ConfigError

FIXTURES = ROOT / "tests" / "fixtures" / "fluent_bit"


def test_both_formats_of_one_configuration_are_converted_alike():
    classic = converted(FIXTURES / "classic" / "fluent-bit.conf")
    yaml = converted(FIXTURES / "yaml" / "fluent-bit.yaml")
    assert yaml.collector == classic.collector
    assert yaml.aggregator == classic.aggregator
    assert yaml.report.refused() == classic.report.refused() == []


def test_a_list_is_a_key_several_times_and_names_of_variables_keep_their_letters(tmp_path):
    text = "env:\n  MyVar: x\npipeline:\n  filters:\n    - Name: grep\n      Match: '*'\n      regex:\n        - a b\n        - c d\n"
    setup = read_setup(written(tmp_path, text, "fluent-bit.yaml"))
    assert setup.variables == {"MyVar": "x"}
    [section] = setup.sections
    assert [(one.key, one.value) for one in section.properties] == [
        ("name", "grep"),
        ("match", "*"),
        ("regex", "a b"),
        ("regex", "c d"),
    ]


def test_processors_of_an_input_are_filters_of_its_lines_alone(tmp_path):
    text = """
pipeline:
  inputs:
    - name: tail
      tag: a
      path: /var/log/a.log
      processors:
        logs:
          - name: modify
            set: from a
    - {name: tail, tag: b, path: /var/log/b.log}
  outputs:
    - {name: datadog, match: '*', apikey: '${DD_API_KEY}', tls: 'on'}
"""
    made = converted(written(tmp_path, text, "fluent-bit.yaml"))
    assert made.report.refused() == []
    assert [(route["match"]["path"], route.get("rules")) for route in made.aggregator["routes"]] == [
        (["/var/log/a.log"], [{"set": {"from": "a"}}]),
        (["/var/log/b.log"], None),
    ]


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("pipeline: [", "is not YAML"),
        ("pipeline:\n  inputs: x\n  sinks: []\n", "pipeline.sinks is not known"),
        ("includes: [none.yaml]\npipeline: {}\n", "there is no file none.yaml"),
        ("includes: [fluent-bit.yaml]\npipeline: {}\n", "includes go too deep"),
        ("pipeline: x\n", "expected keys and values"),
        ("pipeline: " + "[" * 5000, "nested too deep"),
    ],
)
def test_what_is_wrong_is_said(tmp_path, text, problem):
    with pytest.raises(ConfigError, match=problem):
        read_setup(written(tmp_path, text, "fluent-bit.yaml"))


def test_a_bomb_of_aliases_is_refused_before_it_grows(tmp_path):
    lines = ["a0: &a0 [x, x, x, x, x, x, x, x, x, x]"]
    lines += [f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 10)}]" for n in range(1, 10)]
    text = "\n".join(lines) + "\nservice:\n  flush: *a9\npipeline: {}\n"
    with pytest.raises(ConfigError, match="aliases counted"):
        read_setup(written(tmp_path, text, "fluent-bit.yaml"))


def test_tags_construct_nothing(tmp_path):
    text = "service:\n  flush: !!python/object/apply:os.system ['true']\npipeline: {}\n"
    [service] = read_setup(written(tmp_path, text, "fluent-bit.yaml")).sections
    assert [one.value for one in service.properties] == ["true"]
