"""Whatever a configuration says, it is converted or refused with a reason, and both ways of reading it give the same."""

import tempfile
from pathlib import Path

import yaml
from hypothesis import example, given, settings
from hypothesis import strategies as st

from tests.fluent_bit.harness import converted
from towline.fluent_bit.filters import FILTERS
from towline.fluent_bit.outputs import OUTPUTS
from towline.fluent_bit.writing import as_yaml
from towline.plumbing.errors import ConfigError

WORDS = st.sampled_from(
    [
        *(
            "log",
            "*",
            "app.*",
            "a",
            "on",
            "off",
            "",
            "1",
            "0",
            "-1",
            "1s",
            "x y",
            "x y z",
            '"a b" c',
            "${HOSTNAME}",
            "${X}",
        ),
        *("${", "${}", "{", "{pod}", "}", "$${X}", "$a['b']", "$kubernetes['labels']['x']", "^a(?<n>b)$", "(?=a)", "["),
        *(
            "/var/log/*.log",
            "/a/[ab]?.log,/b/**",
            "relative",
            "json",
            "nginx",
            "Key_exists a",
            "key_value_equals a ${X}",
        ),
        *("%Y-%m-%d", "nest", "lift", "'", '"', "é", "\x01", "true", "code:integer", "http-intake.logs.datadoghq.eu"),
    ]
)
KEYS = st.sampled_from(
    [
        *(
            "Path",
            "Tag",
            "Tag_Regex",
            "Exclude_Path",
            "Parser",
            "Multiline",
            "Parser_Firstline",
            "multiline.parser",
            "Key",
        ),
        *("Path_Key", "Skip_Empty_Lines", "DB", "Match", "Match_Regex", "Record", "Remove_key", "Allowlist_key", "Set"),
        *(
            "Add",
            "Rename",
            "Remove_wildcard",
            "Remove_regex",
            "Hard_copy",
            "Condition",
            "Regex",
            "Exclude",
            "Logical_Op",
        ),
        *(
            "Key_Name",
            "Preserve_Key",
            "Operation",
            "Wildcard",
            "Nest_under",
            "Nested_under",
            "Rate",
            "Window",
            "Interval",
        ),
        *("Merge_Log", "Merge_Parser", "apikey", "Host", "tls", "dd_service", "dd_tags", "dd_message_key", "region"),
        *("log_group_name", "log_group_template", "log_stream_prefix", "log_key", "File", "Port", "Listen", "Alias"),
        *(
            "Format",
            "Time_Key",
            "Time_Format",
            "Time_Offset",
            "Types",
            "Decode_Field",
            "Flush",
            "HTTP_Server",
            "Nonsense",
        ),
        *("Rule", "Type", "Flush_Timeout", "Scrape_Interval", "Unicode.Encoding", "Log_Retention_Days", "Endpoint"),
    ]
)
PLUGINS = st.sampled_from(
    ["tail", "tail", "statsd", "prometheus_scrape", *FILTERS, "multiline", "aws", *OUTPUTS, "json", "x"]
)
SECTIONS = st.sampled_from(["SERVICE", "INPUT", "FILTER", "OUTPUT", "PARSER", "MULTILINE_PARSER"])


@st.composite
def configurations(draw):
    lines = []
    for _ in range(draw(st.integers(1, 6))):
        lines.append(f"[{draw(SECTIONS)}]")
        lines.append(f"    Name {draw(PLUGINS)}")
        lines += [f"    {draw(KEYS)} {draw(WORDS)}" for _ in range(draw(st.integers(0, 6)))]
    return "\n".join(lines) + "\n"


def outcome(text, **env):
    """The path, what was converted (None where nothing was), and what was said instead."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "fluent-bit.conf"
        path.write_text(text)
        try:
            return path, converted(path, **env), ""
        except ConfigError as error:
            return path, None, str(error)


@settings(max_examples=66, deadline=None)
@given(configurations())
@example("[INPUT]\n Name tail\n Path ${my-var}/*.log\n")
def test_a_configuration_is_converted_or_refused_with_a_reason(text):
    path, made, problem = outcome(text, X="x")
    if made is None:
        assert problem.startswith(f"{path}")
        return
    assert all(entry.why for entry in made.report.entries if entry.verdict != "honoured")
    assert made.report.text()
    for values in (made.collector, made.aggregator):
        assert yaml.safe_load(as_yaml(values, "x", "y")) == values


@settings(max_examples=100, deadline=None)
@given(configurations())
def test_the_same_configuration_is_always_converted_alike(text):
    _, first, problem = outcome(text, X="x")
    _, second, again = outcome(text, X="x")
    if first is None or second is None:
        assert bool(problem) == bool(again)
        return
    assert (first.collector, first.aggregator) == (second.collector, second.aggregator)


@settings(max_examples=100, deadline=None)
@given(st.text("[INPUT]@SET Name\n\t#=${}*\"'", max_size=200))
def test_any_text_is_read_or_refused(text):
    path, made, problem = outcome(text)
    assert made is not None or str(path) in problem
