import os
import signal
import subprocess
import sys

import pytest

from towline.plumbing.kill_points import ENVIRONMENT_KEY, kill_point, parse_kill_points


def test_points_are_named_with_the_pass_that_kills():
    assert parse_kill_points("a.b:3, c.d,") == {"a.b": 3, "c.d": 1}
    assert parse_kill_points("") == {}


def test_a_number_that_is_none_is_refused():
    with pytest.raises(ValueError, match="often"):
        parse_kill_points("a.b:often")


def test_a_point_that_nobody_named_does_nothing():
    assert kill_point("journal.before_commit") is None  # and we are still here to say so


def test_the_named_point_kills_at_the_named_pass():
    script = "from towline.plumbing.kill_points import kill_point\nfor n in range(5):\n  kill_point('x'); print(n, flush=True)"
    ended = subprocess.run(
        [sys.executable, "-c", script],
        env={**os.environ, ENVIRONMENT_KEY: "x:3"},
        stdout=subprocess.PIPE,
        text=True,
        check=False,
    )
    assert (ended.returncode, ended.stdout) == (-signal.SIGKILL, "0\n1\n")
