import orjson
import pytest
from backports import zstd
from hypothesis import given
from hypothesis import strategies as st
from isal import igzip

from aggregator.sinks.datadog.payload import MAX_ENTRY_BYTES, PayloadMaker
from aggregator.sinks.datadog.tags import MAX_TAG_CHARS, service_of, tags_of
from tests.aggregator.sinks.batches import NOW_NS, ORIGIN, POD, batch_of, piece
from tests.fakes.datadog_limits import check_logs
from tests.fakes.datadog_oracles import check_with_client_models
from towline.wire.identity import Origin, Pod


def entries(*pieces, event_ids=False, encoding="identity"):
    payload = PayloadMaker(event_ids=event_ids).make(batch_of(*pieces), encoding)
    return [one.entry for one in check_logs(payload.body, NOW_NS // 1_000_000)]


def test_an_entry_says_what_the_agent_would_say():
    (entry,) = entries(piece([b"GET /"]))
    tags = entry.pop("ddtags").split(",")
    assert entry == {
        "message": "GET /",
        "ddsource": "nginx",
        "service": "storefront",
        "hostname": "web-7d9f8c6b5-x2x4z",
        "status": "info",
        "timestamp": 1_763_848_355_123,
    }
    assert tags == [
        *("env:prod", "service:storefront", "version:1.2.3", "kube_cluster_name:main", "kube_namespace:shop"),
        *("pod_name:web-7d9f8c6b5-x2x4z", "kube_container_name:nginx", "kube_replica_set:web-7d9f8c6b5"),
        *("kube_deployment:web", "kube_ownerref_kind:replicaset", "kube_ownerref_name:web-7d9f8c6b5"),
        *("region:eu-west-1", "aws_account:123456789012", "filename:access.log", "dirname:/var/log/app", "team:web"),
    ]


def test_the_official_clients_model_takes_every_entry():
    check_with_client_models(entries(piece([b"a", b"", b"\x00\xff"]), piece([b"b"], partial=True), event_ids=True))


def test_the_service_is_configured_else_labelled_else_the_workload():
    own = {"tags.datadoghq.com/nginx.service": "edge"}
    bare = Pod(namespace="n", name="p", uid="u", workload="w")
    assert service_of(POD, Origin(path="/x", service="said")) == "said"
    assert service_of(Pod(namespace="n", name="p", uid="u", labels=own), ORIGIN) == "edge"
    assert service_of(bare, ORIGIN) == "w"


@given(st.dictionaries(st.text(max_size=8), st.text(max_size=300), max_size=3), st.text(max_size=40))
def test_no_tag_can_make_another_or_grow_long(labels, tag):
    labels = {
        f"app.kubernetes.io/{name}": value for name, value in zip(("name", "version"), labels.values(), strict=False)
    }
    pod = Pod(namespace="n,env:x", name="p", uid="u", labels=labels)
    tags = tags_of(pod, Origin(path="/a,b/c d.log", tags=(tag,)))
    assert ",".join(tags).split(",") == tags
    assert all(0 < len(one) <= MAX_TAG_CHARS and " " not in one for one in tags)
    assert "kube_namespace:n_env:x" in tags


@pytest.mark.parametrize("encoding", ["zstd", "gzip", "identity"])
def test_the_same_batch_always_gives_the_same_bytes_whatever_went_before(encoding):
    used, one, other = PayloadMaker(event_ids=False), batch_of(piece([b"a"] * 50)), batch_of(piece([b"b"] * 900))
    used.make(other, encoding)
    assert used.make(one, encoding) == PayloadMaker(event_ids=False).make(one, encoding)


def test_both_encodings_hold_the_same_body():
    batch = batch_of(piece([b"a"] * 50))
    bodies = [PayloadMaker(event_ids=False).make(batch, how).body for how in ("zstd", "gzip", "identity")]
    assert zstd.decompress(bodies[0]) == igzip.decompress(bodies[1]) == bodies[2]
    assert zstd.get_frame_info(bodies[0]).decompressed_size == len(bodies[2])


def test_parts_of_lines_are_marked():
    whole = entries(piece([b"a", b"b", b"c"], partial=True, continues=True))
    assert [one.get("towline_continues") for one in whole] == [True, None, None]
    assert [one.get("towline_partial") for one in whole] == [None, None, True]


def test_event_ids_are_those_of_the_slice():
    one = piece([b"a", b"\x7f", b"c"], start=100)
    assert [entry["evt_id"] for entry in entries(one, event_ids=True)] == one.event_ids()


@pytest.mark.parametrize("line", [b"x" * 1_048_576, b"\x01" * 400_000, b"\xff" * 900_000])
def test_an_over_long_line_is_cut_with_a_mark_and_its_neighbours_are_not(line):
    payload = PayloadMaker(event_ids=False).make(batch_of(piece([b"before", line, b"after"])), "identity")
    accepted = check_logs(payload.body, NOW_NS // 1_000_000)
    assert payload.truncated == 1
    assert [len(one.entry["message"]) for one in (accepted[0], accepted[2])] == [6, 5]
    assert accepted[1].entry["message"].endswith("...TRUNCATED...")
    assert MAX_ENTRY_BYTES - 10 <= accepted[1].size_bytes <= MAX_ENTRY_BYTES


def test_long_lines_that_fit_are_left_alone():
    payload = PayloadMaker(event_ids=False).make(batch_of(piece([b"x" * 150_000] * 20)), "identity")
    assert (payload.truncated, payload.too_large) == (0, False)
    assert len(check_logs(payload.body, NOW_NS // 1_000_000)) == 20


def test_what_one_request_may_not_hold_is_known_before_it_is_sent():
    maker = PayloadMaker(event_ids=False)
    assert maker.make(batch_of(piece([b"x"] * 1001)), "zstd").too_large
    assert maker.make(batch_of(piece([b"\x01" * 2000] * 900)), "zstd").too_large
    assert not maker.make(batch_of(piece([b"x"] * 1000)), "zstd").too_large


def test_lines_of_several_pods_keep_their_own_members():
    other = Pod(namespace="n2", name="p2", uid="u2")
    found = entries(piece([b"a", b"b"]), piece([b"c"], pod=other), piece([b"d"]))
    assert [(one["message"], one["hostname"]) for one in found] == [
        *(("a", POD.name), ("b", POD.name)),
        *(("c", "p2"), ("d", POD.name)),
    ]


@given(
    st.lists(st.binary(max_size=30).map(lambda line: line.replace(b"\n", b"")), min_size=1, max_size=20), st.booleans()
)
def test_every_line_arrives_as_itself(lines, event_ids):
    found = [orjson.loads(orjson.dumps(one["message"])) for one in entries(piece(lines), event_ids=event_ids)]
    assert found == [line.removesuffix(b"\r").decode("utf-8", "replace") for line in lines]
