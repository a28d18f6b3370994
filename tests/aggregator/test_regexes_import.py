"""What an aggregator without patterns does not pay for."""

import subprocess
import sys


def test_the_second_engine_is_imported_by_the_first_pattern_only():
    asks = "import sys, aggregator.core.masks as m; print('re2' in sys.modules); m.own_mask('a'); print('re2' in sys.modules)"
    said = subprocess.run([sys.executable, "-c", asks], capture_output=True, text=True, check=True).stdout
    assert said.split() == ["False", "True"]
