"""The guide names all that there is, and what it shows is so."""

import re

from tests.e2e.procs import ROOT
from towline.fluent_bit.convert import INPUTS
from towline.fluent_bit.filters import FILTERS
from towline.fluent_bit.outputs import OUTPUTS
from towline.fluent_bit.variables import IDENTITY

GUIDE = (ROOT / "docs" / "guides" / "from-fluent-bit.md").read_text()


def test_every_plugin_is_in_the_guide():
    names = [*INPUTS, *FILTERS, "multiline", *OUTPUTS]
    assert [name for name in names if f"`{name}`" not in GUIDE] == []


def test_every_variable_that_converted_files_ask_for_is_in_the_guide():
    source = "".join(file.read_text() for file in (ROOT / "towline" / "fluent_bit").glob("*.py"))
    asked = set(re.findall(r"TOWLINE_[A-Z_]+", source))
    assert asked == set(re.findall(r"`(TOWLINE_[A-Z_]+)`", GUIDE))
    assert {"POD_NAME", "HOSTNAME", "POD_NAMESPACE", "POD_UID", "NODE_NAME", "SERVICE_ACCOUNT"} <= IDENTITY.keys()


def test_links_lead_somewhere():
    for target in re.findall(r"\]\(([^)#]+)\)", GUIDE):
        assert (ROOT / "docs" / "guides" / target).resolve().exists(), target
