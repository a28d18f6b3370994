"""Onigmo's regular expressions (Ruby's syntax, which Fluent Bit uses) in the words of Python's, as our routes and parsers take them.

Room: fluent_bit. Never enters: what a pattern is for. Source: Onigmo's doc/RE.

Where both say the same, the text stays as it is. What only a backtracking engine can do (look-around, back references) is
refused: our engine takes time linear in the text, whatever a line holds.
"""

import re
from typing import NamedTuple

# Escapes that mean the same to both. All other letters stand for themselves in Onigmo, and are an error in Python.
_SAME = frozenset("dDwWsSbBnrtfv0")
_ESCAPES = {
    "h": "[0-9a-fA-F]",
    "H": "[^0-9a-fA-F]",
    "R": r"(?:\r\n|[\n\v\f\r])",
    "z": r"\Z",
    "e": r"\x1b",
    "a": r"\x07",
}
_ESCAPES |= {"A": r"\A", "Z": r"(?:\n?\Z)"}
_SPECIAL = frozenset(r"\.^$*+?{}[]|()-&~#")
_REFUSED_ESCAPES = {
    "k": "goes back to what a group matched",
    "g": "calls a group",
    "G": "goes on from the last match",
    "K": "keeps what is before it out",
    "X": "matches a whole grapheme",
}
_POSIX = {
    "alnum": "0-9a-zA-Z",
    "alpha": "a-zA-Z",
    "ascii": r"\x00-\x7f",
    "blank": r" \t",
    "cntrl": r"\x00-\x1f\x7f",
    "digit": "0-9",
    "graph": r"!-~\u00a1-\U0010ffff",
    "lower": "a-z",
    "print": r" -~\u00a0-\U0010ffff",
    "punct": r"!-/:-@\[-`{-~",
    "space": r"\s",
    "upper": "A-Z",
    "word": r"\w",
    "xdigit": "0-9a-fA-F",
}
# What these mean beyond ASCII cannot be said in few words.
_OF_LETTERS = frozenset(("alnum", "alpha", "lower", "upper", "word"))
_GROUP = re.compile(
    r"\(\?(?:<(?P<name>[A-Za-z_]\w*)>|'(?P<quoted>[A-Za-z_]\w*)'|(?P<flags>[imx]*(?:-[imx]+)?)(?P<end>[:)])|(?P<what><[=!]|[=!>#~(<]))"
)
_REFUSED_GROUPS = {
    "=": "looks ahead",
    "!": "looks ahead",
    "<=": "looks back",
    "<!": "looks back",
    "~": "is an absence operator",
    "(": "is a condition",
    "<": "has a name that is not of letters, digits and _",
}
_QUANTIFIER = re.compile(r"[*+?]|\{\d*,?\d*\}")
_PROPERTY = re.compile(r"[pP]\{(\^?)(\w+)\}")
_NUMBERS = re.compile(r"x\{([0-9a-fA-F]{1,6})\}|x[0-9a-fA-F]{2}|u[0-9a-fA-F]{4}")
_WRAPPED = re.compile(r"/(.*)/([imxo]*)", re.DOTALL)
_FIX = "Write it without"


class Translated(NamedTuple):
    """`pattern` in Python's syntax; `notes`: where it may match more than the original did, or less."""

    pattern: str
    notes: tuple[str, ...] = ()


def translate(pattern: str, *, lines: bool = False) -> Translated:
    """`pattern`, as it stands or between slashes with options behind. `lines`: the text may hold several.

    Raises ValueError, which says what is wrong and what to do.
    """
    wrapped = _WRAPPED.fullmatch(pattern)
    body, options = (wrapped[1], wrapped[2]) if wrapped else (pattern, "")
    reader = _Reader(body)
    made = reader.read()
    # Ruby's `m` is Python's `s`; its `^` and `$` are those of every line, always.
    flags = "".join(_flag(letter) for letter in dict.fromkeys(options) if letter != "o")
    if lines and re.search(r"(?<!\\)[\^$]", made):
        flags += "m"
    made = f"(?{flags})" + made if flags else made
    try:
        re.compile(re.sub(r"\(\?<(?=[A-Za-z_])", "(?P<", made))
    except (re.error, OverflowError, RecursionError) as error:
        raise ValueError(f"is no regular expression: {error}. Correct it") from None
    return Translated(made, tuple(dict.fromkeys(reader.notes)))


def _flag(letter: str) -> str:
    return {"m": "s"}.get(letter, letter)


class _Reader:
    """Reads from left to right, once."""

    def __init__(self, text: str) -> None:
        self._text, self._at = text, 0
        self._made: list[str] = []
        self.notes: list[str] = []

    def read(self) -> str:
        while self._at < len(self._text):
            letter = self._text[self._at]
            if letter == "\\":
                self._made.append(self._escape(in_class=False))
            elif letter == "[":
                self._made.append(f"[{self._class()}]")
            elif self._text.startswith("(?", self._at):
                self._made.append(self._group())
            elif quantifier := self._quantifier():
                self._made.append(quantifier)
            else:
                self._made.append(letter)
                self._at += 1
        return "".join(self._made)

    def _quantifier(self) -> str:
        """`++`, `*+`, `?+` take what they can and give nothing back: without that they find at least the same."""
        match = _QUANTIFIER.match(self._text, self._at)
        if match is None or match[0] in {"{}", "{,}"}:
            return ""
        self._at = match.end()
        if match[0] in "*+?" and self._text[self._at : self._at + 1] == "+":
            self._at += 1
            self.notes.append("a possessive quantifier became a greedy one, which may match more lines")
        return match[0].replace("{,", "{0,")

    def _group(self) -> str:
        match = _GROUP.match(self._text, self._at)
        if match is None:
            raise _cannot(f"(?{self._text[self._at + 2 : self._at + 3]}", "is not known", "it")
        begins, self._at = self._at == 0, match.end()
        name = match["name"] or match["quoted"]
        if name:
            return f"(?<{name}>"
        if match["what"] == "#":
            self._at = self._text.find(")", self._at) + 1 or len(self._text)
            return ""
        if match["what"] == ">":
            self.notes.append("an atomic group became a plain one, which may match more lines")
            return "(?:"
        if match["what"]:
            raise _cannot(match[0], _REFUSED_GROUPS[match["what"]], "it")
        flags = match["flags"].replace("m", "s")
        if match["end"] == ")" and not begins:
            raise _cannot(match[0], "switches options in the middle", "it, or write (?i:...) around what it is for")
        return f"(?{flags}{match['end']}"

    def _escape(self, *, in_class: bool) -> str:
        letter = self._text[self._at + 1 : self._at + 2]
        if number := _NUMBERS.match(self._text, self._at + 1):
            self._at = number.end()
            return _numbered(number)
        if named := _PROPERTY.match(self._text, self._at + 1):
            self._at = named.end()
            return _property(named, in_class=in_class)
        self._at += 2
        if letter in _REFUSED_ESCAPES or (letter in "123456789" and letter and not in_class):
            raise _cannot(f"\\{letter}", _REFUSED_ESCAPES.get(letter, "goes back to what a group matched"), "it")
        if letter in _ESCAPES:
            return _in_class(letter) if in_class else _ESCAPES[letter]
        if letter in _SAME:
            return f"\\{letter}"
        return f"\\{letter}" if letter in _SPECIAL or not letter else letter

    def _class(self) -> str:
        """What is between `[` and its `]`; sets within sets are put together."""
        self._at += 1
        made = []
        if self._text.startswith("^", self._at):
            made.append("^")
            self._at += 1
        if self._text.startswith("]", self._at):
            made.append(r"\]")
            self._at += 1
        while self._at < len(self._text):
            letter = self._text[self._at]
            if letter == "]":
                self._at += 1
                return "".join(made)
            made.append(self._in_class(letter))
        raise ValueError("has a [ without its ]. Correct it")

    def _in_class(self, letter: str) -> str:
        if letter == "\\":
            return self._escape(in_class=True)
        if self._text.startswith("&&", self._at):
            raise _cannot("&&", "is what two sets have in common", "it")
        posix = re.compile(r"\[:(\^?)(\w+):\]").match(self._text, self._at)
        if posix:
            self._at = posix.end()
            if posix[1] or posix[2] not in _POSIX:
                raise _cannot(posix[0], "is a set that has no other name here", "it")
            if posix[2] in _OF_LETTERS:
                self.notes.append(f"[:{posix[2]}:] means letters of ASCII alone")
            return _POSIX[posix[2]]
        if letter == "[":
            inner = self._class()
            if inner.startswith("^"):
                raise _cannot("[^...] within a set", "takes away from it", "it")
            return inner
        self._at += 1
        return re.escape(letter) if letter in "&~|" else letter


def _in_class(letter: str) -> str:
    """An escape within a set, where it cannot be a set of its own."""
    made = _ESCAPES[letter]
    if letter == "h":
        return made[1:-1]
    if made.startswith("\\x"):
        return made
    if letter in "zZAR":
        return letter
    raise _cannot(f"\\{letter} within a set", "takes away from it", "it")


def _numbered(match: re.Match[str]) -> str:
    if match[1] is None:
        return f"\\{match[0]}"
    code = int(match[1], 16)
    return f"\\x{code:02x}" if code < 0x100 else f"\\u{code:04x}" if code < 0x10000 else f"\\U{code:08x}"


def _property(found: re.Match[str], *, in_class: bool) -> str:
    name = found[2].lower()
    if name not in _POSIX:
        raise _cannot(f"\\{found[0]}", "is a property that is not known here", "it")
    negated = found[0].startswith("P") != bool(found[1])
    if in_class and negated:
        raise _cannot(f"\\{found[0]} within a set", "takes away from it", "it")
    return _POSIX[name] if in_class else f"[{'^' if negated else ''}{_POSIX[name]}]"


def _cannot(what: str, why: str, fix: str) -> ValueError:
    return ValueError(f"{what} {why}, which Towline's linear regular expressions cannot. {_FIX} {fix}")
