"""What follows from the end of a recurring job's occurrence."""

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from django_repid import ArgsInvalid, Cancelled, InvalidJob, Job, Quarantined, ResultInvalid
from django_repid.core import settlement
from django_repid.core.codec import Spec
from django_repid.core.message import MessageState, StoredMessage
from django_repid.core.outcome import Bench, Outcome
from django_repid.core.schedule import Schedule
from django_repid.core.suspicion import CONVICTED
from django_repid.core.verdict import cancelled, crashed, hand_back, judge, refuse, refused_by_store
from tests.core.kit import in_memory, stored

SECOND = 1_000_000
TICK = 100 * SECOND
NOW = 108 * SECOND
BENCH = Bench(worker="w1", now=NOW)
OUTCOME: dict[str, Any] = {"started_when": 4_000_000_000, "finished_when": 7_000_000_000}
SUCCESS = Outcome(data="1", **OUTCOME)
FAILURE = Outcome(success=False, exception=ValueError("boom"), **OUTCOME)


def policy(retry_number: int = 1) -> timedelta:
    return timedelta(seconds=30)


def message(every: int = 60 * SECOND, retries: int = 0, **fields: Any) -> StoredMessage:
    spec = Spec.write(0, retries=retries, result_id="r1", again=Schedule(every=every))
    return stored(**{"spec": spec, "tick": TICK, "due_at": TICK, "crashes": 2, **fields})


ENDS = {
    "success": lambda one: judge(one, SUCCESS, policy, BENCH),
    "failure": lambda one: judge(one, FAILURE, policy, BENCH),
    "refused": lambda one: refuse(one, ArgsInvalid("no"), BENCH),
}


@pytest.mark.parametrize("how", sorted(ENDS))
def test_every_end_is_followed_by_the_next_occurrence(how: str) -> None:
    end = ENDS[how](message())

    assert end.recurs
    assert end.state is MessageState.READY
    assert end.tick == end.run_at == end.due_at == TICK + 60 * SECOND
    assert (end.tries, end.crashes, end.suspicion, end.dead_reason) == (0, 0, 0, "")
    assert end.result is not None
    assert end.result.success is (how == "success")
    assert end.failed_for_good is (how != "success")


def test_what_the_store_refuses_is_followed_by_the_next_occurrence() -> None:
    end = judge(message(), SUCCESS, policy, BENCH)

    instead = refused_by_store(end, ResultInvalid("too odd"))

    assert instead.recurs
    assert instead.result is not None
    assert instead.result.exception == "ResultInvalid"


def test_what_was_missed_until_it_started_is_left_out_and_what_came_due_since_is_not() -> None:
    # It ran from 105 s to 108 s, with an occurrence every 2 s from 100 s on.
    end = judge(message(every=2 * SECOND), SUCCESS, policy, BENCH)

    assert end.tick == 106 * SECOND


def test_tries_that_are_left_come_first() -> None:
    end = judge(message(retries=1), FAILURE, policy, BENCH)

    assert not end.recurs
    assert not end.failed_for_good
    assert (end.tick, end.due_at, end.tries) == (TICK, TICK, 1)
    assert end.run_at == NOW + 30 * SECOND


def test_handing_it_back_changes_no_occurrence() -> None:
    end = hand_back(message())
    assert (end.recurs, end.tick) == (False, TICK)


def test_quarantine_pauses_it() -> None:
    end = crashed(message(suspicion=CONVICTED - 1), Quarantined("died"), BENCH)

    assert (end.state, end.recurs) == (MessageState.DEAD, False)
    assert end.failed_for_good


def test_a_cancel_ends_it() -> None:
    assert cancelled(message(), BENCH).state is None
    asked = judge(message(retries=3), FAILURE, policy, BENCH, cancel_asked=True)
    assert asked.state is None
    assert asked.result is not None
    assert asked.result.exception == Cancelled.__name__
    assert judge(message(), SUCCESS, policy, BENCH, cancel_asked=True).state is None


def test_a_zone_that_this_machine_does_not_know_makes_a_dead_letter_that_says_so() -> None:
    again = Schedule(cron="@daily", zone="Middle/Earth")
    one = replace(message(), spec=Spec.write(0, again=again))

    end = judge(one, SUCCESS, policy, BENCH)

    assert end.state is MessageState.DEAD
    assert "Middle/Earth" in end.dead_reason


def test_starting_over_stands_for_an_occurrence_on_the_grid() -> None:
    end = settlement.anew(message(), at=NOW)

    assert (end.run_at, end.due_at) == (NOW, NOW)
    assert end.tick == TICK


@pytest.mark.parametrize(
    ("terms", "says"),
    [
        ({"deferred_by": timedelta(seconds=1), "cron": "@daily"}, "exclude each other"),
        ({"deferred_by": timedelta(milliseconds=999)}, "at least one second"),
        ({"deferred_by": 60}, "at least one second"),
        ({"cron": "* * * *"}, "five fields"),
        ({"cron": "@daily", "timezone": "Middle/Earth"}, "Middle/Earth"),
        ({"timezone": "UTC"}, "only together with cron"),
        ({"timezone": "UTC", "deferred_by": timedelta(hours=1)}, "only together with cron"),
    ],
)
def test_terms_that_cannot_be_are_refused(terms: dict[str, Any], says: str) -> None:
    with pytest.raises(InvalidJob, match=says):
        Job("work", connection=in_memory(), **terms)


def test_a_job_says_whether_it_is_deferred() -> None:
    connection = in_memory()
    assert not Job("work", connection=connection).is_deferred
    assert Job("work", cron="@daily", connection=connection).is_deferred
    assert Job("work", deferred_by=timedelta(hours=1), connection=connection).is_deferred


def test_a_copy_recurs_as_well() -> None:
    job = Job("work", cron="@daily", timezone="Europe/Berlin", connection=in_memory())

    copy = job.using(priority=9)

    assert copy.schedule == job.schedule == Schedule(cron="@daily", zone="Europe/Berlin")
