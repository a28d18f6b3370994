"""Places where a test may have the process kill itself: named moments at which a promise is half kept.

Room: plumbing. Never enters: anything that could soften the blow; SIGKILL runs no handlers, which is the point.
"""

import os
import signal

ENVIRONMENT_KEY = "TOWLINE_KILL_AT"


def parse_kill_points(text: str) -> dict[str, int]:
    """Passes left by point, from `point:3,other.point` (no number: the first pass). Raises ValueError for a number that is none."""
    armed = {}
    for word in filter(None, (part.strip() for part in text.split(","))):
        point, _, passes = word.partition(":")
        armed[point] = int(passes or 1)
    return armed


_armed = parse_kill_points(os.environ.get(ENVIRONMENT_KEY, ""))


def kill_point(name: str) -> None:
    """Kill this process with SIGKILL if `TOWLINE_KILL_AT` names this point and this pass; else one dict lookup."""
    left = _armed.get(name)
    if left is None:
        return
    _armed[name] = left - 1
    if left <= 1:
        os.kill(os.getpid(), signal.SIGKILL)
