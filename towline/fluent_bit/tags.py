"""Which files' lines carry a tag that a pattern matches: Fluent Bit routes by tag, Towline by path.

Room: fluent_bit. Never enters: sections, plugins.

`Tag log.*` of `Path /var/log/*.json` makes `log.var.log.<name>.json`: a pattern for tags is one for paths, once each path's
letters are compared as a tag shows them (`/` as `.`). What remains is the meeting of two wildcard patterns.
"""

import functools
import re
from collections.abc import Iterable
from typing import NamedTuple

STAR = "*"
MAX_STARS = 5  # of a path or a pattern: the ways in which many can meet are too many
MAX_CHARS = 400
MAX_GLOBS = 8  # of one meeting: more would be no route that anybody can read
_TOKEN = re.compile(r"\[!?\]?[^\]/]*\]|.", re.DOTALL)


class Tagged(NamedTuple):
    """The files of one path pattern, and the tag that their lines carry: `before`, the path where `has_path`, `after`.

    A `*` in `before` or `after` stands for words that nobody knows beforehand.
    """

    glob: str
    before: str
    after: str = ""
    has_path: bool = False


class UnclearError(ValueError):
    """A pattern matches some of the files, and no path pattern says which."""


def meet(tagged: Tagged, pattern: str) -> list[str]:
    """The path patterns of the files whose tag `pattern` matches: none, the whole of `tagged.glob`, or narrower ones. Raises UnclearError."""
    tokens = [*_plain(tagged.before), *(_of_path(tagged.glob) if tagged.has_path else ()), *_plain(tagged.after)]
    ours, theirs = tuple(tokens), tuple(_plain(pattern))
    if theirs == ((STAR, STAR),):
        return [tagged.glob]
    _check(ours, theirs)
    found = _meet(ours, theirs)
    if not found:
        return []
    if ours in found:
        return [tagged.glob]
    first, last = len(_plain(tagged.before)), len(_plain(tagged.after))
    if not tagged.has_path or STAR in tagged.before + tagged.after or len(found) > MAX_GLOBS:
        raise UnclearError(
            f"matches some of the files of {tagged.glob} and not others, and their paths do not say which"
        )
    slash = "/" if tagged.glob.startswith("/") else ""
    globs = ["".join(letters for letters, _ in path[first : len(path) - last]) for path in found]
    return _without_narrower(slash + glob for glob in globs)


def meet_paths(glob: str, pattern: str) -> list[str]:
    """The path patterns of the files of `glob` that `pattern`, whose wildcards cross slashes, matches too. Raises UnclearError."""
    ours = tuple((letter, letter) for letter in _TOKEN.findall(glob))
    theirs = tuple(_plain(pattern))
    _check(ours, theirs)
    found = _meet(ours, theirs)
    if ours in found:
        return [glob]
    return _without_narrower("".join(letters for letters, _ in path) for path in found)


Token = tuple[str, str]  # as the path writes it, as the tag shows it


def _check(ours: tuple[Token, ...], theirs: tuple[Token, ...]) -> None:
    for tokens in (ours, theirs):
        if len(tokens) > MAX_CHARS or sum(token[1] == STAR for token in tokens) > MAX_STARS:
            raise UnclearError(f"or a path is longer than {MAX_CHARS} letters, or has more than {MAX_STARS} *")


def _plain(text: str) -> list[Token]:
    return [(letter, letter) for letter in re.sub(r"\*+", STAR, text)]


def _of_path(glob: str) -> list[Token]:
    letters = _TOKEN.findall(re.sub(r"\*+", STAR, glob.removeprefix("/")))
    return [(letter, "." if letter == "/" else letter) for letter in letters]


@functools.lru_cache(maxsize=4096)
def _meet(ours: tuple[Token, ...], theirs: tuple[Token, ...]) -> frozenset[tuple[Token, ...]]:
    """Every way in which a text can be one of both patterns, written as patterns."""
    if not ours:
        return frozenset([()] if all(token[1] == STAR for token in theirs) else [])
    mine, rest = ours[0], ours[1:]
    if not theirs:
        return _meet(rest, theirs) if mine[1] == STAR else frozenset()
    found: set[tuple[Token, ...]] = set()
    if theirs[0][1] == STAR:
        found |= _meet(ours, theirs[1:]) if mine[1] != STAR else _after(mine, _meet(ours, theirs[1:]))
        found |= _after(mine, _meet(rest, theirs))
    elif mine[1] == STAR:
        found |= _meet(rest, theirs)
        if theirs[0][1] != "/":
            found |= _after(theirs[0], _meet(ours, theirs[1:]))
    elif mine[1] == theirs[0][1] or _is_any(mine[1], theirs[0][1]):
        found |= _after(mine if mine[1] == theirs[0][1] else theirs[0], _meet(rest, theirs[1:]))
    return frozenset(found)


def _is_any(mine: str, letter: str) -> bool:
    """Whether a `?` or a set of the path pattern can be this letter."""
    if mine == "?":
        return True
    if len(mine) < 3 or not mine.startswith("["):
        return False
    body = mine[1:-1]
    return re.fullmatch(f"[{'^' + body[1:] if body.startswith('!') else body}]", letter) is not None


def _after(token: Token, several: Iterable[tuple[Token, ...]]) -> frozenset[tuple[Token, ...]]:
    """`token` before each; a star before a star is one."""
    return frozenset(one if token[1] == STAR and one and one[0][1] == STAR else (token, *one) for one in several)


def _without_narrower(globs: Iterable[str]) -> list[str]:
    """Each once; those that another one holds are left out."""
    several = sorted(set(globs), key=lambda glob: (len(glob), glob))
    kept: list[str] = []
    for glob in several:
        if not any(_holds(wide, glob) for wide in kept):
            kept.append(glob)
    return kept


def _holds(wide: str, narrow: str) -> bool:
    """Whether `narrow`, its wildcards taken as letters, is of the pattern `wide`."""
    expression = "".join("[^/]*" if letter == STAR else re.escape(letter) for letter in wide)
    return re.fullmatch(expression, narrow) is not None
