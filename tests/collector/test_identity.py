import os
import stat
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from collector.config import IdentityConfig
from collector.core.identity import (
    MAX_ANNOTATION_CHARS,
    MAX_LABELS,
    kept_annotations,
    kept_labels,
    parse_podinfo,
    pod_of,
    workload_of,
)
from collector.identity import machine_uid, open_identity
from towline.plumbing.errors import ConfigError
from towline.wire.identity import Pod

PLACE = Pod(namespace="local", name="host", uid="machine", cluster="c", region="r", account="1")
ENV = {
    "POD_NAME": "web-5c689d88bb-x2x9z",
    "POD_NAMESPACE": "shop",
    "POD_UID": "u-1",
    "POD_IP": "10.0.0.1",
    "NODE_NAME": "fargate-1",
    "POD_SERVICE_ACCOUNT": "web",
}


@pytest.mark.parametrize(
    ("pod", "workload"),
    [
        ("web-5c689d88bb-x2x9z", "web"),
        ("web-api-7fb96c846b-bcdfg", "web-api"),
        ("web-58c6b9b8f-bcdfg", "web"),
        ("db-0", "db"),
        ("db-main-12", "db-main"),
        ("import-x7k2p", "import"),
        ("backup-28501440-x7k2p", "backup"),
        ("backup-1710086400-x7k2p", "backup"),
        ("web-grpc-x7k2p", "web-grpc"),  # too short for a template's hash
        ("web-frontpgs-x7k2p", "web-frontpgs"),  # o is no letter of Kubernetes'
        ("web-bcdfghjk-x7k2p", "web-bcdfghjk"),  # a template's hash has a digit
        ("import-2024-x7k2p", "import-2024"),
        ("web", "web"),
        ("web-main", "web-main"),
        ("x7k2p", "x7k2p"),
        ("", ""),
        ("-0", "-0"),
    ],
)
def test_a_workload_is_the_pods_name_without_what_kubernetes_generated(pod, workload):
    assert workload_of(pod) == workload


@pytest.mark.parametrize(
    ("pod", "labels", "workload"),
    [
        ("import-0-x7k2p", {"batch.kubernetes.io/job-name": "import"}, "import"),
        ("import-2024-x7k2p", {"job-name": "import-2024"}, "import-2024"),
        ("backup-28501440-x7k2p", {"job-name": "backup-28501440"}, "backup"),
        ("web-bcdfbc-x7k2p", {"pod-template-hash": "bcdfbc"}, "web"),
        ("web-0", {"pod-template-hash": "zzz"}, "web"),
    ],
)
def test_labels_that_controllers_set_are_believed_before_patterns(pod, labels, workload):
    assert workload_of(pod, labels) == workload


def test_downward_api_files_are_read_as_go_quotes_them():
    text = r"""
app="web"
app.kubernetes.io/name="we\"b\\"
towline.dev/note="a\nb\tc\u00e9\U0001f600\x1b\xff"
empty=""
equals="a=b"
"""
    assert parse_podinfo(text) == {
        "app": "web",
        "app.kubernetes.io/name": 'we"b\\',
        "towline.dev/note": "a\nb\tc\u00e9\U0001f600\x1b\ufffd",
        "empty": "",
        "equals": "a=b",
    }


@pytest.mark.parametrize("line", ["", "app", "app=web", '="x"', 'app="x', 'app="x"y"', 'a b="x"'])
def test_lines_of_another_form_are_passed_over(line):
    assert parse_podinfo(f'{line}\ngood="1"') == {"good": "1"}


@given(st.text())
def test_any_text_in_one_line_leaves_the_next_as_it_is(text):
    assert parse_podinfo(f'a="{text}"\ngood="1"')["good"] == "1"


@given(st.text())
def test_any_value_comes_back_as_it_was_before_it_was_quoted(value):
    quoted = "".join(char if char.isprintable() and char not in '"\\' else f"\\U{ord(char):08x}" for char in value)
    assert parse_podinfo(f'a="{quoted}"') == {"a": value}


@pytest.mark.parametrize("escape", ["\\ud800", "\\U00110000", "\\Uffffffff"])
def test_an_escape_that_is_no_character_becomes_the_replacement(escape):
    assert parse_podinfo(f'a="{escape}"') == {"a": "\ufffd"}


def test_labels_are_limited_and_those_that_sinks_read_stay():
    labels = {f"a{n:03}": "x" for n in range(100)} | {
        "tags.datadoghq.com/service": "web",
        "app.kubernetes.io/name": "w",
    }
    kept = kept_labels(labels)
    assert len(kept) == MAX_LABELS
    assert kept.items() <= labels.items()
    assert {"tags.datadoghq.com/service", "app.kubernetes.io/name", "a000"} <= kept.keys()


def test_only_annotations_for_us_are_kept():
    kept = {"towline.dev/route": "x", "prometheus.io/scrape": "true", "CapacityProvisioned": "0.25vCPU 0.5GB"}
    others = {
        "kubectl.kubernetes.io/last-applied-configuration": "{}",
        "towline.dev": "x",
        "towline.dev/long": "x" * (MAX_ANNOTATION_CHARS + 1),
    }
    assert kept_annotations(kept | others) == kept


def test_a_pod_is_who_its_environment_says():
    pod = pod_of(ENV, {"app": "web"}, {"other": "x"}, PLACE)
    assert pod == Pod(
        namespace="shop",
        name="web-5c689d88bb-x2x9z",
        uid="u-1",
        ip="10.0.0.1",
        node="fargate-1",
        service_account="web",
        workload="web",
        cluster="c",
        region="r",
        account="1",
        labels={"app": "web"},
    )


def test_the_environments_workload_is_believed_before_any_name():
    assert pod_of(ENV | {"TOWLINE_WORKLOAD": "shop-web"}, {}, {}, PLACE).workload == "shop-web"


def test_outside_kubernetes_a_pod_is_its_machine():
    assert pod_of({}, {}, {}, PLACE) == Pod(
        namespace="local", name="host", uid="machine", workload="host", cluster="c", region="r", account="1"
    )


def test_labels_and_annotations_are_read_again_when_their_files_change(tmp_path):
    (tmp_path / "labels").write_text('app="web"\n')
    identity = open_identity(IdentityConfig(cluster="c"), str(tmp_path), str(tmp_path), ENV)
    first = identity.pod()
    assert (first.labels, first.annotations, first.cluster) == ({"app": "web"}, {}, "c")
    assert identity.pod() is first
    (tmp_path / "annotations").write_text('CapacityProvisioned="0.25vCPU 0.5GB"')
    (tmp_path / "next").write_text('app="web"\nversion="2"')
    (tmp_path / "next").replace(tmp_path / "labels")
    second = identity.pod()
    assert (second.labels, second.annotations) == (
        {"app": "web", "version": "2"},
        {"CapacityProvisioned": "0.25vCPU 0.5GB"},
    )
    assert identity.pod() is second


def test_a_downward_api_file_that_vanishes_keeps_its_last_values(tmp_path):
    (tmp_path / "labels").write_text('app="web"\n')
    identity = open_identity(IdentityConfig(), str(tmp_path), str(tmp_path), ENV)
    first = identity.pod()
    (tmp_path / "labels").unlink()
    assert identity.pod() is first


def test_outside_kubernetes_the_uid_is_made_by_the_machine_and_stays(tmp_path):
    identity = open_identity(IdentityConfig(), str(tmp_path / "none"), str(tmp_path / "state"), {})
    again = open_identity(IdentityConfig(), str(tmp_path / "none"), str(tmp_path / "state"), {})
    assert identity.pod() == again.pod()
    assert (identity.pod().namespace, identity.pod().name) == ("local", os.uname().nodename)


def test_the_machines_id_makes_a_uid_that_outlives_the_state_folder(tmp_path):
    (tmp_path / "machine-id").write_text("0123456789abcdef0123456789abcdef\n")
    uid = machine_uid(tmp_path / "state", tmp_path / "machine-id")
    assert [len(part) for part in uid.split("-")] == [8, 4, 4, 4, 12]
    assert "0123456789abcdef" not in uid
    assert not (tmp_path / "state").exists()
    assert machine_uid(tmp_path / "other", tmp_path / "machine-id") != uid


@pytest.mark.parametrize("machine_id", [None, "", "uninitialized\n"])
def test_without_a_machine_id_a_uid_is_made_once_and_kept_in_the_state_folder(tmp_path, machine_id):
    path = tmp_path / "machine-id"
    if machine_id is not None:
        path.write_text(machine_id)
    uid = machine_uid(tmp_path / "state", path)
    assert machine_uid(tmp_path / "state", path) == uid
    assert [file.name for file in (tmp_path / "state").iterdir()] == ["machine-uid"]
    (tmp_path / "state" / "machine-uid").unlink()
    assert machine_uid(tmp_path / "state", path) != uid


def test_where_no_uid_can_be_kept_that_is_said(tmp_path):
    (tmp_path / "state").write_text("a file where a folder should be")
    with pytest.raises(ConfigError, match=r"^c\.yaml: state_dir: cannot keep this machine's uid in .* or set POD_UID"):
        machine_uid(tmp_path / "state", tmp_path / "machine-id", Path("c.yaml"))


def test_a_pod_uid_needs_no_state_folder(tmp_path):
    (tmp_path / "state").mkdir(mode=stat.S_IRUSR)
    assert open_identity(IdentityConfig(), str(tmp_path), str(tmp_path / "state"), ENV).pod().uid == "u-1"
    assert not list((tmp_path / "state").iterdir())
