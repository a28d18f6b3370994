"""`Exclude_Path`: files that an input leaves out are not read, unless another input reads them; then only its routes are theirs.

Room: fluent_bit. Never enters: filters, outputs. Source: Fluent Bit's manual, "Tail"; its wildcards are fnmatch's, which cross folders.
"""

import posixpath
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace

from towline.fluent_bit.context import Context
from towline.fluent_bit.inputs import Lines
from towline.fluent_bit.tags import STAR, UnclearError, meet_paths


def exclude_of(glob: str, lines: Lines) -> list[str]:
    """`exclude` of the collector's logs for `glob`: all names in its folder, so that what rotation makes of a file is meant, too."""
    found: list[str] = []
    for pattern in lines.excluded:
        met = _met(f"{posixpath.dirname(glob)}/{STAR}", [pattern])
        # What a variable stands for is only known where the file is read.
        found += met or ([pattern] if pattern.startswith(("/", "${")) and "${" in glob + pattern else [])
    return list(dict.fromkeys(found))


def leaves_out(lines: Lines, glob: str) -> bool:
    """Whether the input reads none of these files."""
    return glob in _met(glob, lines.excluded)


def in_order(inputs: Sequence[Lines], context: Context) -> Iterator[Lines]:
    """All inputs; of later ones those files first that an input leaves out, as its own routes would take them else.

    Refused, which is reported, where nobody can tell which files are left out.
    """
    for place, lines in enumerate(inputs):
        try:
            left_out = [glob for tagged in lines.tagged for glob in _meet(tagged.glob, lines.excluded)]
        except UnclearError as error:
            context.report.section(lines.section, "refused", f"Exclude_Path {error}. Write it shorter")
            continue
        for other in (*inputs[:place], *inputs[place + 1 :]):
            shared = _narrowed(other, left_out)
            if shared.tagged:
                lines.dropped = left_out
                if other not in inputs[:place]:
                    yield shared
        yield lines


def _narrowed(lines: Lines, globs: Sequence[str]) -> Lines:
    tagged = [one._replace(glob=glob) for one in lines.tagged for glob in _met(one.glob, globs)]
    return replace(lines, tagged=tagged, is_part=True)


def _met(glob: str, patterns: Iterable[str]) -> list[str]:
    try:
        return _meet(glob, patterns)
    except UnclearError:
        return []


def _meet(glob: str, patterns: Iterable[str]) -> list[str]:
    """Raises UnclearError."""
    return list(dict.fromkeys(met for pattern in patterns for met in meet_paths(glob, pattern)))
