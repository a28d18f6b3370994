"""What tests of multiline start from: a file cut into blocks, and what a joining makes of them."""

from itertools import pairwise

from aggregator.core.lines import Lines
from aggregator.core.records import Slice
from aggregator.multiline_config import MultilineConfig, build_joining
from towline.wire.identity import Origin, Pod

POD = Pod(namespace="shop", name="web-1", uid="u1")
ORIGIN = Origin(path="/var/log/app/a.log")


def own(**said):
    return build_joining(["app"], {"app": MultilineConfig(**said)})


def slice_of(raw, start=0, number=1, **changes):
    facts = {"stream": "s", "epoch": 0, "pod": POD, "origin": ORIGIN, "read_unix_ns": number}
    return Slice(block_id=number, start=start, end=start + len(raw), lines=Lines(raw), **(facts | changes))


def blocks_of(raw, cuts):
    """The file in as many blocks as `cuts` (places) make; one that does not end at a line's end is partial."""
    places = sorted({place for place in cuts if 0 < place < len(raw)})
    bounds = [0, *places, len(raw)]
    blocks, start = [], 0
    for number, (begin, end) in enumerate(pairwise(bounds), 1):
        text = raw[begin:end]
        if text:
            blocks.append(slice_of(text, start, number, partial=not text.endswith(b"\n")))
        start = end
    return blocks


def events_of(joining, blocks):
    """All events, each as its text, its range's end and its note."""
    held, pieces = None, []
    for block in blocks:
        joined = joining.join(held, block)
        pieces += joined.complete
        held = joined.open
    if held is not None:
        pieces += joining.join(held, None).complete
    check_custody(pieces, blocks)
    return [event for piece in pieces for event in known(piece)]


def known(piece):
    notes = piece.details.notes if piece.details is not None else [None] * len(piece)
    return list(zip([bytes(line) for line in piece.lines], piece.known_ends(), notes, strict=True))


def check_custody(pieces, blocks):
    """Every block is settled to its end exactly once, and never before what is in it."""
    stops = {block.block_id: block.end for block in blocks}
    done, place = [], blocks[0].start if blocks else 0
    for piece in pieces:
        assert piece.start == place
        place = piece.end
        for block_id, end in piece.covers:
            assert end == stops[block_id] <= piece.end
            done.append(block_id)
        assert piece.start <= piece.end <= stops[piece.block_id]
        if piece.end == stops[piece.block_id]:
            done.append(piece.block_id)
    assert done == sorted(stops)
