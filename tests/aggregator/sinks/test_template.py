import pytest
from hypothesis import given
from hypothesis import strategies as st

from aggregator.core.template import Template, shorten
from aggregator.core.workload import owners_of
from tests.aggregator.sinks.batches import ORIGIN, POD
from towline.wire.identity import Origin, Pod


def rendered(text, pod=POD, origin=ORIGIN):
    return Template(text).render(pod, origin, "agg-0", lambda value: value)


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("/eks/{namespace}/{workload}", "/eks/shop/web"),
        ("{pod}.{container}@{replica}", "web-7d9f8c6b5-x2x4z.nginx@agg-0"),
        ("{labels[tags.datadoghq.com/env]}", "prod"),
        ("{labels[no.such/label]}-{service}", "unknown-unknown"),
        ("{{literal}}{cluster}", "{literal}main"),
        ("plain", "plain"),
    ],
)
def test_fields_take_the_pods_values(text, name):
    assert rendered(text) == name


def test_the_pods_address_and_the_logs_path_are_fields():
    pod = Pod(namespace="n", name="web", uid="u", ip="10.0.0.7")
    assert rendered("{ip} {path}", pod, Origin(path="/var/log/a.log")) == "10.0.0.7 /var/log/a.log"


def test_a_pod_without_a_workload_is_its_own():
    assert rendered("{workload}", Pod(namespace="n", name="bare", uid="u")) == "bare"


@pytest.mark.parametrize(
    "text", ["{nope}", "{}", "{labels}", "{labels[]}", "{pod!r}", "{pod:>9}", "{pod", "pod}", "{pod.name}"]
)
def test_a_template_that_means_nothing_is_refused_in_words(text):
    with pytest.raises(ValueError, match=r"Use: namespace|Write \{field\}"):
        Template(text)


@given(st.text(max_size=40), st.text(max_size=40))
def test_shortened_names_fit_and_stay_apart(one, other):
    one_short, other_short = shorten(one, 20), shorten(other, 20)
    assert len(one_short.encode()) <= 20
    assert (one_short == other_short) == (one == other)


@pytest.mark.parametrize(
    ("name", "labels", "owners"),
    [
        ("web-7d9f8c6b5-x2x4z", {"pod-template-hash": "7d9f8c6b5"}, ["replica_set:web-7d9f8c6b5", "deployment:web"]),
        ("db-0", {"statefulset.kubernetes.io/pod-name": "db-0"}, ["stateful_set:db"]),
        ("etl-29384756-abcde", {"batch.kubernetes.io/job-name": "etl-29384756"}, ["job:etl-29384756", "cronjob:etl"]),
        ("once-abcde", {"job-name": "once"}, ["job:once"]),
        ("bare", {}, []),
    ],
)
def test_labels_of_the_controllers_tell_who_made_a_pod(name, labels, owners):
    workload = {"web-7d9f8c6b5-x2x4z": "web", "db-0": "db"}.get(name, "")
    pod = Pod(namespace="n", name=name, uid="u", workload=workload, labels=labels)
    assert [f"{kind}:{of}" for kind, of in owners_of(pod)] == owners


def test_a_missing_origin_value_is_said_to_be_unknown():
    assert rendered("{container}", origin=Origin(path="/x")) == "unknown"
