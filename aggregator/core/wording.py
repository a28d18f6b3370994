"""Parsers whose events keep their words: what was taken apart by a pattern has its whole text as `message`, unless the pattern says what that is.

Room: aggregator core. Never enters: which parsers there are.

So an event that has fields is its fields, and nothing else: rules that rename, remove or mask one need not know of the line it was read from.
"""

from collections import deque
from itertools import repeat
from operator import contains

from aggregator.core.columns import MESSAGE
from aggregator.core.parser import Parsed, Parser
from aggregator.core.parsers_found import Source


class Worded(Parser):
    """A parser of texts that are no JSON objects: those say themselves all that is in them."""

    def __init__(self, parser: Parser) -> None:
        self.name, self.key = parser.name, parser.key
        self._parser = parser

    def read(self, source: Source, read_unix_ns: int) -> Parsed:
        parsed = self._parser.read(source, read_unix_ns)
        texts = source.texts()
        found = [fields for fields in parsed.fields if fields is not None]
        if len(found) == len(texts) and not any(map(contains, found, repeat(MESSAGE))):
            deque(map(dict.__setitem__, found, repeat(MESSAGE), texts), maxlen=0)
            return parsed
        for fields, text in zip(parsed.fields, texts, strict=True):
            if fields is not None and MESSAGE not in fields:
                fields[MESSAGE] = text
        return parsed
