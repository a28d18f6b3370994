import pytest

from aggregator.core.template import Template
from towline.fluent_bit.variables import IDENTITY, UnsetError, Variables
from towline.plumbing.yaml_file import parse_yaml


def test_who_the_pod_is_becomes_a_template_whatever_the_environment_says():
    variables = Variables({}, {"POD_NAME": "the-aggregators-own"})
    assert variables.template("${POD_NAME}/${POD_NAMESPACE} on ${NODE_NAME}") == "{pod}/{namespace} on {node}"
    assert variables.template("${POD_IP} ${MY_POD_IP}") == "{ip} {ip}"


def test_every_template_is_one_that_the_aggregator_knows():
    assert all(Template(template).literals == ("", "") for template in IDENTITY.values())


def test_what_set_gives_wins_over_the_pod_and_the_environment():
    variables = Variables({"HOSTNAME": "fixed", "a": "1"}, {"a": "2"})
    assert variables.template("${HOSTNAME} ${a}") == "fixed 1"
    assert variables.now("${a}") == "1"


def test_other_variables_stay_to_be_replaced_where_the_file_is_read():
    variables = Variables({}, {})
    assert variables.later("x-${REGION}") == "x-${REGION}"
    assert variables.template("${REGION} {x}") == "${REGION} {{x}}"
    assert variables.used == {"REGION"}


def test_a_literal_dollar_brace_stays_one():
    assert Variables({}, {}).later("a${") == "a$${"


def test_a_name_that_our_files_do_not_take_is_replaced_at_once():
    assert Variables({}, {"my-var": "x"}).later("${my-var}") == "x"


@pytest.mark.parametrize("read", ["now", "later"])
def test_a_variable_without_a_value_is_named_where_it_is_needed(read):
    with pytest.raises(UnsetError, match="my-var is not set"):
        getattr(Variables({}, {}), read)("${my-var}")


def test_what_only_the_pod_knows_is_not_taken_from_the_aggregator():
    with pytest.raises(UnsetError, match="HOST_IP is the pod's"):
        Variables({}, {"HOST_IP": "10.0.0.1"}).template("${HOST_IP}")


def test_a_dollar_before_a_variable_is_refused_lest_it_become_a_literal():
    with pytest.raises(UnsetError, match=r"a \$ right before"):
        Variables({}, {}).later("$${X}")
    assert Variables({"X": "x"}, {}).later("$${X}") == "$x"


def test_a_dollar_before_who_the_pod_is_stays_one():
    made = Variables({}, {}).template("cost: $${POD_NAME} ${")
    assert parse_yaml(f"a: '{made}'", "f", {}) == {"a": "cost: ${pod} ${{"}
