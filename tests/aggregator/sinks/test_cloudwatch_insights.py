"""What a pod measures of itself becomes Container Insights' metrics."""

import json
import math

from tests.aggregator.exposing import family
from tests.aggregator.sinks.batches import POD
from tests.aggregator.sinks.emf import ALL, NOW_MS, SAME, UNKNOWN, Pod, gauge, measured

GIB = 1 << 30
CLUSTER, NAMESPACE, WORKLOAD = ("ClusterName", "main"), ("Namespace", "shop"), ("PodName", "web")
FARGATE = ("LaunchType", "fargate")


def known(**options):
    """A pod whose first snapshot is settled."""
    pod = Pod(**options)
    pod.say(*measured(cpu=10, received=1000, memory=GIB / 4), moment=UNKNOWN)
    return pod


def test_the_default_is_what_container_insights_makes_on_fargate():
    said = known().say(*measured(cpu=13, received=31_000, memory=GIB / 2))
    assert said == {
        "pod_cpu_usage_total": 200,  # 3 seconds of 15, in millicores
        "pod_cpu_limit": 500,
        "pod_cpu_utilization_over_pod_limit": 40,
        "pod_memory_working_set": GIB / 2,
        "pod_memory_limit": GIB,
        "pod_memory_utilization_over_pod_limit": 50,
        "pod_network_rx_bytes": 4000,  # both interfaces, per second
        "pod_network_tx_bytes": 1000,
    }


def test_its_dimensions_and_its_namespace_are_container_insights():
    pod = known()
    pod.say(*measured(cpu=13, received=1000, memory=GIB))
    assert pod.dimensions("pod_memory_limit") == {
        frozenset({CLUSTER, FARGATE}),
        frozenset({CLUSTER, NAMESPACE, FARGATE}),
        frozenset({CLUSTER, NAMESPACE, WORKLOAD, FARGATE}),
    }
    assert {datum.namespace for datum in pod.metrics} == {"ContainerInsights"}
    assert {datum.time_ms for datum in pod.metrics} == {NOW_MS + 30_000}
    units = {datum.name: datum.unit for datum in pod.metrics}
    assert (units["pod_network_rx_bytes"], units["pod_memory_limit"]) == ("Bytes/Second", "Bytes")


def test_what_is_not_chosen_is_a_field_to_query_by_and_no_metric():
    pod = known()
    pod.say(*measured(cpu=13, received=1000, memory=GIB))
    (message,) = map(json.loads, pod.messages)
    assert message["pod_memory_rss"] == GIB / 2
    assert (message["Type"], message["FullPodName"]) == ("Pod", POD.name)
    assert message["kubernetes"]["pod_name"] == POD.name


def test_the_first_snapshot_has_no_rates():
    pod = Pod()
    said = pod.say(*measured(cpu=10, received=1000, memory=GIB), moment=UNKNOWN)
    assert set(said) == {
        "pod_cpu_limit",
        "pod_memory_working_set",
        "pod_memory_limit",
        "pod_memory_utilization_over_pod_limit",
    }


def test_a_rate_is_over_the_time_that_its_count_took():
    pod = known()
    said = pod.say(*measured(cpu=13, received=1000, memory=GIB), seconds=60)
    assert said["pod_cpu_usage_total"] == 50


def test_without_a_capacity_there_is_no_percentage():
    pod = Pod()
    pod.say(*measured(cpu=10, received=0, memory=GIB, cores=0), moment=UNKNOWN)
    said = pod.say(*measured(cpu=13, received=0, memory=GIB, cores=0))
    assert set(said) == {
        "pod_cpu_usage_total",
        "pod_memory_working_set",
        "pod_network_rx_bytes",
        "pod_network_tx_bytes",
    }


def test_containers_stand_for_the_pod_where_it_has_no_numbers_of_its_own():
    pod = Pod()
    pod.say(*measured(cpu=10, received=0, memory=GIB, scope="container"), moment=UNKNOWN)
    assert pod.say(*measured(cpu=13, received=0, memory=GIB, scope="container"))["pod_cpu_usage_total"] == 200


def test_include_and_exclude_choose_by_pattern_and_default_stands_for_the_eight():
    more = measured(cpu=13, received=1000, memory=GIB)
    assert set(known(include=("pod_memory_*",)).say(*more)) == {
        *("pod_memory_working_set", "pod_memory_limit", "pod_memory_utilization_over_pod_limit", "pod_memory_rss"),
    }
    assert set(known(exclude=("pod_network_*", "pod_cpu_*")).say(*more)) == {
        *("pod_memory_working_set", "pod_memory_limit", "pod_memory_utilization_over_pod_limit"),
    }
    assert set(known(include=("pod_memory_rss", "default"), exclude=("pod_[cn]*",)).say(*more)) == {
        *("pod_memory_working_set", "pod_memory_limit", "pod_memory_utilization_over_pod_limit", "pod_memory_rss"),
    }
    assert known(include=("something_else",)).say(*more) == {}


def test_rates_after_an_age_limit_are_over_all_that_was_held():
    pod = known()
    pod.say(*measured(cpu=13, received=0, memory=GIB), moment=SAME._replace(too_old=True))
    assert pod.say(*measured(cpu=16, received=0, memory=GIB))["pod_cpu_usage_total"] == 200


def test_a_pod_without_a_cluster_has_all_its_dimensions():
    pod = Pod(POD.__class__(namespace="shop", name="lone", uid="u"))
    pod.say(*measured(cpu=1, received=0, memory=GIB), moment=UNKNOWN)
    longest = max(pod.dimensions("pod_memory_limit"), key=len)
    assert dict(longest) == dict(zip(ALL, ("unknown", "shop", "lone", "fargate"), strict=True))


def test_sums_that_no_float_holds_are_dropped_and_harm_no_other():
    pod = Pod(include=("pod_memory_*",), exclude=("*_limit",))
    huge = family("container_memory_rss", ({"scope": "pod", "a": "1"}, 1.7e308), ({"scope": "pod", "a": "2"}, 1.7e308))
    odd = family(
        "container_memory_cache", ({"scope": "pod", "a": "1"}, math.inf), ({"scope": "pod", "a": "2"}, -math.inf)
    )
    said = pod.say(huge, odd, gauge("container_memory_swap", 5, {"scope": "pod"}), moment=UNKNOWN)
    assert said == {"pod_memory_swap": 5}
    assert pod.dropped == {"not_finite": 2}
