import pytest
from hypothesis import given
from hypothesis import strategies as st

from aggregator.core.match import Glob, Match
from towline.wire.identity import Origin, Pod

POD = Pod(namespace="shop", name="web-1", uid="u1", labels={"app": "web", "tier": "front/end"})
ORIGIN = Origin(path="/var/log/app/a.log", container="nginx", source="nginx")


@pytest.mark.parametrize(
    ("glob", "yes", "no"),
    [
        ("/var/log/*.log", "/var/log/a.log", "/var/log/app/a.log"),
        ("/var/log/**/*.log", "/var/log/app/x/a.log", "/var/lib/a.log"),
        ("/var/log/**/*.log", "/var/log/a.log", "/var/log/a.txt"),
        ("/var/log/**", "/var/log/app/a.log", "/var/logs"),
        ("web-?", "web-1", "web-12"),
        ("web-[12]", "web-2", "web-3"),
        ("web-[!12]", "web-3", "web-1"),
        ("[a-c]*", "bee", "dee"),
        ("a.b", "a.b", "axb"),
        ("[", "[", "a"),
        ("[]x]", "]", "a"),
        ("a|b", "a|b", "a"),
        ("*", "", "/"),
    ],
)
def test_globs_are_those_of_a_shell(glob, yes, no):
    assert Glob([glob]).matches(yes)
    assert not Glob([glob]).matches(no)


@given(st.text(alphabet="ab[]!*?-^\\&~|/.{", max_size=8), st.text(alphabet="ab[]/.", max_size=6))
def test_any_text_is_a_glob(glob, value):
    assert Glob([glob]).matches(value) in {True, False}


@given(st.text(max_size=10).filter(lambda text: not set(text) & set("*?[")))
def test_a_text_without_wildcards_matches_itself_alone(text):
    assert Glob([text]).matches(text)
    assert not Glob([text]).matches(text + "x")


@pytest.mark.parametrize(
    ("values", "labels", "matches"),
    [
        ({}, {}, True),
        ({"namespace": ["shop"]}, {}, True),
        ({"namespace": ["bank", "sh*"]}, {}, True),
        ({"namespace": ["bank"]}, {}, False),
        ({"namespace": ["shop"], "pod": ["api-*"]}, {}, False),
        ({"workload": ["web-1"]}, {}, True),
        ({"container": ["nginx"], "source": ["ng*"]}, {}, True),
        ({"service": ["*"]}, {}, True),
        ({"service": ["?*"]}, {}, False),
        ({"path": ["/var/log/app/*"]}, {}, True),
        ({}, {"app": ["web"]}, True),
        ({}, {"app": ["api"]}, False),
        ({}, {"other": ["*"]}, False),
        ({}, {"app": ["web"], "tier": ["front/*"]}, True),
    ],
)
def test_a_stream_matches_if_every_key_does(values, labels, matches):
    assert Match(values, labels).matches(POD, ORIGIN) is matches
