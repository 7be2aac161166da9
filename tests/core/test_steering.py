"""Jobs that people steer: retried, run now, cancelled, deleted, repeated."""

from datetime import timedelta
from typing import Any

import pytest

from django_repid import Job, MessageCategory, Queue
from django_repid.core import steering
from django_repid.core.clock import utc_now
from django_repid.core.codec import NewerFormat
from django_repid.core.message import MessageState, StoredMessage
from django_repid.core.outcome import Bench
from django_repid.core.steering import Past
from django_repid.core.verdict import cancelled, refuse
from tests.core.kit import in_memory

LATER = utc_now() + timedelta(days=1)


@pytest.fixture
def there() -> Any:
    return in_memory()


def found(there: Any, id_: str) -> StoredMessage:
    message: StoredMessage
    (message,) = there.message_broker.find([id_])
    return message


def dead(there: Any, id_: str, **terms: Any) -> None:
    Job("work", id_=id_, connection=there, **terms).enqueue_sync()
    seized = there.message_broker.seize(id_, [MessageState.READY])
    bench = Bench(worker="", now=there.message_broker.now_us())
    there.settle([refuse(seized, ValueError("no"), bench)])
    assert found(there, id_).state is MessageState.DEAD


def test_dead_jobs_start_over_with_all_their_tries(there: Any) -> None:
    dead(there, "a")
    dead(there, "b")
    Job("work", id_="waits", connection=there).enqueue_sync()

    assert steering.retry(there, ["a", "waits", "nobody", "a"]) == ["a"]

    assert (found(there, "a").state, found(there, "a").tries) == (MessageState.READY, 0)
    assert found(there, "a").run_at <= there.message_broker.now_us()
    assert found(there, "b").state is MessageState.DEAD


def test_many_are_retried_in_steps(there: Any) -> None:
    for n in range(120):
        dead(there, f"n{n}")

    assert len(steering.retry(there, [f"n{n}" for n in range(120)])) == 120

    assert list(Queue("default", there).get_messages_sync(category=MessageCategory.DEAD)) == []


def test_a_later_job_runs_now_at_no_cost_of_a_try(there: Any) -> None:
    Job("work", id_="later", deferred_until=LATER, connection=there).enqueue_sync()
    dead(there, "dead")

    assert steering.run_now(there, ["later", "dead"]) == ["later"]

    job = found(there, "later")
    assert (job.state, job.tries) == (MessageState.READY, 0)
    assert job.run_at <= there.message_broker.now_us()


def test_a_recurring_job_that_runs_now_comes_again_when_it_would_have(there: Any) -> None:
    every = timedelta(hours=1)
    Job("work", id_="tick", deferred_by=every, connection=there).enqueue_sync()
    before = found(there, "tick").tick or 0

    assert steering.run_now(there, ["tick"]) == ["tick"]

    job = found(there, "tick")
    assert job.run_at <= there.message_broker.now_us()
    assert job.spec.again is not None
    assert job.spec.again.following(job.tick or 0, job.run_at) == before


def test_what_waits_or_is_dead_can_be_deleted(there: Any) -> None:
    job = Job("work", id_="waits", connection=there)
    job.enqueue_sync()
    dead(there, "dead")
    Job("work", id_="runs", connection=there).enqueue_sync()
    there.message_broker.seize("runs", [MessageState.READY])

    assert steering.delete(there, ["waits", "dead", "runs"]) == ["waits", "dead"]

    assert there.message_broker.find(["waits", "dead"]) == []
    assert job.result_sync() is None
    assert found(there, "runs").state is MessageState.RUNNING


def test_a_waiting_job_is_cancelled_and_a_running_one_asked_to_stop(there: Any) -> None:
    job = Job("work", id_="waits", connection=there)
    job.enqueue_sync()
    dead(there, "dead")
    Job("work", id_="runs", connection=there).enqueue_sync()
    there.message_broker.seize("runs", [MessageState.READY])

    assert steering.cancel(there, ["waits", "dead", "runs"]) == ["waits", "runs"]

    assert job.result_sync().exception == "Cancelled"  # type: ignore[union-attr]  # asserted by use
    assert found(there, "runs").cancel_asked


def test_a_job_that_has_ended_is_enqueued_again_under_new_ids(there: Any) -> None:
    terms: dict[str, Any] = {"retries": 3, "ttl": timedelta(hours=1), "priority": 9}
    job = Job("work", "mail", args={"a": 1}, headers={"tenant": "acme"}, connection=there, **terms)
    receipt = job.enqueue_sync()
    old = found(there, receipt.key.id_)
    seized = there.message_broker.seize(receipt.key.id_, [MessageState.READY])
    there.settle([cancelled(seized, Bench(worker="", now=there.message_broker.now_us()))])

    id_ = steering.repeat(there, past(old))

    new = found(there, id_)
    assert (new.key.topic, new.key.queue, new.key.priority) == ("work", "mail", 9)
    assert (new.payload, new.headers, new.spec.retries) == (old.payload, old.headers, 3)
    assert new.spec.ttl == old.spec.ttl
    assert new.spec.result_id not in (None, old.spec.result_id)
    assert id_ != receipt.key.id_


def test_a_recurring_job_is_repeated_once(there: Any) -> None:
    Job("work", id_="tick", deferred_by=timedelta(hours=1), connection=there).enqueue_sync()

    id_ = steering.repeat(there, past(found(there, "tick")))

    assert found(there, id_).spec.again is None
    assert found(there, id_).tick is None


@pytest.mark.parametrize("spec", ["", "{", "[]", "null", "{}"])
def test_a_job_of_which_no_terms_are_kept_is_not_repeated(spec: str, there: Any) -> None:
    with pytest.raises(ValueError, match="Nothing is kept"):
        steering.repeat(there, Past(topic="work", queue="default", priority=5, spec=spec))


def test_terms_of_a_newer_version_are_refused(there: Any) -> None:
    with pytest.raises(NewerFormat):
        steering.repeat(there, Past(topic="work", queue="default", priority=5, spec='{"v":99}'))


def past(message: StoredMessage) -> Past:
    key = message.key
    return Past(
        topic=key.topic,
        queue=key.queue,
        priority=key.priority,
        spec=message.spec.text,
        payload=message.payload,
        args_id=message.args_id,
        headers=message.headers,
    )
