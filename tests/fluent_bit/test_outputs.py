import pytest

from tests.fluent_bit.harness import converted, pipeline, records, written

INPUT = "[INPUT]\n Name tail\n Tag app\n Path /var/log/app.log\n"


def sink(folder, output, **env):
    made = converted(written(folder, INPUT + "[OUTPUT]\n Match *\n " + output.replace("\n", "\n ") + "\n"), **env)
    assert made.report.refused() == []
    [found] = made.aggregator["sinks"].values()
    return found, made


def warnings(made):
    return " ".join(entry.told() for entry in made.report.warnings)


@pytest.mark.parametrize(
    ("host", "address"),
    [
        ("", {"site": "datadoghq.com", "logs_url": "${TOWLINE_DATADOG_LOGS_URL:-}"}),
        ("Host http-intake.logs.datadoghq.eu", {"site": "datadoghq.eu", "logs_url": "${TOWLINE_DATADOG_LOGS_URL:-}"}),
        (
            "host http-intake.logs.us3.datadoghq.com",
            {"site": "us3.datadoghq.com", "logs_url": "${TOWLINE_DATADOG_LOGS_URL:-}"},
        ),
        ("Host proxy.internal", {"logs_url": "${TOWLINE_DATADOG_LOGS_URL:-https://proxy.internal}"}),
        ("Host http://proxy.internal", {"logs_url": "${TOWLINE_DATADOG_LOGS_URL:-https://proxy.internal}"}),
    ],
)
def test_datadogs_host_becomes_its_site_or_an_address(tmp_path, host, address):
    found, _ = sink(tmp_path, f"Name datadog\napikey ${{DD_API_KEY}}\nTLS on\n{host}")
    assert {key: value for key, value in found.items() if key in {"site", "logs_url"}} == address


@pytest.mark.parametrize("tls", ["", "tls off", "TLS Off"])
def test_a_key_that_would_go_in_clear_text_goes_by_https_and_that_is_said(tmp_path, tls):
    found, made = sink(tmp_path, f"Name datadog\napikey ${{DD_API_KEY}}\n{tls}")
    assert "site" in found
    assert "clear text" in warnings(made)


def test_datadog_by_https_with_its_key_in_the_environment_needs_no_warning(tmp_path):
    found, made = sink(tmp_path, "Name datadog\napikey ${DD_API_KEY}\ntls on\ncompress gzip")
    assert (found["compression"], "api_key_file" in found, made.secrets) == ("gzip", False, {})
    assert made.report.warnings == []


def test_datadogs_service_source_and_tags_are_the_collectors_to_say(tmp_path):
    _, made = sink(
        tmp_path, "Name datadog\napikey ${DD_API_KEY}\ntls on\ndd_service shop\ndd_source java\ndd_tags a:b, c:d"
    )
    assert made.collector["logs"] == [
        {"path": "/var/log/app.log", "service": "shop", "source": "java", "tags": ["a:b", "c:d"]}
    ]


def test_two_services_of_the_same_lines_are_refused(tmp_path):
    output = "[OUTPUT]\n Name datadog\n Match *\n apikey ${{DD_API_KEY}}\n tls on\n dd_service {}\n"
    made = converted(written(tmp_path, INPUT + output.format("a") + output.format("b")))
    assert "another service" in made.report.refused()[0]
    assert list(made.aggregator["sinks"]) == ["datadog", "datadog_2"]


def test_another_message_key_is_what_a_human_reads(tmp_path, monkeypatch):
    text = "[PARSER]\n Name json\n Format json\n"
    path = pipeline(tmp_path, "[SERVICE]\n Parsers_File parsers.conf\n", "Parser json", parsers_conf=text)
    path.write_text(path.read_text() + "    dd_message_key msg\n")
    assert records(path, '{"msg":"hello","a":1}\nplain\n', monkeypatch) == [
        {"message": "hello", "a": 1},
        {"message": "plain"},
    ]


def test_cloudwatch_groups_and_streams_are_named_as_before(tmp_path):
    found, _ = sink(
        tmp_path,
        "Name cloudwatch_logs\nregion eu-west-1\nlog_group_name /shop\nlog_stream_prefix app-\nlog_retention_days 30\nauto_create_group On",
    )
    assert found == {
        "type": "cloudwatch",
        "region": "eu-west-1",
        "log_group": "/shop",
        "log_stream": "app-{pod}",
        "retention_days": 30,
    }


def test_cloudwatch_templates_of_the_pods_identity_become_ours(tmp_path):
    found, _ = sink(
        tmp_path,
        "Name cloudwatch_logs\nregion eu-west-1\nlog_group_name fallback\n"
        "log_group_template /k8s/$kubernetes['namespace_name']/$kubernetes['labels']['app']\nlog_stream_name ${HOSTNAME}",
    )
    assert (found["log_group"], found["log_stream"]) == ("/k8s/{namespace}/{labels[app]}", "{pod}")


def test_a_cloudwatch_template_of_anything_else_falls_back_as_fluent_bit_does(tmp_path):
    found, made = sink(
        tmp_path, "Name cloudwatch\nregion eu-west-1\nlog_group_name fallback\nlog_group_template /x/$tenant"
    )
    assert found["log_group"] == "fallback"
    assert "more than the pod's identity" in warnings(made)


def test_a_stream_of_parts_of_the_tag_becomes_one_of_the_pod(tmp_path):
    text = (
        "Name cloudwatch\nregion eu-west-1\nlog_group_name $(kubernetes['namespace_name'])\nlog_stream_name $(tag[4])"
    )
    found, made = sink(tmp_path, text)
    assert (found["log_group"], found["log_stream"]) == ("{namespace}", "{pod}")
    assert "log_stream is Towline's default" in warnings(made)


def test_cloudwatch_with_another_role_is_refused(tmp_path):
    text = INPUT + "[OUTPUT]\n Name cloudwatch_logs\n Match *\n region eu-west-1\n log_group_name a\n role_arn arn:x\n"
    assert "service account" in converted(written(tmp_path, text)).report.refused()[0]


def test_only_the_log_key_is_sent_where_cloudwatch_asks_for_it(tmp_path, monkeypatch):
    text = "[PARSER]\n Name json\n Format json\n"
    output = "[OUTPUT]\n Name cloudwatch_logs\n Match *\n region eu-west-1\n log_group_name a\n log_key log\n"
    path = pipeline(tmp_path, "[SERVICE]\n Parsers_File parsers.conf\n" + output, "Parser json", parsers_conf=text)
    assert records(path, '{"log":"hello","a":1}\n', monkeypatch, sink="cloudwatch") == [{"message": "hello"}]


def test_files_and_standard_output_become_files_of_the_aggregator(tmp_path):
    found, made = sink(tmp_path, "Name stdout\nFormat json_lines")
    assert found == {"type": "file", "path": "/var/lib/towline/out/stdout/{namespace}/{pod}.jsonl"}
    assert "its own log" in warnings(made)
    found, _ = sink(tmp_path, "Name file\nPath /data/{x}/${POD_NAMESPACE}\nFile ${NAME}.log\nFormat csv")
    assert found == {"type": "file", "path": "/data/{{x}}/{namespace}/{namespace}/{pod}-${NAME}.log"}


def test_an_exporter_becomes_the_aggregators_page(tmp_path):
    text = (
        INPUT
        + "[INPUT]\n Name statsd\n[OUTPUT]\n Name stdout\n Match *\n[OUTPUT]\n Name prometheus_exporter\n Match *\n"
    )
    made = converted(written(tmp_path, text))
    assert made.report.refused() == []
    assert made.aggregator["sinks"]["prometheus"] == {"type": "prometheus"}
    assert all(route["to"] == ["file"] for route in made.aggregator["routes"])


@pytest.mark.parametrize("name", ["es", "loki", "kafka", "s3", "http", "splunk", "forward"])
def test_an_output_that_towline_has_not_is_refused_and_never_dropped_in_silence(tmp_path, name):
    made = converted(pipeline(tmp_path, f"[OUTPUT]\n Name {name}\n Match *\n"))
    [problem] = made.report.refused()
    assert f"[OUTPUT] {name}: Towline does not send there" in problem


@pytest.mark.parametrize("name", ["lua", "rewrite_tag", "geoip2", "wasm"])
def test_a_filter_that_towline_has_not_is_refused_lest_lines_go_on_without_it(tmp_path, name):
    [problem] = converted(pipeline(tmp_path, f"[FILTER]\n Name {name}\n Match *\n")).report.refused()
    assert f"[FILTER] {name}: Towline has no such filter" in problem
