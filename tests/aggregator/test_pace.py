from aggregator.core.pace import LONGEST_MS, Pace


def paced(pods, requests_per_second, seconds, budget=400.0):
    pace, now = Pace(budget), 0.0
    for index in range(int(requests_per_second * seconds)):
        now = index / requests_per_second
        pace.count(f"pod{index % pods}", now)
    return pace, now


def test_far_below_the_budget_nobody_waits():
    pace, now = paced(pods=20, requests_per_second=60, seconds=20)
    assert pace.next_ms(now) == 0


def test_above_the_budget_all_pods_together_are_asked_to_stay_within_it():
    pace, now = paced(pods=1000, requests_per_second=800, seconds=20)
    gather_seconds = pace.next_ms(now) / 1000
    assert 1000 / gather_seconds <= 400


def test_nobody_is_asked_to_wait_longer_than_five_seconds():
    pace, now = paced(pods=8000, requests_per_second=1600, seconds=10)
    assert pace.next_ms(now) == LONGEST_MS


def test_the_rate_settles_when_collectors_obey():
    pace, now, due = Pace(400.0), 0.0, {f"pod{index}": index / 1000 for index in range(1000)}
    sent = []
    while now < 60:
        who = min(due, key=due.get)
        now = due[who]
        pace.count(who, now)
        sent.append(now)
        due[who] = now + max(0.3, pace.next_ms(now) / 1000)
    assert sum(1 for at in sent if at > 40) / 20 < 450


def test_a_pod_heard_long_ago_counts_no_more():
    pace = Pace(10.0)
    for index in range(1000):
        pace.count(f"old{index}", 0.0)
    for index in range(200):
        pace.count("new", 20.0 + index / 100)
    assert pace.next_ms(22.0) < 1000
