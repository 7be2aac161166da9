"""Dependencies and answers of actors on the database: lanes, transactions, cells."""

import asyncio
import logging
import threading
from collections.abc import Callable
from contextlib import nullcontext
from datetime import timedelta
from typing import Annotated, Any

import pytest
from asgiref.sync import async_to_sync, sync_to_async
from django.db import connection, transaction

from django_repid import (
    Depends,
    Job,
    LeaseLost,
    MessageCategory,
    MessageDependency,
    Queue,
    Router,
    Worker,
)
from django_repid.core.answer import Verb
from django_repid.core.message import MessageState
from django_repid.models import Bucket, Failure, Message
from tests.shop.models import Order

pytestmark = [pytest.mark.store, pytest.mark.django_db(transaction=True)]


def run(actor: Callable[..., Any], **terms: Any) -> Job:
    """Run a job of an actor once; return the job."""
    router = Router()
    atomic = terms.pop("atomic", False)
    router.actor(name="it", atomic=atomic)(actor)
    job = Job("it", id_="one", result_id="r", **terms)
    job.enqueue_sync()
    work(router)
    return job


def work(*routers: Router) -> None:
    worker = Worker(routers, connection="default", messages_limit=1, handle_signals=())
    assert asyncio.run(worker.run()).processed == 1


def left() -> list[tuple[str, int]]:
    return [(MessageState(m.state).name.lower(), m.tries) for m in Message.objects.all()]


def value(job: Job) -> Any:
    bucket = job.result_sync()
    return None if bucket is None else bucket.value


def number() -> int:
    return Order.objects.create(number=7).number


def thread() -> int:
    return threading.get_ident()


def test_sync_dependencies_of_an_async_actor_share_its_lane() -> None:
    async def it(
        n: Annotated[int, Depends(number)], dependency: Annotated[int, Depends(thread)]
    ) -> list[Any]:
        found = await Order.objects.filter(number=n).acount()
        lane = await sync_to_async(thread)()
        return [found, lane == dependency, dependency == threading.get_ident()]

    assert value(run(it)) == [1, True, False]


#: Each answer, what is left of the message, and whether what an atomic actor wrote is.
ANSWERS = [
    ("ack", [], True),
    ("nack", [("dead", 1)], False),
    ("reject", [("ready", 0)], False),
    ("retry", [("ready", 1)], False),
    ("force_retry", [("ready", 1)], False),
    ("reschedule", [("ready", 0)], True),
]


@pytest.mark.parametrize("given", ["nothing", "result", "exception"])
@pytest.mark.parametrize(("verb", "stays", "_writes"), ANSWERS)
@pytest.mark.parametrize("sync", [True, False])
def test_an_answer_is_settled_with_its_result(
    sync: bool, verb: str, stays: Any, _writes: bool, given: str
) -> None:
    def give(msg: MessageDependency) -> None:
        if given == "result":
            msg.set_result("set")
        if given == "exception":
            msg.set_exception(OSError("set"))

    def on_thread(msg: MessageDependency) -> None:
        give(msg)
        getattr(msg, f"{verb}_sync")()

    async def on_loop(msg: MessageDependency) -> None:
        give(msg)
        await getattr(msg, verb)()

    run(on_thread if sync else on_loop, retries=1)

    assert left() == stays
    final = verb in ("ack", "nack", "reschedule")
    expected = {"nothing": [], "result": [(True, '"set"')], "exception": [(False, "set")]}
    nacked = [(False, "It was put aside by nack().")]
    wanted = nacked if (verb, given) == ("nack", "nothing") else expected[given] if final else []
    assert list(Bucket.objects.values_list("success", "data")) == wanted
    fails = verb == "nack" or (given == "exception" and verb not in ("ack", "reject"))
    assert Failure.objects.count() == int(fails)


@pytest.mark.parametrize(("verb", "stays", "writes"), ANSWERS)
def test_an_atomic_actor_that_answers_commits_or_undoes_what_it_wrote(
    verb: str, stays: Any, writes: bool
) -> None:
    called: list[str] = []

    def it(msg: MessageDependency, n: Annotated[int, Depends(number)]) -> None:
        Order.objects.create(number=n + 1)
        msg.add_callback(lambda: Order.objects.create(number=n + 2))
        msg.add_callback(lambda: called.append("called"))
        getattr(msg, f"{verb}_sync")()

    run(it, atomic=True, retries=1)

    assert left() == stays
    assert list(Order.objects.order_by("number").values_list("number", flat=True)) == (
        [7, 8, 9] if writes else []
    )
    assert called == ["called"]


def test_an_atomic_actor_that_acks_with_an_exception_keeps_what_it_wrote() -> None:
    def it(msg: MessageDependency) -> None:
        Order.objects.create(number=1)
        msg.set_exception(OSError("in part"))
        msg.ack_sync()

    job = run(it, atomic=True)

    assert left() == []
    assert Order.objects.count() == 1
    assert job.result_sync().exception == "OSError"  # type: ignore[union-attr]  # asserted by use


def test_an_ack_after_the_timeout_of_an_atomic_actor_is_too_late() -> None:
    released = threading.Event()

    def it(msg: MessageDependency) -> None:
        Order.objects.create(number=1)
        released.wait(20)
        msg.ack_sync()

    watch = threading.Timer(1.5, released.set)
    watch.start()
    job = run(it, atomic=True, timeout=timedelta(seconds=1))
    watch.join()

    assert job.result_sync().exception == "TimeoutError"  # type: ignore[union-attr]  # as above
    assert not Order.objects.exists()


def test_a_callback_that_breaks_the_transaction_of_an_atomic_actor_fails_the_job(
    caplog: pytest.LogCaptureFixture,
) -> None:
    def bad() -> None:
        with connection.cursor() as cursor:
            cursor.execute("SELECT nothing FROM nowhere")

    def doomed() -> None:
        transaction.set_rollback(True)

    def it(msg: MessageDependency) -> None:
        Order.objects.create(number=1)
        msg.add_callback(bad)
        msg.add_callback(doomed)
        msg.ack_sync()

    caplog.set_level(logging.ERROR)
    job = run(it, atomic=True)

    assert job.result_sync().exception == "TransactionManagementError"  # type: ignore[union-attr]  # as above
    assert not Order.objects.exists()
    assert "A callback of job one (it) raised" in caplog.text


def test_a_lease_that_was_lost_makes_an_answer_void() -> None:
    async def it(msg: MessageDependency) -> None:
        await Message.objects.aupdate(lease=50)
        msg.set_result("set")
        await msg.ack()

    router = Router()
    router.actor(it)
    Job("it", id_="one", result_id="r").enqueue_sync()
    worker = Worker([router], connection="default", burst=True, handle_signals=())
    asyncio.run(worker.run())

    assert Message.objects.get().lease == 50
    assert not Bucket.objects.exists()


# --------------------------------------------------------------------------- from outside


@pytest.mark.parametrize("verb", list(Verb))
def test_a_message_is_answered_from_outside(verb: Verb) -> None:
    Job("it", id_="one", retries=1).enqueue_sync()

    async def main() -> None:
        async for message in Queue().get_messages():
            await getattr(message, verb)()

    async_to_sync(main)()
    stays = {"ack": [], "nack": [("dead", 0)], "retry": [("ready", 1)]}
    stays |= {"force_retry": [("ready", 1)]}
    assert left() == stays.get(verb, [("ready", 0)])


def test_a_message_that_somebody_has_answered_is_nobody_else_s() -> None:
    Job("it", id_="one").enqueue_sync()
    (one,) = Queue().get_messages_sync()
    (other,) = Queue().get_messages_sync()
    one.nack_sync()
    with pytest.raises(LeaseLost):
        other.ack_sync()
    (dead,) = Queue().get_messages_sync(category=MessageCategory.DEAD)
    dead.ack_sync()
    assert left() == []


def test_a_flush_leaves_alone_what_another_transaction_holds() -> None:
    """SQLite locks no rows: there all of them go."""
    locks = connection.features.has_select_for_update_skip_locked
    Job.enqueue_many_sync(Job("it", id_=f"m{n}") for n in range(3))
    flushed: list[int] = []

    def flush() -> None:
        flushed.append(Queue().flush_sync())
        connection.close()

    with transaction.atomic() if locks else nullcontext():
        if locks:
            Message.objects.select_for_update().get(message_id="m1")
        other = threading.Thread(target=flush)
        other.start()
        other.join(30)

    assert flushed == [2 if locks else 3]
    assert Message.objects.count() == int(locks)
