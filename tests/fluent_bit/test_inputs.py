import pytest

from tests.fluent_bit.harness import READ_UNIX_NS, converted, events, pipeline, records, unparsed, written

SERVICE = "[SERVICE]\n    Parsers_File parsers.conf\n    Parsers_File more.conf\n"
TIMES = """
[PARSER]
    Name json
    Format json
    Time_Key time
    Time_Format %Y-%m-%dT%H:%M:%S.%L
    Time_Keep Off
    Time_Offset +0200
[PARSER]
    Name kept
    Format json
    Time_Key t
    Time_Format %s.%L
    Time_Keep On
[PARSER]
    Name words
    Format regex
    Regex ^(?<level>\\w+) (?<code>\\S+) (?<ratio>\\S+) (?<on>\\S+)(?: (?<rest>.*))?$
    Types code:integer ratio:float on:bool nothing:integer
[PARSER]
    Name docker
    Format json
    Decode_Field_As escaped log do_next
    Decode_Field json log
"""


def run(folder, monkeypatch, own, text):
    return records(pipeline(folder, SERVICE, own, parsers_conf=TIMES), text, monkeypatch)


def test_a_parsers_time_is_the_records_and_its_field_goes(tmp_path, monkeypatch):
    path = pipeline(tmp_path, SERVICE, "Parser json", parsers_conf=TIMES)
    line = '{"time":"2024-05-01T12:00:00.250","a":1}\n{"time":"nonsense","a":2}\n'
    piece = events(path, line, monkeypatch)
    assert [dict(fields) for fields in piece.details.fields] == [{"a": 1}, {"time": "nonsense", "a": 2}]
    # 12:00 two hours ahead of UTC; what does not parse has the time at which it was read.
    assert piece.details.times_unix_ns == [1_714_557_600_250_000_000, READ_UNIX_NS]
    assert unparsed(piece) == ["", ""]


def test_a_time_of_seconds_is_read_and_kept_where_it_is_told_to(tmp_path, monkeypatch):
    path = pipeline(tmp_path, SERVICE, "Parser kept", parsers_conf=TIMES)
    piece = events(path, '{"t":"1714557600.5"}\n', monkeypatch)
    assert piece.details.times_unix_ns == [1_714_557_600_500_000_000]
    assert piece.details.fields[0]["t"] == "1714557600.5"


def test_types_turn_groups_into_values_and_empty_groups_make_no_field(tmp_path, monkeypatch):
    [found] = run(tmp_path, monkeypatch, "Parser words", "warn 7 0.5 true\n")
    assert {key: value for key, value in found.items() if key != "message"} == {
        "level": "warn",
        "code": 7,
        "ratio": 0.5,
        "on": True,
    }


def test_the_docker_parser_gives_the_line_that_was_within(tmp_path, monkeypatch):
    line = '{"log":"hello\\n","stream":"stdout"}\n{"log":"{\\"a\\":1}","stream":"stderr"}\n'
    assert run(tmp_path, monkeypatch, "Parser docker", line) == [
        {
            "message": "hello",
            "stream": "stdout",
        },  # the line's own end, which Fluent Bit leaves, is no part of a message
        {"message": '{"a":1}', "stream": "stderr", "a": 1},
    ]


def test_a_parser_that_is_nowhere_is_refused_unless_towline_has_it(tmp_path):
    for name in ("nginx", "syslog-rfc5424"):
        assert converted(pipeline(tmp_path, "", f"Parser {name}")).report.refused() == []
    [problem] = converted(pipeline(tmp_path, "", "Parser mine")).report.refused()
    assert "[INPUT] tail: `parser`: no parser is named mine" in problem


JAVA = """\
[MULTILINE_PARSER]
    Name          multiline-regex-test
    Type          regex
    Flush_Timeout 1000
    Rule      "start_state"   "/([a-zA-Z]+ \\d+ \\d+\\:\\d+\\:\\d+)(.*)/"  "cont"
    Rule      "cont"          "/^\\s+at.*/"                     "cont"
"""
TRACE = """\
single line...
Dec 14 06:41:08 Exception in thread "main" java.lang.RuntimeException: Something has gone wrong, aborting!
    at com.myproject.module.MyProject.badMethod(MyProject.java:22)
    at com.myproject.module.MyProject.main(MyProject.java:6)
another line...
"""


def joined(text):
    first, *middle, last = text.splitlines()
    return [{"message": first}, {"message": "\n".join(middle)}, {"message": last}]


@pytest.mark.parametrize("name", ["multiline.parser", "Multiline.Parser"])
def test_a_multiline_parser_joins_the_lines_that_belong_together(tmp_path, monkeypatch, name):
    path = pipeline(tmp_path, SERVICE, f"{name} multiline-regex-test", parsers_conf=JAVA)
    assert records(path, TRACE, monkeypatch) == joined(TRACE)


def test_the_multiline_filter_does_the_same(tmp_path, monkeypatch):
    filters = (
        "[FILTER]\n Name multiline\n Match *\n multiline.key_content log\n multiline.parser go, multiline-regex-test\n"
    )
    path = pipeline(tmp_path, SERVICE + filters, "", parsers_conf=JAVA)
    assert records(path, TRACE, monkeypatch) == joined(TRACE)


FIRST_LINE = """\
[PARSER]
    Name   first
    Format regex
    Regex  /^(?<time>\\d+) (?<level>[A-Z]+) (?<message>.*)/
    Time_Key time
    Time_Format %s
"""


def test_the_old_multiline_begins_an_event_where_its_parser_fits(tmp_path, monkeypatch):
    own = "Multiline On\n    Parser_Firstline first"
    path = pipeline(tmp_path, SERVICE, own, parsers_conf=FIRST_LINE)
    piece = events(path, "1714557600 ERROR bad\n  at a\n  at b\n1714557601 INFO good\n", monkeypatch)
    assert [dict(fields) for fields in piece.details.fields] == [
        {"level": "ERROR", "message": "bad\n  at a\n  at b"},
        {"level": "INFO", "message": "good"},
    ]
    assert piece.details.times_unix_ns == [1_714_557_600_000_000_000, 1_714_557_601_000_000_000]


def test_empty_lines_are_skipped_and_the_path_is_given(tmp_path, monkeypatch):
    own = "Skip_Empty_Lines On\n    Path_Key file\n    Key line"
    path = pipeline(tmp_path, "", own)
    assert records(path, "a\n\nb\n", monkeypatch) == [
        {"message": "a", "file": "/var/log/app.log"},
        {"message": "b", "file": "/var/log/app.log"},
    ]


def test_the_path_of_each_file_is_given_where_there_are_many(tmp_path, monkeypatch):
    path = written(
        tmp_path,
        "[INPUT]\n Name tail\n Path /var/log/*.log\n Path_Key file\n[OUTPUT]\n Name stdout\n Match *\n",
    )
    for name in ("/var/log/a.log", "/var/log/b.log"):
        assert records(path, "x\n", monkeypatch, origin=name, sink="file") == [{"message": "x", "file": name}]


def test_the_pods_address_is_given(tmp_path, monkeypatch):
    path = pipeline(tmp_path, "[FILTER]\n Name record_modifier\n Match *\n Record ip ${POD_IP}\n")
    assert records(path, "x\n", monkeypatch) == [{"message": "x", "ip": "10.0.0.7"}]


def test_filters_that_name_the_inputs_own_key_mean_the_line(tmp_path, monkeypatch):
    path = pipeline(tmp_path, "[FILTER]\n Name grep\n Match *\n Regex line ^a\n", "Key line")
    assert records(path, "a\nb\n", monkeypatch) == [{"message": "a"}]


def test_an_encoding_that_towline_reads_is_read(tmp_path):
    assert converted(pipeline(tmp_path, "", "Unicode.Encoding UTF-16LE")).collector["logs"][0]["encoding"] == "utf-16le"
    [problem] = converted(pipeline(tmp_path, "", "generic.encoding ShiftJIS")).report.refused()
    assert "Towline reads no such encoding" in problem


def test_the_state_is_kept_where_fluent_bit_kept_its_own(tmp_path):
    assert converted(pipeline(tmp_path, "", "DB /var/log/flb.db")).collector["state_dir"] == (
        "${TOWLINE_STATE_DIR:-/var/log/.towline}"
    )
    assert converted(pipeline(tmp_path)).collector["state_dir"] == "${TOWLINE_STATE_DIR:-/tmp/towline}"


def test_metrics_are_scraped_and_listened_for(tmp_path):
    inputs = "[INPUT]\n Name prometheus_scrape\n Host localhost\n Port 9000\n Scrape_Interval 1m\n"
    made = converted(pipeline(tmp_path, inputs + "[INPUT]\n Name statsd\n Port 9125\n"))
    assert made.report.refused() == []
    assert made.collector["metrics"] == {
        "interval_seconds": 60,
        "annotations": False,
        "scrape": [{"url": "http://127.0.0.1:9000/metrics"}],
        "dogstatsd": {"listen": "0.0.0.0:9125"},
    }


def test_another_hosts_metrics_are_refused(tmp_path):
    made = converted(pipeline(tmp_path, "[INPUT]\n Name prometheus_scrape\n Host db.internal\n"))
    assert "Towline scrapes the pod itself" in made.report.refused()[0]


@pytest.mark.parametrize("name", ["cpu", "systemd", "forward", "http", "exec"])
def test_an_input_that_towline_has_not_is_refused_with_the_reason(tmp_path, name):
    [problem] = converted(pipeline(tmp_path, f"[INPUT]\n Name {name}\n Tag x\n")).report.refused()
    assert f"[INPUT] {name}: Towline has no such input" in problem


def test_a_folder_of_nodes_is_warned_about(tmp_path):
    text = "[INPUT]\n Name tail\n Path /var/log/containers/*.log\n[OUTPUT]\n Name prometheus_exporter\n Match *\n"
    assert "folder of nodes" in converted(written(tmp_path, text)).report.warnings[0].told()


def test_a_path_that_is_not_absolute_is_refused(tmp_path):
    text = "[INPUT]\n Name tail\n Path logs/*.log\n[OUTPUT]\n Name stdout\n Match *\n"
    assert any("not absolute" in one for one in converted(written(tmp_path, text)).report.refused())
