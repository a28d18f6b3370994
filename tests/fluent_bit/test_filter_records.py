"""What filters do to records. Expected records are derived by hand from Fluent Bit's manual; what it calls `log` is `message`."""

import pytest

from tests.fluent_bit.harness import converted, pipeline, records

MEMORY = '{"Mem.total":1016024,"Mem.used":716672,"Mem.free":299352,"Swap.total":2064380,"Swap.used":32656}\n'
JSON = ("Parser json", {"parsers_conf": "[PARSER]\n    Name json\n    Format json\n"})
SERVICE = "[SERVICE]\n    Parsers_File parsers.conf\n"


def through(folder, monkeypatch, filters, line, *, json=False, parsers=""):
    files = {"parsers_conf": (JSON[1]["parsers_conf"] if json else "") + parsers}
    path = pipeline(folder, SERVICE + filters, JSON[0] if json else "", **files)
    return records(path, line, monkeypatch)


def test_a_line_without_a_parser_is_a_record_of_its_text(tmp_path, monkeypatch):
    assert through(tmp_path, monkeypatch, "", "hello\n") == [{"message": "hello"}]


def test_a_line_that_the_parser_cannot_read_stays_as_it_is(tmp_path, monkeypatch):
    assert through(tmp_path, monkeypatch, "", "not json\n", json=True) == [{"message": "not json"}]


def test_record_modifier_appends_fields_to_every_record(tmp_path, monkeypatch):
    filters = """
[FILTER]
    Name record_modifier
    Match *
    Record hostname ${HOSTNAME}
    Record kube_pod ${POD_NAME}
    Record kube_namespace ${POD_NAMESPACE}
    Record product Awesome Tool {1}
"""
    given = {"hostname": "web-0", "kube_pod": "web-0", "kube_namespace": "shop", "product": "Awesome Tool {1}"}
    assert through(tmp_path, monkeypatch, filters, 'no json\n{"a":1}\n', json=True) == [
        {"message": "no json", **given},
        {"a": 1, **given},
    ]


def test_record_modifier_removes_keys(tmp_path, monkeypatch):
    filters = "[FILTER]\n Name record_modifier\n Match *\n Remove_key Swap.total\n Remove_key Swap.used\n"
    assert through(tmp_path, monkeypatch, filters, MEMORY, json=True) == [
        {"Mem.total": 1016024, "Mem.used": 716672, "Mem.free": 299352}
    ]


@pytest.mark.parametrize("key", ["Allowlist_key", "Whitelist_key"])
def test_record_modifier_leaves_only_the_keys_that_are_allowed(tmp_path, monkeypatch, key):
    filters = f"[FILTER]\n Name record_modifier\n Match *\n {key} Mem.total\n {key} log\n"
    assert through(tmp_path, monkeypatch, filters, MEMORY, json=True) == [{"Mem.total": 1016024}]


def test_modify_adds_and_renames_as_the_manual_shows(tmp_path, monkeypatch):
    filters = """
[FILTER]
    Name modify
    Match *
    Add Service1 SOMEVALUE
    Add Mem.total2 TOTALMEM2
    Rename Mem.free MEMFREE
    Rename Swap.total SWAPTOTAL
    Add Mem.total TOTALMEM
"""
    assert through(tmp_path, monkeypatch, filters, MEMORY, json=True) == [
        {
            "Mem.total": 1016024,
            "Mem.used": 716672,
            "MEMFREE": 299352,
            "SWAPTOTAL": 2064380,
            "Swap.used": 32656,
            "Service1": "SOMEVALUE",
            "Mem.total2": "TOTALMEM2",
        }
    ]


def test_modify_renames_and_copies_onto_another_field_only_the_hard_way(tmp_path, monkeypatch):
    filters = """
[FILTER]
    Name modify
    Match *
    Rename a b
    Hard_rename c d
    Copy e f
    Hard_copy g h
"""
    line = '{"a":1,"b":2,"c":3,"d":4,"e":5,"f":6,"g":7,"h":8}\n'
    assert through(tmp_path, monkeypatch, filters, line, json=True) == [
        {"a": 1, "b": 2, "d": 3, "e": 5, "f": 6, "g": 7, "h": 7}
    ]


def test_modify_asks_its_conditions_once_before_its_rules(tmp_path, monkeypatch):
    filters = """
[FILTER]
    Name modify
    Match *
    Condition Key_Does_Not_Exist cpustats
    Condition Key_Exists Mem.used
    Set cpustats UNKNOWN
    Set seen yes

[FILTER]
    Name modify
    Match *
    Condition Key_Value_Does_Not_Equal cpustats KNOWN
    Add sourcetype memstats

[FILTER]
    Name modify
    Match *
    Condition Key_Value_Equals cpustats UNKNOWN
    Remove_wildcard Mem
    Remove_wildcard Swap
    Add cpustats_more STILL_UNKNOWN
"""
    assert through(tmp_path, monkeypatch, filters, MEMORY + '{"cpustats":"KNOWN","Mem.used":1}\n', json=True) == [
        {"cpustats": "UNKNOWN", "seen": "yes", "sourcetype": "memstats", "cpustats_more": "STILL_UNKNOWN"},
        {"cpustats": "KNOWN", "Mem.used": 1},
    ]


def test_modify_knows_values_by_regular_expressions(tmp_path, monkeypatch):
    filters = r"""
[FILTER]
    Name modify
    Match *
    Condition Key_Value_Matches path ^\/health
    Condition Key_Value_Does_Not_Match code ^5\d\d$
    Set kind "a probe"
    Remove_regex ^tmp_
"""
    lines = '{"path":"/healthz","code":"200","tmp_x":1}\n{"path":"/healthz","code":"500"}\n{"path":"/healthz"}\n'
    assert through(tmp_path, monkeypatch, filters, lines, json=True) == [
        {"path": "/healthz", "code": "200", "kind": "a probe"},
        {"path": "/healthz", "code": "500"},
        {"path": "/healthz"},
    ]


def test_grep_keeps_records_whose_field_matches(tmp_path, monkeypatch):
    filters = "[FILTER]\n    Name grep\n    Match *\n    Regex log aa\n"
    assert through(tmp_path, monkeypatch, filters, "aaa\naab\nbbb\n") == [{"message": "aaa"}, {"message": "aab"}]


def test_grep_excludes_records_whose_field_matches_and_keeps_those_without_it(tmp_path, monkeypatch):
    filters = "[FILTER]\n    Name grep\n    Match *\n    Exclude $http['path'] ^/health\n"
    lines = '{"http":{"path":"/health"}}\n{"http":{"path":"/"}}\n{"a":1}\n'
    assert through(tmp_path, monkeypatch, filters, lines, json=True) == [{"http": {"path": "/"}}, {"a": 1}]


def test_grep_drops_records_without_the_field_that_must_match(tmp_path, monkeypatch):
    filters = "[FILTER]\n    Name grep\n    Match *\n    Regex iot ^\\d{4}-\\d{2}\n"
    lines = '{"iot":"2024-05"}\n{"iot":""}\n{"b":1}\n'
    assert through(tmp_path, monkeypatch, filters, lines, json=True) == [{"iot": "2024-05"}]


@pytest.mark.parametrize(
    ("logical", "left"),
    [("or", [{"value": "something"}, {"value": "error", "b": "x"}]), ("and", [{"value": "error", "b": "x"}])],
)
def test_grep_joins_its_expressions_by_its_operator(tmp_path, monkeypatch, logical, left):
    filters = f"[FILTER]\n Name grep\n Match *\n Logical_Op {logical}\n Regex value something|error\n Regex b x\n"
    if logical == "or":
        filters = filters.replace("Regex b x", "Regex value nothing")
    lines = '{"value":"something"}\n{"value":"error","b":"x"}\n{"value":"other"}\n'
    assert through(tmp_path, monkeypatch, filters, lines, json=True) == left


PARSER = r"""
[PARSER]
    Name dummy_test
    Format regex
    Regex ^(?<INT>[^ ]+) (?<FLOAT>[^ ]+) (?<BOOL>[^ ]+) (?<STRING>.+)$
"""


def test_the_parser_filter_turns_a_field_into_the_parsers_fields(tmp_path, monkeypatch):
    filters = "[FILTER]\n Name parser\n Match *\n Key_Name data\n Parser dummy_test\n"
    line = '{"data":"100 0.5 true This is example"}\n'
    assert through(tmp_path, monkeypatch, filters, line, json=True, parsers=PARSER) == [
        {"INT": "100", "FLOAT": "0.5", "BOOL": "true", "STRING": "This is example"}
    ]


def test_the_parser_filter_keeps_the_rest_and_the_field_where_it_is_told_to(tmp_path, monkeypatch):
    filters = (
        "[FILTER]\n Name parser\n Match *\n Key_Name data\n Parser dummy_test\n Reserve_Data On\n Preserve_Key On\n"
    )
    line = '{"data":"100 0.5 true This is example","key1":"value1"}\n'
    assert through(tmp_path, monkeypatch, filters, line, json=True, parsers=PARSER) == [
        {
            "data": "100 0.5 true This is example",
            "key1": "value1",
            "INT": "100",
            "FLOAT": "0.5",
            "BOOL": "true",
            "STRING": "This is example",
        }
    ]


def test_the_parser_filter_on_the_line_reads_it_with_the_first_parser_that_fits(tmp_path, monkeypatch):
    # Where no group is the line's text, Towline keeps that as `message`, which Datadog wants; Fluent Bit would drop it.
    filters = "[FILTER]\n Name parser\n Match *\n Key_Name log\n Parser dummy_test\n Parser json\n"
    assert through(tmp_path, monkeypatch, filters, '{"a":1}\n1 2 3 4\nx\n', parsers=PARSER) == [
        {"a": 1},
        {"INT": "1", "FLOAT": "2", "BOOL": "3", "STRING": "4", "message": "1 2 3 4"},
        {"message": "x"},
    ]


def test_nest_takes_fields_together_and_removes_their_prefix(tmp_path, monkeypatch):
    filters = """
[FILTER]
    Name nest
    Match *
    Operation nest
    Wildcard Mem.*
    Nest_under Memstats
    Remove_prefix Mem.
"""
    assert through(tmp_path, monkeypatch, filters, MEMORY, json=True) == [
        {
            "Swap.total": 2064380,
            "Swap.used": 32656,
            "Memstats": {"total": 1016024, "used": 716672, "free": 299352},
        }
    ]


def test_lift_puts_members_in_their_objects_stead(tmp_path, monkeypatch):
    filters = "[FILTER]\n Name nest\n Match *\n Operation lift\n Nested_under k\n Add_prefix k_\n"
    assert through(tmp_path, monkeypatch, filters, '{"a":1,"k":{"b":2,"c":3}}\n', json=True) == [
        {"a": 1, "k_b": 2, "k_c": 3}
    ]


def test_kubernetes_says_who_the_pod_is(tmp_path, monkeypatch):
    filters = (
        "[FILTER]\n Name kubernetes\n Match *\n Merge_Log On\n Keep_Log Off\n Labels Off\n Kube_URL https://k:443\n"
    )
    [merged, plain] = through(tmp_path, monkeypatch, filters, '{"level":"info","n":1}\nplain\n')
    kubernetes = merged.pop("kubernetes")
    assert merged == {"level": "info", "n": 1}
    assert kubernetes.items() >= {"pod_name": "web-0", "namespace_name": "shop", "pod_id": "u-1"}.items()
    assert plain["message"] == "plain"
    assert plain["kubernetes"] == kubernetes


def test_throttle_lets_so_many_records_of_a_pod_through(tmp_path, monkeypatch):
    filters = "[FILTER]\n Name throttle\n Match *\n Rate 2\n Window 3\n Interval 1s\n"
    assert len(through(tmp_path, monkeypatch, filters, "x\n" * 50)) == 6


def test_filters_apply_in_the_order_of_the_file(tmp_path, monkeypatch):
    filters = """
[FILTER]
    Name modify
    Match *
    Rename a b
[FILTER]
    Name grep
    Match *
    Regex b .
[FILTER]
    Name modify
    Match *
    Set c ${POD_NAME}/x
"""
    assert through(tmp_path, monkeypatch, filters, '{"a":"1"}\n{"z":1}\n', json=True) == [{"b": "1", "c": "web-0/x"}]


def test_what_only_the_api_knows_of_a_pod_is_refused_where_it_would_decide(tmp_path):
    kubernetes = "[FILTER]\n Name kubernetes\n Match *\n[FILTER]\n Name grep\n Match *\n {}\n"
    unknown = kubernetes.format("Regex $kubernetes['labels']['app'] web")
    [problem] = converted(pipeline(tmp_path, unknown)).report.refused()
    assert "asks for kubernetes.labels.app" in problem
    known = kubernetes.format("Exclude $kubernetes['namespace_name'] ^kube-")
    assert converted(pipeline(tmp_path, known)).report.refused() == []
