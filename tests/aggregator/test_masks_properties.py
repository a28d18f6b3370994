"""Masks never leave a byte of what they match, nor hang, whatever stands around it."""

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from aggregator.core.mask_patterns import READY, has_check_digit
from aggregator.core.masks import Masks, own_mask, ready_mask

ALL = tuple(READY)
JWT = "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxIn0.dozjgNryP4J3jVmNHl0w5N"
CARDS = ("4111111111111111", "4111 1111 1111 1111", "3782-822463-10005", "6011111111111117", "4222222222222")
KEYS = ("AKIAIOSFODNN7EXAMPLE", "secret_key=wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY")

secrets = st.one_of(
    st.emails(domains=st.sampled_from(["example.com", "a-b.co.uk", "x.io"])),
    st.ip_addresses(v=4).map(str),
    st.ip_addresses(v=6).map(str),
    st.ip_addresses(v=6).map(lambda one: one.exploded),
    st.sampled_from((*CARDS, *KEYS, JWT, f"Bearer {JWT}", "bearer x", "::1", "a@b.io")),
)
around = st.text(" .,:;-_/\\\"'@%=+[]{}()\n\t0145afnxzBeyJé日", max_size=5)
mixed = st.lists(secrets | around, max_size=8).map("".join)


def found(name, text):
    return list(READY[name].spans(text, text.encode("ascii", "replace")))


@settings(max_examples=66, deadline=None)
@given(mixed, st.permutations(ALL), st.integers(1, len(ALL)))
@example("1:2:3:4:5:6:10.0.0.1", list(ALL), 7)
@example("trace:2001:db8::1:deadbeef::2", list(ALL), 7)
@example("1 4111111111111111 2 4111111111111111", list(ALL), 7)
def test_after_masks_there_is_nothing_left_that_they_would_find(text, names, count):
    masks = Masks([ready_mask(name) for name in names[:count]])
    made = masks.text(text)
    assert {name: found(name, made) for name in names[:count]} == {name: [] for name in names[:count]}
    assert masks.text(made) is made


@settings(max_examples=66, deadline=None)
@given(mixed, st.sampled_from(ALL))
def test_what_is_found_is_replaced_and_all_else_stays(text, name):
    expected = text
    while places := found(name, expected):  # what stood beside a match may be one afterwards
        for (begin, end), behind in zip(places, [*(begin for begin, _ in places[1:]), len(expected)], strict=True):
            assert begin < end <= behind
        for begin, end in reversed(places):
            expected = f"{expected[:begin]}[{name.upper()}]{expected[end:]}"
    assert Masks([ready_mask(name)]).text(text) == expected


@settings(max_examples=66, deadline=None)
@given(st.lists(mixed, max_size=6), st.sets(st.sampled_from(ALL), min_size=1))
def test_many_texts_are_masked_as_each_is_alone(texts, names):
    masks = Masks([*(ready_mask(name) for name in sorted(names)), own_mask("5+$", "<>"), own_mask("[ab]+", "-")])
    alone = [masks.text(text) for text in texts]
    assert list(masks.texts(texts)) == alone
    assert masks.fields(dict(enumerate(texts))) == dict(enumerate(alone))
    assert masks.each([{"a": text, "b": [text]} for text in texts]) == [{"a": one, "b": [one]} for one in alone]


@settings(max_examples=50, deadline=None)
@given(mixed, st.sampled_from(ALL))
def test_a_mask_that_finds_something_says_so_beforehand(text, name):
    if found(name, text):
        assert Masks([ready_mask(name)]).may_match(text)


@settings(max_examples=50, deadline=None)
@given(
    st.ip_addresses(),
    st.sampled_from(["", " ", "[", "(", "=", '"', "/", ",", "@"]),
    st.sampled_from(["", " ", "]", ")", "/24", '"', ",", "."]),
)
def test_every_address_is_found(address, before, after):
    masks = Masks([ready_mask("ipv4"), ready_mask("ipv6")])
    for written in {str(address), address.exploded, str(address).upper()} - {"::"}:
        assert masks.text(before + written + after) == f"{before}[IPV{address.version}]{after}"


@settings(max_examples=50, deadline=None)
@given(st.text("0123456789.", max_size=16))
@example("256.1.1.1")
@example("1.2.3.004")
def test_what_is_masked_as_one_address_has_four_numbers_up_to_255(text):
    if Masks([ready_mask("ipv4")]).text(text) == "[IPV4]":
        octets = [int(octet) for octet in text.split(".")]
        assert len(octets) == 4
        assert max(octets) <= 255


@settings(max_examples=50, deadline=None)
@given(st.sampled_from(["4", "51", "34", "6011", "3528", "2221"]), st.data())
def test_every_card_with_the_right_check_digit_is_found_however_it_is_grouped(prefix, data):
    length = 15 if prefix == "34" else 16
    body = prefix + data.draw(
        st.text("0123456789", min_size=length - 1 - len(prefix), max_size=length - 1 - len(prefix))
    )
    digits = next(body + str(last) for last in range(10) if has_check_digit(f"{body}{last}".encode()))
    written = "".join(digit + data.draw(st.sampled_from(["", "", "", " ", "-"])) for digit in digits[:-1]) + digits[-1]
    assert Masks([ready_mask("credit_card")]).text(f"card {written}.") == "card [CREDIT_CARD]."


@pytest.mark.parametrize(
    "piece", ["eyJ", "1:", ":", "a@", "@a.", "4 ", "1.", "a.", "AKIA", "secret", "bearer ", "%", "1111-"]
)
def test_no_text_holds_masks_up(piece):
    masks = Masks([ready_mask(name) for name in ALL])
    assert masks.text(piece * 30_000)
