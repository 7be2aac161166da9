"""The decision table of `verdict`, row by row."""

from datetime import timedelta
from typing import Any

import pytest

from django_repid import (
    ArgsBucketMissing,
    ArgsInvalid,
    Cancelled,
    ResultInvalid,
    TtlExpired,
    UpstreamFailed,
)
from django_repid.core import clock
from django_repid.core.codec import Spec
from django_repid.core.message import MessageState
from django_repid.core.outcome import Bench, Outcome
from django_repid.core.verdict import cancelled, hand_back, judge, refuse, refused_by_store
from tests.core.kit import MOMENT, stored

NOW = 5_000_000
BENCH = Bench(worker="w1", now=NOW)
OUTCOME: dict[str, Any] = {"started_when": 4_000_000_000, "finished_when": 4_500_000_000}
GONE, READY, DEAD = None, MessageState.READY, MessageState.DEAD


def wait_30_s(number=1):
    return timedelta(seconds=30 * number)


def message(retries=0, tries=0, result=True, **fields):
    result_id = "r1" if result else None
    spec = Spec.write(
        clock.to_us(MOMENT), retries=retries, result_id=result_id, result_ttl=3_600_000_000
    )
    return stored(spec=spec, tries=tries, **fields)


def failure(exception):
    return Outcome(success=False, exception=exception, **OUTCOME)


def end_of(exception=None, *, asked=False, **fields):
    outcome = Outcome(data='"ok"', **OUTCOME) if exception is None else failure(exception)
    return judge(message(**fields), outcome, wait_30_s, BENCH, cancel_asked=asked)


BOOM = ValueError("boom")
TABLE = [
    # what the actor did, the message, its next state, tries, the exception of its result bucket
    ("success", {}, GONE, 0, "stored"),
    ("success", {"retries": 3, "tries": 2}, GONE, 2, "stored"),
    ("success", {"asked": True}, GONE, 0, "stored"),
    ("success", {"cancel_asked": True}, GONE, 0, "stored"),
    (BOOM, {"retries": 1}, READY, 1, None),
    (BOOM, {"retries": 3, "tries": 2}, READY, 3, None),
    (TimeoutError("late"), {"retries": 1}, READY, 1, None),
    (SystemExit(1), {"retries": 1}, READY, 1, None),
    (BOOM, {}, DEAD, 1, "ValueError"),
    (BOOM, {"retries": 3, "tries": 3}, DEAD, 4, "ValueError"),
    (TimeoutError("late"), {}, DEAD, 1, "TimeoutError"),
    (ArgsInvalid("no"), {"retries": 3}, DEAD, 1, "ArgsInvalid"),
    (ArgsBucketMissing("no"), {"retries": 3}, DEAD, 1, "ArgsBucketMissing"),
    (ResultInvalid("no"), {"retries": 3}, DEAD, 1, "ResultInvalid"),
    (UpstreamFailed("no"), {"retries": 3}, DEAD, 1, "UpstreamFailed"),
    (TtlExpired("no"), {"retries": 3}, DEAD, 1, "TtlExpired"),
    (BOOM, {"retries": 3, "asked": True}, GONE, 0, "Cancelled"),
    (BOOM, {"cancel_asked": True}, GONE, 0, "Cancelled"),
    (Cancelled("stopped"), {"asked": True, "retries": 3}, GONE, 0, "Cancelled"),
]


@pytest.mark.parametrize(
    ("did", "fields", "state", "tries", "result"),
    TABLE,
    ids=[f"{type(row[0]).__name__}-{row[1]}" for row in TABLE],
)
def test_the_end_of_an_attempt_follows_from_how_it_ended(did, fields, state, tries, result):
    end = end_of(None if did == "success" else did, **fields)
    assert end.state is state
    assert end.tries == tries
    assert end.processed
    assert (end.failure is None) is (did == "success")
    if result is None:
        assert end.result is None
    else:
        assert end.result is not None
        assert end.result.bucket.success is (result == "stored")
        assert end.result.bucket.exception == (None if result == "stored" else result)


def test_the_result_of_a_success_is_stored_with_its_terms_and_its_origin():
    record = end_of().result
    assert (record.id_, record.generated) == ("r1", False)
    bucket = record.bucket
    assert (bucket.data, bucket.ttl) == ('"ok"', timedelta(hours=1))
    assert bucket.timestamp == clock.from_us(NOW)
    assert (bucket.started_when, bucket.finished_when) == (4_000_000_000, 4_500_000_000)
    origin = record.origin
    assert (origin.key.id_, origin.key.topic, record.worker) == ("the-id", "greet", "w1")
    assert (origin.key.queue, origin.key.priority, origin.payload) == ("default", 5, "{}")


@pytest.mark.parametrize("exception", [None, BOOM, ArgsInvalid("no")])
@pytest.mark.parametrize("asked", [False, True])
def test_a_job_that_stores_no_result_leaves_none(exception, asked):
    assert end_of(exception, result=False, asked=asked).result is None


@pytest.mark.parametrize("tries", [0, 1, 4])
def test_a_retry_waits_as_its_policy_says_and_nothing_else_moves(tries):
    end = end_of(BOOM, retries=5, tries=tries, due_at=800, tick=3, crashes=2)
    assert end.run_at == NOW + 30_000_000 * (tries + 1)
    assert (end.due_at, end.tick, end.crashes) == (800, 3, 2)
    assert (end.dead_reason, end.waits_for) == ("", None)


def test_a_policy_that_raises_is_replaced_by_the_default_and_logged(caplog):
    def policy(retry_number=1):
        raise ZeroDivisionError

    end = judge(message(retries=1), failure(BOOM), policy, BENCH)
    assert end.state is READY
    assert 10_000_000 <= end.run_at - NOW <= 11_000_000
    assert "retry policy raised" in caplog.text


def test_a_dead_letter_says_when_it_died_and_why():
    end = end_of(BOOM)
    assert (end.run_at, end.dead_reason) == (NOW, "ValueError: boom")
    assert end.result.bucket.data == "boom"
    assert end.result.tries == 1


def test_what_cannot_be_started_dies_without_a_try():
    end: Any = refuse(message(retries=3, tries=1), TtlExpired("too late"), BENCH)
    assert (end.state, end.tries, end.processed) == (DEAD, 1, False)
    assert end.dead_reason == "TtlExpired: too late"
    assert end.result.bucket.exception == "TtlExpired"
    assert end.failure.exception == "TtlExpired"


def test_a_waiting_job_that_is_cancelled_goes_and_its_bucket_says_so():
    end: Any = cancelled(message(retries=3, tries=1), BENCH)
    assert (end.state, end.tries, end.processed, end.failure) == (GONE, 1, False, None)
    bucket = end.result.bucket
    assert (bucket.success, bucket.exception) == (False, "Cancelled")


def test_a_cancelled_attempt_keeps_its_failure_for_people():
    end = end_of(BOOM, asked=True)
    assert end.failure.exception == "ValueError"


def test_work_whose_end_the_store_refuses_is_not_done_again():
    end: Any = refused_by_store(end_of(retries=5), ResultInvalid("too wide"))
    assert (end.state, end.processed) == (DEAD, True)
    assert end.dead_reason == "ResultInvalid: too wide"
    assert end.result.bucket.exception == "ResultInvalid"


def test_what_is_handed_back_is_ready_as_it_was():
    taken = message(retries=3, tries=2, run_at=700, due_at=600, crashes=4, tick=5, waits_for="b")
    end = hand_back(taken)
    assert (end.state, end.run_at, end.due_at) == (READY, 700, 600)
    assert (end.tries, end.crashes, end.tick, end.waits_for) == (2, 4, 5, "b")
    assert (end.result, end.failure, end.processed) == (None, None, False)
