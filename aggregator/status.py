"""What /status says: journal, sinks, pods, as JSON. docs/design/status.md is the same in prose.

Room: aggregator. Never enters: the content of a line; secrets.
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from aggregator.forwarder.state import LaneState, SinkState
from aggregator.journal.words import JournalStatus, SinkStatus, StreamStatus
from aggregator.metrics import age_seconds

_SHOWN_LANES = 200  # of each sink: the troubled first


def status_page(
    about: Mapping[str, Any],
    journal: JournalStatus,
    sinks: Mapping[str, tuple[str, SinkState]],
    streams: Iterable[StreamStatus],
    now_unix: float,
) -> dict[str, Any]:
    """The page. `about`: version and replica; `sinks`: each one's type and state by name."""
    owed = journal.sinks
    return {
        **about,
        "journal": {
            "id": journal.journal_id,
            "path": journal.path,
            "bytes": journal.used_bytes,
            "max_bytes": journal.max_bytes,
            "aside_bytes": journal.aside_bytes,
            "intake_closed_by": journal.closed_by,
        },
        "sinks": {name: _sink(kind, state, owed.get(name), now_unix) for name, (kind, state) in sinks.items()},
        "pods": _pods(streams),
        "gaps": {
            reason: {"ranges": count.number, "bytes": count.bytes} for reason, count in sorted(journal.gaps.items())
        },
    }


def _sink(kind: str, state: SinkState, owed: SinkStatus | None, now_unix: float) -> dict[str, Any]:
    page: dict[str, Any] = {"type": kind}
    if owed is not None:
        page |= {
            "owed_bytes": owed.owed_bytes,
            "owed_blocks": owed.owed_blocks,
            "oldest_owed_seconds": round(age_seconds(owed.oldest_owed_unix_ns, now_unix), 3),
            "share_bytes": owed.share_bytes,
            "when_full": owed.when_full,
            "full": owed.full,
            "dead_letters": owed.dead_letters,
            "dead_letter_bytes": owed.dead_letter_bytes,
        }
    return page | {
        "lanes": [_lane(lane) for lane in _troubled_first(state.lanes.values())[:_SHOWN_LANES]],
        "lanes_total": len(state.lanes),
        "delivered_lines_total": state.delivered_lines,
        "delivered_bytes_total": state.delivered_bytes,
        "truncated_lines_total": state.truncated_lines,
        "refused": dict(state.refused),
        "steps": _steps(state),
        "failures": dict(state.failures),
    }


def _steps(state: SinkState) -> dict[str, dict[str, int]]:
    """What routes did to lines, by kind; each by rule or parser, and by reason where there are some."""
    steps: dict[str, dict[str, int]] = {}
    for count, events in sorted(state.tally.items()):
        said = f"{count.by}: {count.reason}" if count.reason else count.by
        steps.setdefault(count.kind, {})[said] = events
    return steps


def _troubled_first(lanes: Iterable[LaneState]) -> Sequence[LaneState]:
    rank = {"held": 0, "waiting": 1, "sending": 2, "idle": 3}
    return sorted(lanes, key=lambda lane: (rank[lane.state], lane.lane))


def _lane(lane: LaneState) -> dict[str, Any]:
    return {
        "lane": lane.lane,
        "state": lane.state,
        "reason": lane.reason,
        "attempts": lane.attempts,
        "last_error": lane.last_error,
        "last_success_unix": lane.last_success_unix,
    }


def _pods(streams: Iterable[StreamStatus]) -> dict[str, Any]:
    pods: dict[str, Any] = {}
    for stream in streams:
        name = f"{stream.namespace}/{stream.pod}"
        pod = pods.setdefault(name, {"uid": stream.pod_uid, "last_heard_seconds": 0.0, "streams": []})
        if pod["uid"] != stream.pod_uid:  # a pod that came back under its name, as StatefulSets do
            pod = pods.setdefault(f"{name}@{stream.pod_uid}", {"uid": stream.pod_uid, "streams": []})
        pod["last_heard_seconds"] = round(stream.heard_seconds_ago, 3)
        pod["streams"].append(
            {
                "stream": stream.stream,
                "epoch": stream.epoch,
                "path": stream.path,
                "container": stream.container,
                "size": stream.size,
                "mark": stream.mark,
                "delivered": stream.delivered,
                "lag_bytes": stream.size - stream.delivered,
                "final": stream.final,
                "gone": stream.gone,
            }
        )
    return pods
