import subprocess
import sys
from pathlib import Path

import pytest

GROWS = """
import sys
sys.path.insert(0, {root!r})
from collector.memory import tune_malloc
tune_malloc()
tune_malloc()  # twice is as good as once
def resident():
    return int(open("/proc/self/statm").read().split()[1]) * 4096
blocks = [b"x" * {size} for _ in range({number})]
full = resident()
del blocks
print(full - resident())
"""


@pytest.mark.parametrize(("size", "number"), [(8 << 20, 8), (32 << 20, 2)])
def test_what_is_larger_than_a_few_blocks_goes_back_to_the_pod(size, number):
    code = GROWS.format(root=str(Path(__file__).parents[2]), size=size, number=number)
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, check=True, timeout=60)
    assert int(done.stdout) > 56 << 20


def test_what_a_backlog_left_behind_goes_back_when_asked():
    code = GROWS.format(root=str(Path(__file__).parents[2]), size=1 << 20, number=64)
    code = code.replace("del blocks\n", "del blocks\nfrom collector.memory import give_back\ngive_back()\n")
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, check=True, timeout=60)
    assert int(done.stdout) > 56 << 20
