"""What became of each key: honoured, mapped, ignored or refused, and why.

Room: fluent_bit. Never enters: values of keys, which may be secrets.
"""

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Literal

from towline.fluent_bit.model import Property, Section
from towline.plumbing.place import Place

Verdict = Literal["honoured", "mapped", "ignored", "refused"]
VERDICTS: tuple[Verdict, ...] = ("honoured", "mapped", "ignored", "refused")

HEAD = """\
What became of each key of {name}.

honoured  means the same here
mapped    something here does its work; the words behind it say what
ignored   has nothing to do here, or is done anyway
refused   Towline does not do it: nothing starts from the Fluent Bit file until it is taken out
"""


@dataclass(frozen=True, slots=True)
class Entry:
    """One key, or a whole section where `key` is ""; `begin` is its section's line."""

    file: str
    begin: int
    line: int
    title: str
    key: str
    verdict: Verdict
    why: str = ""

    def told(self) -> str:
        """`file: [OUTPUT] es: KEY: why (line 12)`."""
        # In backquotes: `apikey: ...` looks like a secret to whoever masks them in logs.
        place = f"{self.title}: `{self.key}`" if self.key else self.title
        return Place(self.file, place.replace("\n", " ")).says(
            f"{self.why} (line {self.line})" if self.line else self.why
        )


@dataclass(slots=True)
class Report:
    """`warnings` must be read by whoever runs it: something is less safe, or goes elsewhere, than its owner may think."""

    name: str
    entries: list[Entry] = field(default_factory=list)
    warnings: list[Entry] = field(default_factory=list)

    def key(self, section: Section, key: Property, verdict: Verdict, why: str = "") -> None:
        self.entries.append(Entry(key.file, _begin(section, key.file), key.line, section.title, key.key, verdict, why))

    def section(self, section: Section, verdict: Verdict, why: str) -> None:
        self.entries.append(Entry(section.file, section.line, section.line, section.title, "", verdict, why))

    def warn(self, section: Section, key: Property | None, why: str) -> None:
        file, line = (key.file, key.line) if key is not None else (section.file, section.line)
        name = key.key if key is not None else ""
        self.warnings.append(Entry(file, _begin(section, file), line, section.title, name, "mapped", why))

    def refused(self) -> list[str]:
        """One message for each thing that Towline does not do."""
        return [entry.told() for entry in self.entries if entry.verdict == "refused"]

    def counts(self) -> dict[Verdict, int]:
        found = Counter(entry.verdict for entry in self.entries)
        return {verdict: found[verdict] for verdict in VERDICTS}

    def text(self) -> str:
        """The whole report: warnings first, then every key under its section."""
        lines = [HEAD.format(name=self.name)]
        if self.warnings:
            lines += ["Read these first:", *(f"  {entry.told()}" for entry in self.warnings), ""]
        lines += _grouped(self.entries)
        counts = ", ".join(f"{count} {verdict}" for verdict, count in self.counts().items())
        return "\n".join([*lines, "", counts, ""])


def _begin(section: Section, file: str) -> int:
    """A key that was included belongs to a section of another file."""
    return section.line if section.file == file else 0


def _grouped(entries: Iterable[Entry]) -> list[str]:
    """In the order of the files."""
    several = list(entries)
    files = list(dict.fromkeys(entry.file for entry in several))
    lines: list[str] = []
    before: tuple[str, int] | None = None
    for entry in sorted(several, key=lambda entry: (files.index(entry.file), entry.begin, entry.line)):
        if (entry.file, entry.begin) != before:
            lines += ["", f"{entry.file}: {entry.title}"]
            before = entry.file, entry.begin
        why = f"  {entry.why}" if entry.why else ""
        lines.append(f"  line {entry.line:<4} {entry.verdict:<8}  {entry.key or '(the section)':<24}{why}".rstrip())
    return lines
