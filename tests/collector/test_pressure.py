import pytest

from collector.core.pressure import Backlog, GivenUp, level_at, to_give_up

LIMIT = 1000


@pytest.mark.parametrize(
    ("used", "before", "level"),
    [
        (800, "delivered", "delivered"),
        (801, "delivered", "stored"),
        (760, "stored", "stored"),
        (749, "stored", "delivered"),
        (760, "delivered", "delivered"),
    ],
)
def test_custody_falls_to_stored_above_80_percent_and_comes_back_below_75(used, before, level):
    assert level_at(used, LIMIT, before) == level


def test_without_a_limit_there_is_no_pressure():
    assert level_at(10**12, 0, "delivered") == "delivered"
    assert to_give_up(10**12, 0, [Backlog("a", 0, 0, 100, True, 1)]) == []


def test_up_to_90_percent_nothing_is_given_up():
    assert to_give_up(900, LIMIT, [Backlog("a", 0, 0, 100, True, 1)]) == []


def test_unlinked_files_are_given_up_before_rotated_ones_and_older_before_younger():
    backlogs = [
        Backlog("rotated", 0, 10, 100, False, 0),
        Backlog("younger", 1, 50, 200, True, 2),
        Backlog("older", 0, 0, 100, True, 1),
    ]
    assert to_give_up(990, LIMIT, backlogs) == [GivenUp("older", 0, 0, 100)]
    assert to_give_up(1200, LIMIT, backlogs) == [
        GivenUp("older", 0, 0, 100),
        GivenUp("younger", 1, 50, 200),
    ]
    assert to_give_up(1201, LIMIT, backlogs)[-1] == GivenUp("rotated", 0, 10, 100)


def test_what_is_stored_is_not_given_up():
    assert to_give_up(990, LIMIT, [Backlog("a", 0, 100, 100, True, 1)]) == []
