"""Whether a claimed message can start."""

import pytest

from django_repid import ArgsBucket, ResultBucket
from django_repid.core import clock
from django_repid.core.codec import Spec
from django_repid.core.message import MessageState, StoredMessage
from django_repid.core.outcome import Bench
from django_repid.core.verdict import examine
from tests.core.kit import MOMENT, stored

SECOND = 1_000_000
DUE = 100 * SECOND
PATIENCE = 3600 * SECOND


def message(ttl=None, **fields):
    us = None if ttl is None else ttl * SECOND
    spec = Spec.write(clock.to_us(MOMENT), ttl=us, result_id="r1")
    return stored(spec=spec, **{"due_at": DUE, "run_at": DUE, **fields})


def look(looked_at, after=1.0, buckets=None):
    bench = Bench(worker="w1", now=DUE + round(after * SECOND))
    return examine(looked_at, buckets or {}, bench, PATIENCE)


def end_of(looked_at, after=1.0, buckets=None):
    """Return state, exception, tries and whether it counts, of one that cannot start."""
    end = look(looked_at, after, buckets)
    assert not isinstance(end, StoredMessage)
    assert not end.processed
    assert end.result is not None
    return end.state, end.result.bucket.exception, end.tries


def test_a_message_that_carries_its_arguments_starts_as_it_is():
    given = message(payload='{"a":1}')
    assert look(given) is given


@pytest.mark.parametrize("bucket", [ArgsBucket('{"a":1}'), ResultBucket('{"a":1}')])
def test_the_arguments_of_a_bucket_become_the_payload(bucket):
    found = look(message(payload=None, args_id="b"), buckets={"b": bucket, "c": ArgsBucket("2")})
    assert isinstance(found, StoredMessage)
    assert found.payload == '{"a":1}'


@pytest.mark.parametrize("after", [0, 4.9, 5])
def test_a_job_starts_within_its_ttl(after):
    assert isinstance(look(message(ttl=5), after), StoredMessage)


def test_a_job_dies_that_was_not_started_within_its_ttl():
    assert end_of(message(ttl=5, tries=1), 5.000001) == (MessageState.DEAD, "TtlExpired", 1)


def test_the_ttl_counts_from_when_the_job_became_due_not_from_a_back_off():
    late = message(ttl=5, run_at=DUE + 60 * SECOND)
    assert end_of(late, 61)[1] == "TtlExpired"


def test_a_cancelled_job_does_not_start_whatever_else_holds():
    asked = message(cancel_asked=True, ttl=1, args_id="b")
    assert end_of(asked, 99) == (None, "Cancelled", 0)


def test_a_job_whose_generated_bucket_is_gone_dies_at_once():
    lost = message(args_id="b", args_generated=True, payload=None)
    assert end_of(lost) == (MessageState.DEAD, "ArgsBucketMissing", 0)


def test_a_job_whose_upstream_failed_dies_at_once_and_says_of_what():
    waiting = message(args_id="b", payload=None)
    failed = {"b": ResultBucket("no such order", success=False, exception="LookupError")}
    assert end_of(waiting, buckets=failed) == (MessageState.DEAD, "UpstreamFailed", 0)
    reason = look(waiting, buckets=failed).dead_reason
    assert "LookupError: no such order" in reason


@pytest.mark.parametrize(
    ("after", "pause"), [(0, 0.5), (1, 0.5), (8, 2), (40, 10), (3000, 15), (3599.9, 0.1)]
)
def test_a_job_waits_for_a_chosen_bucket_ever_longer_at_no_cost_of_a_try(after, pause):
    end = look(message(args_id="b", payload=None, tries=2, crashes=1), after)
    assert (end.state, end.tries, end.crashes) == (MessageState.READY, 2, 1)
    assert (end.waits_for, end.due_at) == ("b", DUE)
    assert end.run_at == DUE + round((after + pause) * SECOND)
    assert (end.result, end.failure, end.processed) == (None, None, False)


@pytest.mark.parametrize("after", [3600, 9999])
def test_a_job_dies_whose_chosen_bucket_did_not_come_in_time(after):
    end = end_of(message(args_id="b", payload=None), after)
    assert end == (MessageState.DEAD, "ArgsBucketMissing", 0)


@pytest.mark.parametrize("after", [5, 5.1, 60])
def test_of_a_job_with_a_ttl_the_ttl_is_how_long_it_waits_for_its_bucket(after):
    """Contract, section 4: "and with `ArgsBucketMissing` when its `ttl` … is over"."""
    end = end_of(message(args_id="b", payload=None, ttl=5), after)
    assert end == (MessageState.DEAD, "ArgsBucketMissing", 0)


def test_the_wait_for_a_bucket_never_outlasts_the_ttl():
    end = look(message(args_id="b", payload=None, ttl=5), 4.9)
    assert end.run_at == DUE + 5 * SECOND
