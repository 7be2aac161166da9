import math
import time
from datetime import UTC, datetime, timedelta
from functools import partial

import pytest

from django_repid import (
    ConfigurationError,
    RetryAfter,
    Router,
    RouterDefaults,
    default_retry_policy_factory,
)

NUMBERS = range(1, 21)


def seconds(policy, number):
    return policy(number).total_seconds()


@pytest.mark.parametrize("number", NUMBERS)
def test_the_default_waits_as_the_contract_says_plus_up_to_a_tenth(number):
    least = min(24 * 3600, max(10, 5 * 2 ** min(number, 15)))
    policy = default_retry_policy_factory()
    waits = [seconds(policy, number) for _ in range(200)]
    assert all(least <= wait <= least * 1.1 for wait in waits)


@pytest.mark.parametrize("number", NUMBERS)
def test_jobs_that_failed_together_do_not_come_back_together(number):
    policy = default_retry_policy_factory()
    assert len({seconds(policy, number) for _ in range(50)}) > 25


def test_a_retried_job_waits_longer_each_time_up_to_the_maximum():
    policy = default_retry_policy_factory(jitter=0)
    waits = [seconds(policy, number) for number in NUMBERS]
    assert waits[:6] == [10, 20, 40, 80, 160, 320]
    assert waits == sorted(waits)
    assert waits[-1] == 86400


@pytest.mark.parametrize("number", [1, 2, 5, 20, 10_000])
def test_the_bounds_of_a_policy_of_ones_own_hold(number):
    policy = default_retry_policy_factory(min_backoff=3, max_backoff=7, multiplier=1, jitter=0)
    assert 3 <= seconds(policy, number) <= 7


def test_the_exponent_stops_growing():
    policy = default_retry_policy_factory(
        min_backoff=0, max_backoff=10**9, multiplier=1, max_exponent=4, jitter=0
    )
    assert [seconds(policy, n) for n in (3, 4, 5, 500)] == [8, 16, 16, 16]


def test_without_a_number_it_is_the_first_retry():
    assert default_retry_policy_factory(jitter=0)() == timedelta(seconds=10)


def job(): ...


def registered(policy):
    router = Router()
    router.actor(retry_policy=policy)(job)
    return router.actors["job"].retry_policy


class Doubling:
    def __call__(self, retry_number=1):
        return timedelta(seconds=2**retry_number)


def seconds_each(unit, retry_number=1):
    return timedelta(seconds=unit * retry_number)


POLICIES = [
    (lambda retry_number=1: timedelta(seconds=retry_number), 3),
    (lambda *, retry_number=1: timedelta(seconds=retry_number), 3),
    (lambda **terms: timedelta(seconds=terms["retry_number"]), 3),
    (lambda *numbers: timedelta(seconds=numbers[0]), 3),
    (lambda n: timedelta(seconds=n), 3),
    (Doubling(), 8),
    (Doubling().__call__, 8),
    (partial(seconds_each, 5), 15),
    (default_retry_policy_factory(jitter=0), 40),
]


@pytest.mark.parametrize(("policy", "third"), POLICIES, ids=map(str, range(len(POLICIES))))
def test_whatever_takes_the_number_of_the_retry_is_a_policy(policy, third):
    assert seconds(registered(policy), 3) == third


def test_a_policy_that_can_be_called_in_either_way_stays_what_it_is():
    policy = Doubling()
    assert registered(policy) is policy
    assert policy(retry_number=2) == policy(2)


async def too_late(retry_number=1):
    return timedelta(0)


class AlsoTooLate:
    async def __call__(self, retry_number=1):
        return timedelta(0)


NO_POLICIES = [
    *[5, timedelta(seconds=5), "soon", (), timedelta, Doubling],
    *[lambda: timedelta(0), lambda a, b: timedelta(0), lambda *, number: timedelta(0)],
    *[too_late, AlsoTooLate()],
]


@pytest.mark.parametrize("policy", NO_POLICIES, ids=map(str, range(len(NO_POLICIES))))
def test_what_is_no_policy_is_refused_at_registration(policy):
    router = Router()
    with pytest.raises(ConfigurationError, match="retry_policy"):
        router.actor(retry_policy=policy)(job)
    assert router.actors == {}
    with pytest.raises(ConfigurationError, match="retry_policy"):
        RouterDefaults(retry_policy=policy)


BERLIN = datetime.fromisoformat("2031-01-02T03:04:05+01:00")


@pytest.mark.parametrize(
    ("given", "delay"),
    [
        (30, timedelta(seconds=30)),
        (0.5, timedelta(milliseconds=500)),
        (0, timedelta(0)),
        (-5, timedelta(0)),
        (-time.time(), timedelta(0)),
        (timedelta(hours=1), timedelta(hours=1)),
        (timedelta(hours=-1), timedelta(0)),
        (BERLIN, BERLIN),
        (datetime(1999, 1, 1, tzinfo=UTC), datetime(1999, 1, 1, tzinfo=UTC)),
    ],
)
def test_retry_after_takes_seconds_a_timedelta_or_a_moment(given, delay):
    assert RetryAfter(given).delay == delay


@pytest.mark.parametrize(
    ("given", "error", "text"),
    [
        ("30", TypeError, "seconds, a timedelta or an aware datetime, not '30'"),
        (None, TypeError, "not None"),
        (True, TypeError, "not True"),
        (math.nan, ValueError, "not nan"),
        (math.inf, ValueError, "not inf"),
        (1e20, ValueError, "up to a century"),
        (timedelta(days=40000), ValueError, "up to a century"),
        (datetime(2031, 1, 1), ValueError, "naive"),  # noqa: DTZ001 - the mistake
    ],
)
def test_retry_after_refuses_what_is_no_time_to_wait(given, error, text):
    with pytest.raises(error, match=text):
        RetryAfter(given)


def test_retry_after_says_something_also_where_its_actor_does_not():
    assert str(RetryAfter(30)) == "The actor asked for another try in 0:00:30."
    assert str(RetryAfter(BERLIN)).endswith("at 2031-01-02 03:04:05+01:00.")
    assert str(RetryAfter(30, message="429 from the bank")) == "429 from the bank"
