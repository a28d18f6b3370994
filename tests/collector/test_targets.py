import pytest

from collector.core.targets import Target, annotated, is_local, labels_of, told_apart, without_twins
from towline.wire.identity import Pod


def pod(ip="10.1.2.3", **annotations):
    said = {f"prometheus.io/{name}": value for name, value in annotations.items()}
    return Pod(namespace="shop", name="cart-1", uid="u1", ip=ip, workload="cart", annotations=said)


def urls(found):
    return [target.url for target in found[0]]


@pytest.mark.parametrize(
    ("said", "expected"),
    [
        ({"scrape": "true", "port": "9090"}, ["http://127.0.0.1:9090/metrics"]),
        ({"scrape": "TRUE", "port": " 9090 ", "path": "/prom?x=1"}, ["http://127.0.0.1:9090/prom?x=1"]),
        (
            {"scrape": "true", "port": "1,2", "scheme": "https"},
            ["https://127.0.0.1:1/metrics", "https://127.0.0.1:2/metrics"],
        ),
        ({"scrape": "false", "port": "9090"}, []),
        ({"port": "9090"}, []),
    ],
)
def test_annotations_name_endpoints_of_this_pod(said, expected):
    found = annotated(pod(**said))
    assert (urls(found), found[1]) == (expected, [])


@pytest.mark.parametrize(
    ("said", "annotation"),
    [
        ({"scrape": "true"}, "prometheus.io/port"),
        ({"scrape": "true", "port": "http"}, "prometheus.io/port"),
        ({"scrape": "true", "port": "70000"}, "prometheus.io/port"),
        ({"scrape": "true", "port": "80", "path": "metrics"}, "prometheus.io/path"),
        ({"scrape": "true", "port": "80", "path": "/a b"}, "prometheus.io/path"),
        ({"scrape": "true", "port": "80", "path": "/a\r\nx: y"}, "prometheus.io/path"),
        ({"scrape": "true", "port": "80", "scheme": "ftp"}, "prometheus.io/scheme"),
    ],
)
def test_an_annotation_that_cannot_be_followed_is_said(said, annotation):
    targets, faults = annotated(pod(**said))
    assert (targets, [fault.annotation for fault in faults]) == ([], [annotation])


def test_a_bad_port_among_good_ones_costs_only_itself():
    found = annotated(pod(scrape="true", port="80,web,81"))
    assert urls(found) == ["http://127.0.0.1:80/metrics", "http://127.0.0.1:81/metrics"]
    assert len(found[1]) == 1


@pytest.mark.parametrize(
    ("ip", "instance"), [("10.1.2.3", "10.1.2.3:9090"), ("fd00::1", "[fd00::1]:9090"), ("", "cart-1:9090")]
)
def test_the_instance_is_the_pods_own_address_as_localhost_would_be_everybodys(ip, instance):
    labels = dict(labels_of("http://127.0.0.1:9090/metrics", pod(ip), "", {"team": "a"}))
    assert labels == {"job": "cart", "instance": instance, "team": "a"}


def test_an_endpoint_that_is_configured_and_annotated_is_scraped_once_as_configured():
    configured = Target("http://localhost:80/metrics", (("job", "mine"),))
    other = Target("http://127.0.0.1:81/metrics", ())
    assert without_twins([configured, Target("http://127.0.0.1:80/metrics", ()), other]) == [configured, other]


@pytest.mark.parametrize(
    ("url", "local"),
    [
        ("http://127.0.0.1:80/metrics", True),
        ("http://127.8.9.1:80", True),
        ("http://[::1]:80/metrics", True),
        ("http://localhost/metrics", True),
        ("http://10.0.0.1:80/metrics", False),
        ("http://169.254.169.254/latest", False),
        ("http://localhost.example:80", False),
    ],
)
def test_only_localhost_is_the_pods_own(url, local):
    assert is_local(url) is local


def test_of_two_endpoints_under_one_name_the_first_is_scraped_and_the_other_said():
    labels = (("job", "web"), ("instance", "10.0.0.9:9000"))
    first, second = (Target(f"http://127.0.0.1:9000/{path}", labels) for path in ("a", "b"))
    other = Target("http://127.0.0.1:9000/c", (("instance", "10.0.0.9:9000"), ("job", "other")))
    kept, faults = told_apart([first, second, other])
    assert (kept, [one.annotation for one in faults]) == ([first, other], [second.url])
