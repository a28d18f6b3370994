"""What the ready masks look for: a sign that RE2 finds quickly in many lines at once, and where exactly the matches are.

Room: aggregator core. Never enters: what stands in their place.

Places are found in an ASCII copy of the text, as long as the text itself, with a question mark for every other character: so a place in one is a place
in the other. Texts come joined by line feeds or other control characters: no pattern here matches one.
"""

import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from functools import cache

from aggregator.core.mask_addresses import emails, ipv4s, ipv6s
from aggregator.core.regex.wide import compiled

Spans = Iterable[tuple[int, int]]  # ascending, apart


@dataclass(frozen=True, slots=True)
class Kind:
    """sign: RE2; a text without it holds no match. spans: the matches in a text, of which the second argument is the ASCII copy."""

    sign: str
    spans: Callable[[str, bytes], Spans]


_wide = cache(compiled)  # by the first mask that looks for it

# 13 to 19 digits, single blanks or dashes between them.
_DIGITS = rb"[0-9](?:[ -]?[0-9]){12,}"
_DIGIT_GROUPS = re.compile(rb"[0-9]+")
_MAX_CARD_DIGITS = 19
# Prefixes and lengths by scheme, as their registries publish them (ISO/IEC 7812 issuer identification numbers).
_CARD = re.compile(
    rb"4(?:[0-9]{12}|[0-9]{15}|[0-9]{18})"  # Visa
    rb"|(?:5[1-5][0-9]{2}|222[1-9]|22[3-9][0-9]|2[3-6][0-9]{2}|27[01][0-9]|2720)[0-9]{12}"  # Mastercard
    rb"|3[47][0-9]{13}"  # American Express
    rb"|3(?:0[0-5]|095|[689][0-9])[0-9]{11,16}"  # Diners Club
    rb"|35(?:2[89]|[3-8][0-9])[0-9]{12,15}"  # JCB
    rb"|6(?:011|4[4-9][0-9]|5[0-9]{2}|2[0-9]{2})[0-9]{12,15}"  # Discover, UnionPay
    rb"|(?:50[0-9]{2}|5[6-8][0-9]{2}|6[0-9]{3})[0-9]{9,15}"  # Maestro
)
# Each digit to the sum of the digits of its double.
_DOUBLED = bytes.maketrans(b"0123456789", bytes(48 + sum(divmod(2 * digit, 10)) for digit in range(10)))

_JWT = rb"eyJ[A-Za-z0-9_-]*\.[A-Za-z0-9_-]+\.[A-Za-z0-9_-]*(?:\.[A-Za-z0-9_-]+)*"
_BEARER = rb"(?i:bearer)(?:[ \t]+|%20)([A-Za-z0-9._~+/=-]+)"
# Behind the name stand at most eight characters that are no part of a key: quotes, a colon, an equals sign, blanks, brackets.
_AWS_KEY = (
    rb"((?:AKIA|ASIA|ABIA|ACCA)[A-Z0-9]{16,})"
    rb"|(?i:secret[ _.-]?(?:access)?[ _.-]?key)[^A-Za-z0-9/+\x00-\x08\x0a-\x1f\x7f]{1,8}((?:[A-Za-z0-9+/=]|\\/){40,})"
    rb"|(?i:(?:session|security)[ _.-]?token)[^A-Za-z0-9/+\x00-\x08\x0a-\x1f\x7f]{1,8}((?:[A-Za-z0-9+/=]|\\/){100,})"
)


def _credit_cards(_text: str, ascii_copy: bytes) -> Spans:
    """Runs of 13 to 19 digits with the prefix and length of a scheme and the right check digit, which no digit stands beside."""
    for found in _wide(_DIGITS).finditer(ascii_copy):
        if _is_card(found[0].replace(b" ", b"").replace(b"-", b"")):
            yield found.start(), found.end()
            continue
        groups = [group.span() for group in _DIGIT_GROUPS.finditer(ascii_copy, found.start(), found.end())]
        begun = reached = -1
        for first, (begin, _) in enumerate(groups):
            end = _card_end(ascii_copy, groups, first)
            if begin > reached >= 0:
                yield begun, reached
                begun = reached = -1
            if end:
                begun, reached = begin if begun < 0 else begun, max(end, reached)
        if reached >= 0:
            yield begun, reached


def _card_end(ascii_copy: bytes, groups: list[tuple[int, int]], first: int) -> int:
    """The end of the longest card number that begins with this group of digits; 0 where none does."""
    digits, longest = b"", 0
    for begin, end in groups[first : first + _MAX_CARD_DIGITS]:
        digits += ascii_copy[begin:end]
        if len(digits) > _MAX_CARD_DIGITS:
            break
        if _is_card(digits):
            longest = end
    return longest


def _is_card(digits: bytes) -> bool:
    return _CARD.fullmatch(digits) is not None and has_check_digit(digits)


def has_check_digit(digits: bytes) -> bool:
    """By Luhn's formula (ISO/IEC 7812-1, annex B)."""
    total = sum(digits[-1::-2]) + sum(digits[-2::-2].translate(_DOUBLED)) - ord("0") * len(digits)
    return total % 10 == 0


def _groups_of(pattern: bytes) -> Callable[[str, bytes], Spans]:
    """The whole match, or the group that took part in it."""

    def spans(_text: str, ascii_copy: bytes) -> Spans:
        for found in _wide(pattern).finditer(ascii_copy):
            group = found.lastindex or 0
            yield found.start(group), found.end(group)

    return spans


READY: Mapping[str, Kind] = {
    "email": Kind("@", emails),
    "credit_card": Kind(r"[0-9](?:[ -]?[0-9]){12}", _credit_cards),
    "ipv4": Kind(r"[0-9]\.[0-9]{1,3}\.[0-9]{1,3}\.[0-9]", ipv4s),
    "ipv6": Kind("::|(?::[0-9A-Fa-f]{1,4}){4}:", ipv6s),
    "aws_key": Kind("AKIA|ASIA|ABIA|ACCA|(?i:secret|token)", _groups_of(_AWS_KEY)),
    "jwt": Kind("eyJ", _groups_of(_JWT)),
    "bearer": Kind("(?i:bearer)", _groups_of(_BEARER)),
}
