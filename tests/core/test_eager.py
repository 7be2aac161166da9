"""What follows from an actor's own answer, row by row."""

import json
from datetime import timedelta
from typing import Any

import pytest

from django_repid.core import clock
from django_repid.core.announcing import _verb
from django_repid.core.answer import Answer, Verb
from django_repid.core.codec import Spec
from django_repid.core.eager import answered
from django_repid.core.message import MessageState
from django_repid.core.outcome import Bench, Outcome
from django_repid.core.retryable import ALL
from django_repid.core.schedule import Schedule
from django_repid.worker.wire import pack_outcome, unpack_outcome
from tests.core.kit import MOMENT, stored

NOW = 5_000_000
BENCH = Bench(worker="w1", now=NOW)
READY, DEAD = MessageState.READY, MessageState.DEAD
HOUR = 3_600_000_000


def thirty_seconds(number=1):
    return timedelta(seconds=30 * number)


def message(*, retries=0, tries=0, again=None, **fields):
    spec = Spec.write(
        clock.to_us(MOMENT), retries=retries, result_id="r1", result_ttl=HOUR, again=again
    )
    return stored(spec=spec, tries=tries, tick=None if again is None else 1_000, **fields)


def outcome(verb, *, wait=None, data="", exception=None, gave=False):
    answer = Answer(Verb(verb), wait, gave)
    success = exception is None and (gave or answer.done)
    return Outcome(
        data=data,
        success=success,
        exception=exception,
        started_when=4_000_000_000,
        finished_when=4_500_000_000,
        answer=answer,
    )


def end_of(verb, *, asked=False, wait=None, data="", exception=None, gave=False, **fields: Any):
    ended = outcome(verb, wait=wait, data=data, exception=exception, gave=gave)
    return answered(message(**fields), ended, thirty_seconds, BENCH, cancel_asked=asked)


BOOM = ValueError("boom")
GIVEN: dict[str, Any] = {"data": '"given"', "gave": True}
FAILED: dict[str, Any] = {"exception": BOOM, "gave": True}
HANDLED: dict[str, Any] = {"exception": BOOM}

TABLE = [
    # the answer, what was given, the message; the next state, tries, run_at, result, failure, verb
    ("ack", {}, {}, None, 0, None, None, None, "ack"),
    ("ack", GIVEN, {}, None, 0, None, '"given"', None, "ack"),
    ("ack", FAILED, {}, None, 0, None, "boom", None, "ack"),
    ("ack", {}, {"cancel_asked": True}, None, 0, None, None, None, "ack"),
    ("nack", {}, {"retries": 5}, DEAD, 1, NOW, "It was put aside by nack().", "Nacked", "nack"),
    ("nack", HANDLED, {"retries": 5}, DEAD, 1, NOW, "boom", "ValueError", "nack"),
    ("nack", FAILED, {}, DEAD, 1, NOW, "boom", "ValueError", "nack"),
    ("nack", GIVEN, {}, DEAD, 1, NOW, '"given"', "Nacked", "nack"),
    ("reject", {}, {"tries": 2, "suspicion": 1}, READY, 2, 1_000, None, None, "reject"),
    ("reject", GIVEN, {}, READY, 0, 1_000, None, None, "reject"),
    ("retry", {}, {"retries": 2, "tries": 1}, READY, 2, NOW + 60_000_000, None, None, "requeue"),
    ("retry", {"wait": 7}, {"retries": 2}, READY, 1, NOW + 7, None, None, "requeue"),
    ("retry", GIVEN, {"retries": 2}, READY, 1, NOW + 30_000_000, None, None, "requeue"),
    ("retry", FAILED, {"retries": 2}, READY, 1, NOW + 30_000_000, None, "ValueError", "requeue"),
    ("retry", HANDLED, {"retries": 2}, READY, 1, NOW + 30_000_000, None, "ValueError", "requeue"),
    ("force_retry", {"wait": 0}, {"tries": 4}, READY, 5, NOW, None, None, "requeue"),
    ("reschedule", {}, {"tries": 3}, READY, 0, NOW, None, None, "requeue"),
    ("reschedule", GIVEN, {}, READY, 0, NOW, '"given"', None, "requeue"),
    ("reschedule", FAILED, {}, READY, 0, NOW, "boom", "ValueError", "requeue"),
]


@pytest.mark.parametrize(
    ("verb", "given", "fields", "expected"), [(*row[:3], row[3:]) for row in TABLE]
)
def test_every_row_of_the_table(verb, given, fields, expected):
    state, tries, run_at, data, failed, event = expected
    end = end_of(verb, **given, **fields)
    assert (end.state, end.tries, end.processed) == (state, tries, True)
    assert run_at in (None, end.run_at)
    assert (end.result and end.result.data) == data
    assert (end.failure and end.failure.exception) == failed
    assert _verb(end) == event


def test_a_rejected_message_stays_under_suspicion_and_another_is_cleared():
    assert end_of("reject", suspicion=2, crashes=1).suspicion == 2
    assert end_of("force_retry", suspicion=2, crashes=1).suspicion == 0
    assert end_of("reschedule", suspicion=2, crashes=1).crashes == 0


@pytest.mark.parametrize("verb", ["nack", "reject", "retry", "force_retry", "reschedule"])
@pytest.mark.parametrize("where", ["asked", "cancel_asked"])
def test_a_job_that_was_asked_to_stop_does_not_come_again(verb, where):
    end = end_of(verb, retries=3, **{where: True})
    assert (end.state, end.result.exception, end.processed) == (None, "Cancelled", True)


@pytest.mark.parametrize("verb", ["ack", "nack"])
def test_a_recurring_job_goes_on_to_its_next_occurrence(verb):
    again = Schedule(every=HOUR)
    end = end_of(verb, again=again)
    assert (end.state, end.recurs, end.run_at, end.tries) == (READY, True, 1_000 + HOUR, 0)


def test_a_recurring_job_that_was_asked_to_stop_ends_with_an_ack():
    end = end_of("ack", again=Schedule(every=HOUR), asked=True)
    assert end.state is None


def test_a_wish_to_stop_that_is_on_its_way_outlives_a_reschedule():
    assert end_of("reschedule").uncancel is False


def test_secret_arguments_are_hidden_in_the_reason():
    ended = outcome("nack", exception=ValueError("token=hunter2-hunter2"))
    one = message(payload='{"password": "hunter2-hunter2"}')
    end = answered(one, ended, thirty_seconds, BENCH)
    assert end.failure is not None
    assert end.result is not None
    assert "hunter2" not in end.dead_reason + end.failure.traceback + end.result.data


@pytest.mark.parametrize("given", [{}, GIVEN, FAILED, HANDLED])
@pytest.mark.parametrize("verb", list(Verb))
def test_an_answer_travels_between_a_worker_and_its_cell(verb, given):
    before = outcome(verb, wait=5, **given)
    after = unpack_outcome(json.loads(json.dumps(pack_outcome(before, ALL))))
    assert (after.answer, after.data) == (before.answer, before.data)
    assert (after.success, after.done) == (before.success, before.done)
    assert (after.exception is None) == (before.exception is None)
