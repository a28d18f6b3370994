from aggregator.core.ceiling import Ceiling


def test_nothing_is_limited_before_something_was_too_large():
    assert Ceiling().under(1000, 5000, 0.0) == (1000, 5000)


def test_what_passed_is_the_most_that_is_sent_for_now():
    ceiling = Ceiling()
    ceiling.learn(100, 900, 10.0)
    assert ceiling.under(1000, 5000, 10.0) == (100, 900)


def test_it_grows_by_a_quarter_every_half_minute():
    ceiling = Ceiling()
    ceiling.learn(100, 900, 0.0)
    assert [ceiling.under(1000, 5000, now)[0] for now in (0.0, 30.0, 60.0)] == [100, 125, 156]


def test_it_is_forgotten_once_it_has_grown_beyond_the_sinks_own_limits():
    ceiling = Ceiling()
    ceiling.learn(100, 900, 0.0)
    assert ceiling.under(1000, 5000, 1e9) == (1000, 5000)
    assert ceiling.under(1000, 5000, 0.0) == (1000, 5000)


def test_a_single_line_may_always_be_sent():
    ceiling = Ceiling()
    ceiling.learn(1, 7, 0.0)
    assert ceiling.under(1000, 5000, 0.0) == (1, 7)
