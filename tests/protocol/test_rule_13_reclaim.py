"""Rule 13 is not part of this version: who asks for it is told before anything starts."""

import pytest

from collector.config import load
from towline.plumbing.errors import ConfigError


@pytest.mark.parametrize("value", ["punch", "delete", "true"])
def test_rule_13_reclaim_is_refused_clearly(tmp_path, value):
    file = tmp_path / "collector.yaml"
    file.write_text(f"aggregator: {{url: 'http://a:1'}}\nlogs: [{{path: /var/log/*.log, reclaim: '{value}'}}]\n")
    with pytest.raises(ConfigError) as caught:
        load(file, {})
    assert "logs" in str(caught.value)
    assert "reclaim: is not in this version. Remove it" in str(caught.value)
