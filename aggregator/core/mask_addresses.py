"""Where addresses stand in a text: of mail, and of hosts.

Room: aggregator core. Never enters: what stands in their place.

Every function takes a text and its ASCII copy (mask_patterns.py), and gives the places of matches, ascending and apart. Each is linear in the text.
"""

import re
from collections.abc import Iterator

_Spans = Iterator[tuple[int, int]]

# An @ and a domain of at least two labels, the last with a letter first (`name@1.2.3` is a version); letters may be of any script.
_AT_DOMAIN = re.compile(r"@(?:[\w-]+\.)+[^\W\d_][\w-]+")
_LOCAL_BACKWARDS = re.compile(r"[\w.%+-]*")
_FIRST_LOOK_CHARS = 64  # what a mailbox's name may have (RFC 5321, 4.5.3.1.1); longer ones are found with further looks
_JSON_ESCAPES = frozenset("nrtbf")

# From the first dot on, which is found quickly: what stands before it is only looked back at.
_OCTET = rb"(?:25[0-5]|2[0-4][0-9]|[01]?[0-9]{1,2})"
_ALONE = rb"(?<![0-9])(?<![0-9]\.)"
_FIRST_OCTETS = b"|".join(
    rb"(?<=" + _ALONE + octet + rb"\.)" for octet in (rb"[0-9]", rb"[0-9]{2}", rb"(?:25[0-5]|2[0-4][0-9]|[01][0-9]{2})")
)
_IPV4_TAIL = re.compile(rb"\.(?:" + _FIRST_OCTETS + rb")" + _OCTET + rb"(?:\." + _OCTET + rb"){2}(?![0-9])(?!\.[0-9])")
_DIGITS = b"0123456789"

_COLONS = re.compile(rb":(?::|(?:[0-9A-Fa-f]{1,4}:){4})")
_HEX_RUN = re.compile(rb"[0-9A-Fa-f:]*")
_HEX = frozenset(b"0123456789abcdefABCDEF:")
_WORD = re.compile(rb"[0-9A-Za-z_]")
_LONG_GROUPS = re.compile(rb"[0-9A-Fa-f]{5,}")
_DOTTED_TAIL = re.compile(rb"(?:\.[0-9]{1,3}){3}(?![0-9])")
_ZONE = re.compile(rb"%(?![0-9A-Fa-f]{2})[0-9A-Za-z]+")  # and not the `%20` of an address in a URL
_ESCAPES = frozenset({b"\\n", b"\\r", b"\\t"})
_IPV6_GROUPS = 8


def emails(text: str, _ascii_copy: bytes) -> _Spans:
    """`name@domain.tld`. What may stand in a name here: letters and digits of any script, and `. _ % + -`."""
    reached = 0
    for found in _AT_DOMAIN.finditer(text):
        at = found.start()
        begin = _behind_escape(text, _local_begin(text, reached, at), at)
        if begin < at:
            yield begin, found.end()
            reached = found.end()


def _local_begin(text: str, floor: int, at: int) -> int:
    """Where the name in front of `@` begins, not before `floor`. Looks at no character twice as often as it is long."""
    look = _FIRST_LOOK_CHARS
    while True:
        begin = max(floor, at - look)
        found = _LOCAL_BACKWARDS.match(text[begin:at][::-1])
        length = found.end() if found else 0
        if length < at - begin or begin == floor:
            return at - length
        look *= 4


def _behind_escape(text: str, begin: int, end: int) -> int:
    r"""In the text of a JSON string `\n` may stand before a name: its `n` belongs to the escape, not to the name."""
    backslashes = 0
    while begin > backslashes and text[begin - 1 - backslashes] == "\\":
        backslashes += 1
    if backslashes % 2 == 0 or begin == end:
        return begin
    if text[begin] in _JSON_ESCAPES:
        return begin + 1
    return begin + 5 if text[begin] == "u" and begin + 5 < end else begin


def ipv4s(_text: str, ascii_copy: bytes) -> _Spans:
    """Four numbers up to 255 with dots between them, that no digit and no further number with a dot stands beside."""
    for found in _IPV4_TAIL.finditer(ascii_copy):
        dot = found.start()
        first = ascii_copy[max(dot - 3, 0) : dot]
        yield dot - len(first) + len(first.rstrip(_DIGITS)), found.end()


def ipv6s(_text: str, ascii_copy: bytes) -> _Spans:
    """Groups of up to four hexadecimal digits with colons between them: eight or more, or fewer with `::`; a dotted end and a zone belong to it.

    More than eight (a fingerprint) count as a whole: which of them are an address, nobody can tell.
    """
    reached = 0
    for found in _COLONS.finditer(ascii_copy):
        if found.start() < reached:
            continue
        begin = found.start()
        while begin > reached and ascii_copy[begin - 1] in _HEX:
            begin -= 1
        end = _end_of(_HEX_RUN, ascii_copy, begin)
        for first, last in _parts(ascii_copy, begin, end):
            if first < last:
                yield first, last
                reached = last
        reached = max(end, reached)


def _parts(ascii_copy: bytes, begin: int, end: int) -> _Spans:
    """The addresses in a run of digits and colons: it is cut at groups that are too long to be any; what belongs to a word is none either."""
    at, is_word = begin, _is_in_word(ascii_copy, begin)
    for group in _LONG_GROUPS.finditer(ascii_copy, begin, end):
        yield _address(
            ascii_copy,
            at + is_word * _first_group(ascii_copy, at, group.start()),
            _last_group(ascii_copy, at, group.start()),
        )
        at, is_word = group.end(), True
    first = at + is_word * _first_group(ascii_copy, at, end)
    if _WORD.match(ascii_copy, end):
        yield _address(ascii_copy, first, _last_group(ascii_copy, first, end))
        return
    yield _address(ascii_copy, first, end, is_open=True)


def _first_group(ascii_copy: bytes, begin: int, end: int) -> int:
    """How long the first group is, with its colon."""
    colon = ascii_copy.find(b":", begin, end)
    return (colon + 1 if colon >= 0 else end) - begin


def _last_group(ascii_copy: bytes, begin: int, end: int) -> int:
    """Where the last group's colon stands."""
    return max(ascii_copy.rfind(b":", begin, end), begin)


def _is_in_word(ascii_copy: bytes, begin: int) -> bool:
    r"""True if a letter stands before it; that of an escape (`\n`) is none."""
    before = ascii_copy[max(begin - 2, 0) : begin]
    return bool(_WORD.match(before[-1:])) and before not in _ESCAPES


def _address(ascii_copy: bytes, begin: int, end: int, *, is_open: bool = False) -> tuple[int, int]:
    """What of these groups is an address; an empty span where none is. is_open: what follows may belong to it."""
    begin += ascii_copy[begin:end].startswith(b":") and not ascii_copy[begin:end].startswith(b"::")
    end -= ascii_copy[begin:end].endswith(b":") and not ascii_copy[begin:end].endswith(b"::")
    tail = _end_of(_DOTTED_TAIL, ascii_copy, end) if is_open and ascii_copy[begin:end][-1:].isdigit() else end
    groups = ascii_copy[begin:end].split(b":")
    count = len(groups) + (tail > end)
    if not (any(groups) and (b"::" in ascii_copy[begin:end] or count >= _IPV6_GROUPS)):
        return begin, begin
    return begin, _end_of(_ZONE, ascii_copy, tail) if is_open else tail


def _end_of(pattern: re.Pattern[bytes], text: bytes, begin: int) -> int:
    """Where the match that begins there ends; `begin` where there is none."""
    found = pattern.match(text, begin)
    return found.end() if found else begin
