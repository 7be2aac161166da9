"""Messages of a queue that are answered by somebody who looks through it, and whole queues."""

import logging
from datetime import UTC, datetime, timedelta

import pytest
from django.core.exceptions import SynchronousOnlyOperation

from django_repid import (
    BasicConverter,
    Job,
    LeaseLost,
    MessageCategory,
    Queue,
    Router,
    RouterDefaults,
    Worker,
)
from django_repid.core import clock
from django_repid.core.browsing import Message
from django_repid.core.claims import ClaimRequest, Want
from django_repid.core.message import MessageState
from tests import stores

pytestmark = pytest.mark.usefixtures("each_store")

DEAD, DELAYED, NORMAL = MessageCategory.DEAD, MessageCategory.DELAYED, MessageCategory.NORMAL
FAR = datetime(2100, 1, 1, tzinfo=UTC)
VERBS = ["ack", "nack", "reject", "retry", "force_retry", "reschedule"]

router = Router(defaults=RouterDefaults(converter=BasicConverter))


@router.actor
async def fail():
    raise LookupError("no")


def run(connection):
    worker = Worker([router], connection=connection, burst=True, handle_signals=())
    return stores.run(worker.run()).processed


def look(connection, category=NORMAL, queue="default"):
    return list(Queue(queue, connection).get_messages_sync(category=category))


def waiting(connection, **options):
    Job("fail", id_="a", connection=connection, **options).enqueue_sync()
    (message,) = look(connection, DELAYED if "deferred_until" in options else NORMAL)
    return message


def dead(connection):
    Job("fail", id_="a", connection=connection).enqueue_sync()
    assert run(connection) == 1
    (message,) = look(connection, DEAD)
    return message


def stored(connection):
    return connection.message_broker.find(["a"])


def test_an_acked_message_is_gone_and_leaves_no_result(connection):
    message = waiting(connection, result_id="r")
    message.ack_sync()
    assert stored(connection) == []
    assert connection.result("r") is None


def test_a_recurring_message_that_is_acked_comes_again(connection):
    message = waiting(connection, deferred_by=timedelta(hours=1), deferred_until=FAR)
    before = stored(connection)[0].run_at
    message.ack_sync()
    assert stored(connection)[0].run_at == before + 3_600_000_000


def test_a_nacked_message_is_a_dead_letter_with_a_failed_result(connection):
    message = waiting(connection, result_id="r", retries=5)
    message.nack_sync()
    (found,) = look(connection, DEAD)
    assert found.dead_reason == "Nacked: It was put aside by nack()."
    assert connection.result("r").exception == "Nacked"


@pytest.mark.parametrize("make", [waiting, dead])
def test_a_rejected_message_stays_as_it_was(connection, make):
    message = make(connection)
    (before,) = stored(connection)
    message.reject_sync()
    (after,) = stored(connection)
    assert (after.state, after.tries, after.run_at) == (before.state, before.tries, before.run_at)
    assert (after.dead_reason, after.suspicion) == (before.dead_reason, before.suspicion)


def test_a_message_that_is_retried_has_a_try_less_and_is_due_at_once(connection):
    message = waiting(connection, retries=1)
    message.retry_sync()
    (found,) = look(connection)
    assert found.parameters.retries.already_tried == 1
    with pytest.raises(ValueError, match=r"Max retry limit reached: .* its 1 retries"):
        found.retry_sync()


def test_a_forced_retry_asks_nobody_and_can_wait(connection):
    waiting(connection).force_retry_sync(timedelta(minutes=5))
    (after,) = stored(connection)
    assert after.tries == 1
    assert after.run_at - clock.now_us() == pytest.approx(300_000_000, abs=10_000_000)


@pytest.mark.parametrize("wait", [5, timedelta(seconds=-1), timedelta(days=40_000)])
def test_a_wait_that_is_none_is_refused_and_changes_nothing(connection, wait):
    message = waiting(connection, retries=3)
    with pytest.raises(ValueError, match="next_retry must be a timedelta"):
        message.retry_sync(wait)
    assert (message.read_only, stored(connection)[0].tries) == (False, 0)


@pytest.mark.parametrize("verb", VERBS)
def test_an_answered_message_is_read_only(connection, verb):
    message = waiting(connection, retries=1)
    getattr(message, f"{verb}_sync")()
    assert message.read_only is True
    for another in VERBS:
        with pytest.raises(ValueError, match="read only"):
            getattr(message, f"{another}_sync")()


@pytest.mark.parametrize("verb", ["nack", "retry", "force_retry"])
def test_what_is_not_due_can_not_be_nacked_or_retried(connection, verb):
    message = waiting(connection, deferred_until=FAR)
    with pytest.raises(ValueError, match=f"Can not {verb} a message with category DELAYED"):
        getattr(message, f"{verb}_sync")()
    assert message.read_only is False


@pytest.mark.parametrize("verb", ["ack", "reject", "reschedule"])
def test_the_dead_can_be_acked_rejected_and_rescheduled(connection, verb):
    getattr(dead(connection), f"{verb}_sync")()
    states = {"ack": [], "reject": [MessageState.DEAD], "reschedule": [MessageState.READY]}
    assert [message.state for message in stored(connection)] == states[verb]


@pytest.mark.parametrize("verb", VERBS)
def test_a_message_that_a_worker_has_taken_is_its_own(connection, verb):
    message = waiting(connection, retries=1)
    request = ClaimRequest(worker_id=1, wants=[Want(["fail"], 1)])
    (claimed,) = connection.message_broker.claim(request).messages
    with pytest.raises(LeaseLost, match="a is not READY any more"):
        getattr(message, f"{verb}_sync")()
    assert stored(connection) == [claimed]
    assert message.read_only is False


def test_a_dead_message_that_died_again_since_is_not_the_one_that_was_looked_at(connection):
    seen = dead(connection)
    look(connection, DEAD)[0].reschedule_sync()
    run(connection)
    (before,) = stored(connection)
    with pytest.raises(LeaseLost, match="has run since"):
        seen.ack_sync()
    (after,) = stored(connection)
    assert (after.state, after.dead_reason) == (MessageState.DEAD, "LookupError: no")
    assert (after.tries, after.run_at) == (before.tries, before.run_at)


@pytest.mark.parametrize("verb", VERBS)
def test_coroutines_await_the_answers(connection, verb):
    message = waiting(connection, retries=1)

    async def main():
        await getattr(message, verb)()

    stores.run(main())
    assert message.read_only is True


@pytest.mark.parametrize("verb", VERBS)
def test_an_answer_on_the_wrong_side_is_a_loud_error(connection, verb):
    message = waiting(connection)

    async def twin():
        getattr(message, f"{verb}_sync")()

    with pytest.raises(RuntimeError, match=f"message.{verb}_sync"):
        getattr(message, verb)()
    with pytest.raises(SynchronousOnlyOperation):
        stores.run(twin())
    assert message.read_only is False


def test_an_answer_that_nobody_awaits_is_logged(connection, caplog):
    message = waiting(connection)

    async def main():
        message.ack()

    stores.run(main())
    assert "<Message fail a>.ack() was never awaited" in caplog.text
    assert isinstance(message, Message)


def fill(connection, **options):
    Job.enqueue_many_sync(Job("fail", connection=connection, **options) for _ in range(3))


def scene(connection):
    """Three dead, three delayed, three due; and three in another queue."""
    fill(connection)
    run(connection)
    fill(connection, deferred_until=FAR)
    fill(connection)
    fill(connection, queue="other")


def test_a_flush_removes_every_category_of_one_queue(connection):
    scene(connection)
    assert Queue("default", connection).flush_sync() == 9
    assert [len(look(connection, one)) for one in MessageCategory] == [0, 0, 0]
    assert len(look(connection, queue="other")) == 3
    assert Queue("default", connection).flush_sync() == 0


def test_what_runs_outlives_a_flush(connection):
    fill(connection)
    request = ClaimRequest(worker_id=1, wants=[Want(["fail"], 1)])
    (claimed,) = connection.message_broker.claim(request).messages
    assert Queue("default", connection).flush_sync() == 2
    assert connection.message_broker.find([claimed.key.id_]) == [claimed]


def test_a_long_queue_is_flushed_in_steps(connection, monkeypatch):
    monkeypatch.setattr("django_repid.core.queue._STEP", 2)
    monkeypatch.setattr("django_repid.core.queue._PAUSE_SECONDS", 0)
    steps = []
    flush = connection.message_broker.flush

    def counted(queue, limit):
        steps.append(flush(queue, limit))
        return steps[-1]

    monkeypatch.setattr(connection.message_broker, "flush", counted)
    scene(connection)

    async def main():
        return await Queue("default", connection).flush()

    assert stores.run(main()) == 9
    assert steps == [2, 2, 2, 2, 1]


def test_a_deleted_queue_is_empty_and_not_paused(connection):
    connection.message_broker.pause("default")
    fill(connection)

    async def main():
        return await Queue("default", connection).delete()

    assert stores.run(main()) == 3
    fill(connection)
    assert run(connection) == 3
    connection.message_broker.pause("default")
    assert Queue("default", connection).delete_sync() == 3
    fill(connection)
    assert run(connection) == 3


@pytest.mark.parametrize("verb", ["declare", "flush", "delete"])
def test_subscribers_hear_what_is_done_with_a_queue(connection, verb):
    heard = []

    def listen(when):
        def subscriber(queue_name, **more):
            heard.append((when, queue_name, more.get("result")))

        subscriber.__name__ = f"{when}_queue_{verb}"
        connection.middleware.add_subscriber(subscriber)

    listen("before")
    listen("after")
    fill(connection)

    async def main():
        return await getattr(Queue("default", connection), verb)()

    def told(count):
        return [("before", "default", None), ("after", "default", count)]

    assert stores.run(main()) == (None if verb == "declare" else 3)
    assert heard == told(None if verb == "declare" else 3)
    heard.clear()
    getattr(Queue("default", connection), f"{verb}_sync")()
    assert heard == told(None if verb == "declare" else 0)


@pytest.mark.parametrize("verb", VERBS)
def test_subscribers_hear_of_an_answer(connection, verb):
    heard = []

    def listen(when, event):
        def subscriber(key, **more):
            heard.append((when, event, key.id_))

        subscriber.__name__ = f"{when}_{event}"
        connection.middleware.add_subscriber(subscriber)

    for when in ("before", "after"):
        for event in ("ack", "nack", "reject", "requeue"):
            listen(when, event)
    getattr(waiting(connection, retries=1), f"{verb}_sync")()

    event = verb if verb in ("ack", "nack", "reject") else "requeue"
    assert heard == [("before", event, "a"), ("after", event, "a")]


@pytest.mark.parametrize("verb", ["declare", "flush", "delete"])
def test_a_queue_s_verbs_are_loud_on_the_wrong_side(connection, verb, caplog):
    queue = Queue("default", connection)

    async def twin():
        getattr(queue, f"{verb}_sync")()

    async def forgotten():
        getattr(queue, verb)()

    with pytest.raises(RuntimeError, match=f"queue.{verb}_sync"):
        getattr(queue, verb)()
    with pytest.raises(SynchronousOnlyOperation):
        stores.run(twin())
    with caplog.at_level(logging.ERROR):
        stores.run(forgotten())
    assert f"Queue('default').{verb}() was never awaited" in caplog.text
