from datetime import timedelta

import pytest

from django_repid import default_retry_policy_factory

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
