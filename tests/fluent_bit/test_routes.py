"""Which lines pass which filters and go to which outputs. Fluent Bit decides by tag and Match, Towline by path."""

from tests.fluent_bit.harness import converted, records, written

OUTPUT = "[OUTPUT]\n Name datadog\n Match {match}\n apikey ${{DD_API_KEY}}\n tls on\n Alias {name}\n"


def tail(tag, path, more=""):
    return f"[INPUT]\n Name tail\n Tag {tag}\n Path {path}\n {more}\n"


def mark(match, name):
    return f"[FILTER]\n Name modify\n Match {match}\n Set {name} yes\n"


def routes(folder, text):
    made = converted(written(folder, text))
    assert made.report.refused() == []
    return made.aggregator["routes"]


def test_a_line_goes_through_the_filters_and_to_the_outputs_that_match_its_tag(tmp_path, monkeypatch):
    text = (
        tail("web.access", "/var/log/access.log")
        + tail("web.error", "/var/log/error.log")
        + tail("db", "/var/log/db.log")
        + mark("web.*", "web")
        + mark("*.error", "bad")
        + OUTPUT.format(match="*", name="all")
        + OUTPUT.format(match="web.*", name="webs")
    )
    path = written(tmp_path, text)
    for origin, sink, wanted in (
        ("/var/log/access.log", "all", {"web": "yes"}),
        ("/var/log/access.log", "webs", {"web": "yes"}),
        ("/var/log/error.log", "all", {"web": "yes", "bad": "yes"}),
        ("/var/log/db.log", "all", {}),
    ):
        assert records(path, "x\n", monkeypatch, origin=origin, sink=sink) == [{"message": "x", **wanted}]
    assert records(path, "x\n", monkeypatch, origin="/var/log/db.log", sink="webs") is None


def test_a_tag_that_holds_the_path_is_matched_by_the_files_name(tmp_path, monkeypatch):
    text = (
        tail("kube.*", "/var/log/containers/*.log")
        + mark("kube.var.log.containers.nginx*", "nginx")
        + mark("*_prod_*", "prod")
        + OUTPUT.format(match="kube.*", name="all")
        + OUTPUT.format(match="kube.var.log.containers.db*", name="dbs")
    )
    path = written(tmp_path, text)
    folder = "/var/log/containers/"
    for name, sink, wanted in (
        ("nginx_prod_a.log", "all", {"nginx": "yes", "prod": "yes"}),
        ("nginx_test_a.log", "all", {"nginx": "yes"}),
        ("db_prod_a.log", "all", {"prod": "yes"}),
        ("db_prod_a.log", "dbs", {"prod": "yes"}),
        ("db_test_a.log", "dbs", {}),
    ):
        found = records(path, "x\n", monkeypatch, origin=folder + name, sink=sink)
        assert found == [{"message": "x", **wanted}], (name, sink)
    assert records(path, "x\n", monkeypatch, origin=f"{folder}nginx_prod_a.log", sink="dbs") is None


def test_an_input_without_a_tag_has_the_name_of_its_plugin_and_its_number(tmp_path):
    text = (
        "[INPUT]\n Name tail\n Path /a.log\n[INPUT]\n Name tail\n Path /b.log\n"
        + mark("tail.1", "second")
        + OUTPUT.format(match="*", name="dd")
    )
    assert [(route["match"]["path"], "rules" in route) for route in routes(tmp_path, text)] == [
        (["/a.log"], False),
        (["/b.log"], True),
    ]


def test_paths_of_one_input_stay_one_route(tmp_path):
    text = tail("t", "/a/*.log, /b/*.log,/c/**.log") + OUTPUT.format(match="*", name="dd")
    assert routes(tmp_path, text) == [
        {"name": "t", "match": {"path": ["/a/*.log", "/b/*.log", "/c/*.log"]}, "to": ["dd"]}
    ]


def test_an_input_that_no_output_matches_is_not_read(tmp_path):
    text = tail("a", "/a.log") + tail("b", "/b.log") + OUTPUT.format(match="a", name="dd")
    made = converted(written(tmp_path, text))
    assert [log["path"] for log in made.collector["logs"]] == ["/a.log"]
    assert [route["match"] for route in made.aggregator["routes"]] == [{"path": ["/a.log"]}]
    assert any("no output matches its tag" in entry.why for entry in made.report.entries)


def test_where_nothing_would_be_delivered_nothing_starts(tmp_path):
    text = tail("a", "/a.log") + OUTPUT.format(match="b", name="dd")
    assert "no output matches any input's tag" in converted(written(tmp_path, text)).report.refused()[0]


def test_match_regex_is_for_whole_tags(tmp_path):
    output = OUTPUT.format(match="*", name="dd").replace("Match *", "Match_Regex ^web\\.(a|b)$")
    text = tail("web.a", "/a.log") + tail("web.c", "/c.log") + output
    made = converted(written(tmp_path, text))
    assert [route["match"]["path"] for route in made.aggregator["routes"]] == [["/a.log"]]
    unclear = converted(written(tmp_path, tail("web.*", "/a.log") + output))
    assert "Match_Regex" in unclear.report.refused()[0]


def test_files_of_two_inputs_are_read_once_and_that_is_said(tmp_path):
    text = tail("a", "/var/log/*.log") + tail("b", "/var/log/b*.log") + OUTPUT.format(match="*", name="dd")
    [warning] = converted(written(tmp_path, text)).report.warnings
    assert "A file is read once" in warning.told()


def test_names_of_routes_are_those_of_inputs_and_each_is_one(tmp_path):
    text = (
        tail("a.b.*", "/1.log")
        + tail("a.b", "/2.log", "Alias app")
        + tail("a.b", "/3.log")
        + OUTPUT.format(match="*", name="dd")
    )
    assert [route["name"] for route in routes(tmp_path, text)] == ["a_b", "app", "a_b_2"]
