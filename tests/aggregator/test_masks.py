"""Masks: what each finds and what it lets pass, and how they work over many texts and fields."""

from pathlib import Path

import pytest
import yaml

from aggregator.core.masks import Masks, own_mask, ready_mask

ALL = ("email", "credit_card", "ipv4", "ipv6", "aws_key", "jwt", "bearer")
SECRET = "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY"  # the example of AWS' own documentation
JWT = "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxIn0.dozjgNryP4J3jVmNHl0w5N"


def masked(name, text):
    return Masks([ready_mask(name)]).text(text)


@pytest.mark.parametrize(
    ("name", "text", "expected"),
    [
        ("email", "mail to foo.bar+x@example.co.uk.", "mail to [EMAIL]."),
        ("email", "email=a@b.io,c_d@e-f.org", "email=[EMAIL],[EMAIL]"),
        ("email", "zoë.müller@exämple.de", "[EMAIL]"),
        ("email", "<x@y.zz>", "<[EMAIL]>"),
        ("email", "a" * 300 + "@example.com", "[EMAIL]"),
        ("email", r'{"msg":"hello\nfoo@example.com"}', r'{"msg":"hello\n[EMAIL]"}'),
        ("email", r'{"msg":"C:\\new@example.com"}', r'{"msg":"C:\\[EMAIL]"}'),
        ("email", r'"\u00e9foo@example.com"', r'"\u00e9[EMAIL]"'),
        ("credit_card", "card 4111111111111111 ok", "card [CREDIT_CARD] ok"),
        ("credit_card", "4111 1111 1111 1111 12/27", "[CREDIT_CARD] 12/27"),
        ("credit_card", "amount 100 4111-1111-1111-1111", "amount 100 [CREDIT_CARD]"),
        (
            "credit_card",
            "378282246310005, 6011111111111117; 3530111333300000",
            "[CREDIT_CARD], [CREDIT_CARD]; [CREDIT_CARD]",
        ),
        ("credit_card", "30569309025904 5555555555554444", "[CREDIT_CARD] [CREDIT_CARD]"),
        ("ipv4", "from 10.0.0.1:8080, 255.255.255.255.", "from [IPV4]:8080, [IPV4]."),
        ("ipv4", "host/127.0.0.1 x.10.0.0.1 v1.2.3.4", "host/[IPV4] x.[IPV4] v[IPV4]"),
        ("ipv6", "2001:db8::1 [::1]:80 fe80::1%eth0: up", "[IPV6] [[IPV6]]:80 [IPV6]: up"),
        ("ipv6", "client:2001:db8:0:0:0:0:2:1", "client:[IPV6]"),
        ("ipv6", "::ffff:10.0.0.1 1:2:3:4:5:6:7:8 1:2:3:4:5:6:10.0.0.1", "[IPV6] [IPV6] [IPV6]"),
        ("ipv6", r"a\n2001:db8::1", r"a\n[IPV6]"),
        ("ipv6", "ip=2001:DB8::/32", "ip=[IPV6]/32"),
        ("aws_key", "id AKIAIOSFODNN7EXAMPLE", "id [AWS_KEY]"),
        ("aws_key", f"AWS_SECRET_ACCESS_KEY={SECRET}", "AWS_SECRET_ACCESS_KEY=[AWS_KEY]"),
        ("aws_key", f'{{"SecretAccessKey": "{SECRET}"}}', '{"SecretAccessKey": "[AWS_KEY]"}'),
        ("aws_key", f"aws_session_token = {'Ab/9' * 40}==", "aws_session_token = [AWS_KEY]"),
        ("jwt", f"token={JWT};", "token=[JWT];"),
        ("jwt", "eyJhbGciOiJub25lIn0.eyJzdWIiOiIxIn0.", "[JWT]"),
        ("bearer", "Authorization: Bearer abc.def-1==", "Authorization: Bearer [BEARER]"),
        ("bearer", '"authorization":"bEARER  xyz"', '"authorization":"bEARER  [BEARER]"'),
    ],
)
def test_it_masks(name, text, expected):
    assert masked(name, text) == expected
    assert masked(name, expected) == expected


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("email", "lodash@4.17.21 user@localhost @scope/name.js a＠example.com @foo.bar"),  # noqa: RUF001 - a full-width @ is none
        ("credit_card", "4111111111111112 1234567890123456 1700000000000 14111111111111111 4111  1111  1111  1111"),
        ("credit_card", "٤١١١١١١١١١١١١١١١"),
        ("ipv4", "1.2.3 256.1.1.1 1.2.3.4.5 1.1.1.1111 \u0661.\u0662.\u0663.\u0664"),
        ("ipv6", "01:50:07 std::string Foo::Abc a::z :: 00:1a:2b:3c:4d:5e 1:2:3:4:5:6:7 deadbeef::x"),
        ("aws_key", f"AKIA1234 {SECRET} the secret key of AKIA"),
        ("jwt", "eyJhbGciOiJIUzI1NiJ9 eyJ.x eyJeyJeyJ"),
        ("bearer", "Bearer, bearertoken, the bearer: Bearer"),
    ],
)
def test_it_lets_pass(name, text):
    assert masked(name, text) is text


def test_several_masks_work_one_after_the_other():
    masks = Masks([ready_mask(name) for name in ALL])
    text = f"a@b.io 10.0.0.1 ::1 4111111111111111 Bearer {JWT} 1:2:3:4:5:6:10.0.0.1"
    assert masks.text(text) == "[EMAIL] [IPV4] [IPV6] [CREDIT_CARD] Bearer [JWT] [IPV6]"


def test_each_text_is_masked_as_if_it_stood_alone():
    masks = Masks([ready_mask("credit_card"), ready_mask("email"), own_mask("^b$", "x")])
    texts = ["4111 1111", "1111 1111", "b", "a", "@b.io", "ab", "a@b.io"]
    assert masks.texts(texts) == ["4111 1111", "1111 1111", "x", "a", "@b.io", "ab", "[EMAIL]"]


@pytest.mark.parametrize("texts", [["a\nb@c.io", "d"], ["a\n\x7f", "b@c.io"], ["\n\x7f\x1e", "b@c.io"], ["b@c.io"], []])
def test_texts_may_hold_anything(texts):
    masks = Masks([ready_mask("email")])
    assert list(masks.texts(texts)) == [masks.text(text) for text in texts]


def test_texts_without_anything_to_mask_are_the_same_objects():
    masks = Masks([ready_mask("email"), own_mask("secret")])
    texts = ["plain", "lines"]
    assert masks.texts(texts) is texts
    mixed = ["plain", "a@b.io"]
    assert masks.texts(mixed)[0] is mixed[0]
    fields = {"a": {"b": ["c", 1]}}
    assert masks.fields(fields) is fields


def test_fields_are_masked_however_deep_and_names_are_not():
    masks = Masks([ready_mask("email")])
    fields = {"a@b.io": 1, "user": {"mail": "a@b.io", "n": 4.5}, "to": ["x", ["a@b.io", None, True]], "z": "a@b.io z"}
    before = repr(fields)
    assert masks.fields(fields) == {
        "a@b.io": 1,
        "user": {"mail": "[EMAIL]", "n": 4.5},
        "to": ["x", ["[EMAIL]", None, True]],
        "z": "[EMAIL] z",
    }
    assert repr(fields) == before


def test_fields_may_be_nested_deeper_than_calls():
    deep = {"x": "a@b.io"}
    for _ in range(5000):
        deep = {"x": [deep]}
    made = Masks([ready_mask("email")]).fields(deep)
    for _ in range(5000):
        made = made["x"][0]
    assert made == {"x": "[EMAIL]"}


def test_of_many_events_only_those_with_something_to_mask_are_copied():
    several = [{"a": "x"}, None, {"a": "a@b.io", "b": "y"}]
    made = Masks([ready_mask("email")]).each(several)
    assert made == [{"a": "x"}, None, {"a": "[EMAIL]", "b": "y"}]
    assert made[0] is several[0]


def test_what_may_match_is_told_beforehand():
    masks = Masks([ready_mask("email"), own_mask(r"ssn=\d+")])
    assert masks.may_match("a@b.io")
    assert masks.may_match("ssn=1")
    assert not masks.may_match("plain")
    assert Masks([own_mask("^ssn")]).may_match("of that nobody can tell by a text that it is a part of")


def test_an_own_mask_may_keep_groups():
    masks = Masks(
        [own_mask(r"(?<key>password|pin)=\S+", r"\g<key>=***"), own_mask(r"(\d{3})-\d{2}-(\d{4})", r"\1-**-\2")]
    )
    assert masks.text("pin=1 password=x 123-45-6789") == "pin=*** password=*** 123-**-6789"


def test_a_replacement_may_hold_a_line_feed():
    assert Masks([own_mask("b", "\n")]).texts(["abc", "b"]) == ["a\nc", "\n"]


@pytest.mark.parametrize(
    ("make", "said"),
    [
        (lambda: ready_mask("mail"), "there is no mask 'mail'. Use one of: aws_key, bearer, credit_card, email, ipv4"),
        (lambda: own_mask("x*"), "the pattern also matches where nothing stands. Let it ask"),
        (lambda: own_mask("x", r"\1"), "the pattern has no group '1'. Refer to"),
        (lambda: own_mask("("), "not a regular expression"),
    ],
)
def test_what_is_refused_says_why(make, said):
    with pytest.raises(ValueError, match=said):
        make()


def test_the_masks_of_the_guide_are_masks():
    guide = (Path(__file__).parents[2] / "docs" / "guides" / "masks.md").read_text()
    example = yaml.safe_load(guide.split("```yaml\n")[1].split("```")[0])
    asked = [rule["mask"] for rule in example["routes"][0]["rules"]]
    ready, own, ssn = (
        Masks(
            [ready_mask(name) for name in one]
            if isinstance(one, list)
            else [own_mask(one["pattern"], one["replacement"])]
        )
        for one in asked
    )
    assert ready.text("a@b.io 10.0.0.1") == "[EMAIL] [IPV4]"
    assert own.text("pin=1 password=x") == "pin=*** password=***"
    assert ssn.text("123-45-6789") == "***-**-6789"
    assert {line.split("`")[1] for line in guide.splitlines() if line.startswith("| `")} == set(ALL)
