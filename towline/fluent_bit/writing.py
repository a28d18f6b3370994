"""Converted values as YAML: what `towline convert` writes, and what a start reads.

Room: fluent_bit. Never enters: how they were made.
"""

from typing import Any

import yaml

_HEAD = """\
# {what}, converted by `towline convert` from {name}. report.txt beside it says what became of each key.
# `towline check FILE` says whether it is good; config/base of the project shows every option.
"""


class _Dumper(yaml.SafeDumper):
    """Lists of plain values in one line; no aliases, which would make a file hard to read."""

    def ignore_aliases(self, data: Any) -> bool:  # noqa: ARG002 - the base class' signature
        return True


def as_yaml(values: dict[str, Any], what: str, name: str) -> str:
    """A file of ours. Its order is that of `values`."""
    text = yaml.dump(values, Dumper=_Dumper, sort_keys=False, allow_unicode=True, width=1000)
    return _HEAD.format(what=what, name=name.replace("\n", " ")) + text
