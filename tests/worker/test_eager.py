"""Actors that answer their message themselves."""

import asyncio
import logging
import threading
from collections.abc import Callable
from datetime import timedelta
from typing import Annotated, Any

import pytest

from django_repid import (
    Connection,
    Depends,
    Job,
    MessageCategory,
    MessageDependency,
    ResultInvalid,
    Router,
    Worker,
)
from django_repid.core.message import StoredMessage
from tests import stores
from tests.worker.kit import burst, during

pytestmark = pytest.mark.usefixtures("each_store")

#: Verbs after which the job's message is not due any more.
SETTLED = ["ack", "nack", "retry", "force_retry"]
WAIT = timedelta(hours=1)


def answer(verb: str, *, sync: bool, before: Callable[[MessageDependency], None]) -> Any:
    """Return an actor that answers with a verb, through an `except Exception`."""
    waits = (WAIT,) if "retry" in verb else ()

    def on_thread(msg: MessageDependency) -> Any:
        before(msg)
        try:
            getattr(msg, f"{verb}_sync")(*waits)
        except Exception:  # the test is that it is not caught here
            return "caught"
        return "went on"

    async def on_loop(msg: MessageDependency) -> Any:
        before(msg)
        try:
            await getattr(msg, verb)(*waits)
        except Exception:  # as above
            return "caught"
        return "went on"

    return on_thread if sync else on_loop


def nothing(msg: MessageDependency) -> None:
    """Set nothing."""


def run(
    fn: Callable[..., Any], connection: Connection | None = None, **terms: Any
) -> tuple[Connection, StoredMessage | None]:
    """Run a job of an actor once; return what is left of its message."""
    connection, router = connection or stores.connection(), Router()
    router.actor(name="it")(fn)
    job = Job("it", id_="one", connection=connection, **{"result_id": "r", **terms})
    job.enqueue_sync()
    assert burst(connection, router, messages_limit=1) == 1
    found = connection.message_broker.find(["one"])
    return connection, found[0] if found else None


@pytest.mark.parametrize("sync", [True, False])
def test_an_ack_ends_the_job_and_stores_nothing(sync: bool) -> None:
    connection, left = run(answer("ack", sync=sync, before=nothing))
    assert left is None
    assert connection.result("r") is None


@pytest.mark.parametrize("sync", [True, False])
@pytest.mark.parametrize("verb", ["ack", "nack"])
def test_a_result_that_was_set_is_stored(sync: bool, verb: str) -> None:
    connection, _ = run(answer(verb, sync=sync, before=lambda msg: msg.set_result({"n": 1})))
    bucket = connection.result("r")
    assert bucket is not None
    assert (bucket.success, bucket.value) == (True, {"n": 1})
    assert 0 < bucket.started_when <= bucket.finished_when


@pytest.mark.parametrize("sync", [True, False])
@pytest.mark.parametrize("verb", ["ack", "nack"])
def test_an_exception_that_was_set_is_stored(sync: bool, verb: str) -> None:
    def before(msg: MessageDependency) -> None:
        msg.set_result(1)
        msg.set_exception(OSError("it rained"))

    connection, _ = run(answer(verb, sync=sync, before=before))
    bucket = connection.result("r")
    assert bucket is not None
    assert (bucket.success, bucket.exception, bucket.data) == (False, "OSError", "it rained")


@pytest.mark.parametrize("sync", [True, False])
def test_a_nack_makes_a_dead_letter_whatever_tries_are_left(sync: bool) -> None:
    connection, left = run(answer("nack", sync=sync, before=nothing), retries=5)
    assert left is not None
    assert left.dead_reason == "Nacked: It was put aside by nack()."
    assert connection.result("r").exception == "Nacked"  # type: ignore[union-attr]  # asserted by use


@pytest.mark.parametrize("sync", [True, False])
def test_a_reject_leaves_the_message_as_it_was(sync: bool) -> None:
    _, left = run(answer("reject", sync=sync, before=nothing))
    assert left is not None
    assert (left.state.name, left.tries, left.run_at) == ("READY", 0, left.due_at)


@pytest.mark.parametrize("sync", [True, False])
@pytest.mark.parametrize(("verb", "retries"), [("retry", 1), ("force_retry", 0)])
def test_a_retry_counts_and_waits_as_long_as_it_says(sync: bool, verb: str, retries: int) -> None:
    connection, left = run(answer(verb, sync=sync, before=nothing), retries=retries)
    assert left is not None
    assert (left.state.name, left.tries) == ("READY", 1)
    waits = (left.run_at - left.enqueued_at) / 1_000_000
    assert 3600 <= waits < 3630
    assert connection.result("r") is None


@pytest.mark.parametrize("sync", [True, False])
def test_a_retry_without_retries_left_is_an_error_in_the_actor(sync: bool) -> None:
    def on_thread(msg: MessageDependency) -> str:
        try:
            msg.retry_sync()
        except ValueError as error:
            return str(error)

    async def on_loop(msg: MessageDependency) -> str:
        try:
            await msg.retry()
        except ValueError as error:
            return str(error)

    connection, left = run(on_thread if sync else on_loop)
    assert left is None
    assert connection.result("r").value.startswith("Max retry limit reached")  # type: ignore[union-attr]  # as above


def test_a_retry_goes_by_the_actor_s_policy_unless_it_says() -> None:
    connection, router = stores.connection(), Router()

    @router.actor(retry_policy=lambda retry_number=1: timedelta(minutes=retry_number), retries=3)
    async def it(msg: MessageDependency) -> None:
        await msg.retry()

    Job(it, id_="one", connection=connection).enqueue_sync()
    burst(connection, router)

    (left,) = connection.message_broker.find(["one"])
    assert 60 <= (left.run_at - left.enqueued_at) / 1_000_000 < 90


def test_a_reschedule_starts_over_at_once() -> None:
    seen: list[int] = []

    async def it(msg: MessageDependency) -> int:
        seen.append(msg.parameters.retries.already_tried)
        if len(seen) == 1:
            await msg.force_retry(timedelta(0))
        if len(seen) == 2:
            await msg.reschedule()
        return len(seen)

    connection, router = stores.connection(), Router()
    router.actor(it)
    job = Job(it, connection=connection)
    job.enqueue_sync()

    assert burst(connection, router) == 3
    assert seen == [0, 1, 0]
    assert job.result_sync().value == 3  # type: ignore[union-attr]  # as above


def test_the_exception_that_is_being_handled_is_why(caplog: pytest.LogCaptureFixture) -> None:
    async def it(msg: MessageDependency) -> None:
        try:
            raise ConnectionError("no line")
        except ConnectionError:
            await msg.nack()

    connection, left = run(it)
    assert left is not None
    assert left.dead_reason == "ConnectionError: no line"
    assert connection.result("r").exception == "ConnectionError"  # type: ignore[union-attr]  # as above
    assert "failed with ConnectionError: no line; it is a dead letter now" in caplog.text


def test_what_is_handled_around_the_worker_is_not_why() -> None:
    async def it(msg: MessageDependency) -> None:
        await msg.nack()

    try:
        raise RuntimeError("outside")
    except RuntimeError:
        _, left = run(it)
    assert left is not None
    assert left.dead_reason.startswith("Nacked: ")


@pytest.mark.parametrize("sync", [True, False])
def test_the_first_answer_counts_whatever_the_actor_does_afterwards(sync: bool) -> None:
    errors: list[str] = []

    def on_thread(msg: MessageDependency) -> str:
        try:
            msg.nack_sync()
        except BaseException:  # as careless as can be
            try:
                msg.ack_sync()
            except ValueError as error:
                errors.append(str(error))
        return "done"

    async def on_loop(msg: MessageDependency) -> str:
        try:
            await msg.nack()
        finally:
            try:
                await msg.ack()
            except ValueError as error:
                errors.append(str(error))
                raise KeyError from error

    _, left = run(on_thread if sync else on_loop)
    assert left is not None
    assert left.dead_reason.startswith("Nacked: ")
    assert errors == ["Message is read only: the answer nack was given."]


def test_an_answer_in_a_task_group_counts() -> None:
    async def it(msg: MessageDependency) -> None:
        async with asyncio.TaskGroup() as group:
            group.create_task(msg.ack())
            group.create_task(asyncio.sleep(60))

    connection, left = run(it)
    assert left is None
    assert connection.result("r") is None


def test_without_an_answer_what_the_actor_returns_counts() -> None:
    called: list[int] = []

    async def it(msg: MessageDependency) -> str:
        msg.set_result("set")
        msg.add_callback(lambda: called.append(1))
        return "returned"

    connection, left = run(it)
    assert left is None
    assert connection.result("r").value == "returned"  # type: ignore[union-attr]  # as above
    assert called == []


def test_a_result_that_cannot_be_stored_fails_at_once() -> None:
    seen: list[str] = []

    async def it(msg: MessageDependency) -> None:
        for bad in (object(), "x" * 100):
            try:
                msg.set_result(bad)
            except ResultInvalid as error:
                seen.append(str(error))
        await msg.ack()

    connection, left = run(it, stores.connection(payload_limit_bytes=50))
    assert left is None
    assert len(seen) == 2
    assert connection.result("r") is None


@pytest.mark.parametrize("given", [1, "text", ValueError])
def test_only_an_exception_can_be_set_as_one(given: Any) -> None:
    async def it(msg: MessageDependency) -> str:
        with pytest.raises(ValueError, match="set_exception takes an exception"):
            msg.set_exception(given)
        return "refused"

    connection, _ = run(it)
    assert connection.result("r").value == "refused"  # type: ignore[union-attr]  # as above


def test_where_a_job_stores_no_result_none_can_be_set() -> None:
    refused: list[str] = []

    async def it(msg: MessageDependency) -> None:
        for call in (lambda: msg.set_result(1), lambda: msg.set_exception(OSError())):
            try:
                call()
            except ValueError as error:
                refused.append(str(error))

    run(it, store_result=False, result_id=None)
    assert refused == ["The job stores no result (store_result is False), so none can be set."] * 2


# --------------------------------------------------------------------------- callbacks


@pytest.mark.parametrize("sync", [True, False])
@pytest.mark.parametrize("verb", SETTLED)
def test_callbacks_are_called_in_order_before_the_attempt_ends(sync: bool, verb: str) -> None:
    called: list[Any] = []
    connection = stores.connection()

    async def later() -> None:
        await asyncio.sleep(0)
        called.append("async")

    def state() -> None:
        called.append(connection.message_broker.find(["one"])[0].state.name)

    def before(msg: MessageDependency) -> None:
        for callback in (lambda: called.append("sync"), later, state):
            msg.add_callback(callback)
        if verb == "ack":
            msg.set_result("x")

    run(answer(verb, sync=sync, before=before), connection, retries=1)
    assert called == ["sync", "async", "RUNNING"]


@pytest.mark.parametrize("sync", [True, False])
def test_a_callback_that_raises_is_logged_and_changes_nothing(
    sync: bool, caplog: pytest.LogCaptureFixture
) -> None:
    called: list[int] = []

    def bad() -> None:
        raise SystemExit("bad callback")

    async def worse() -> None:
        raise KeyError("worse callback")

    def before(msg: MessageDependency) -> None:
        for callback in (bad, worse, lambda: called.append(1)):
            msg.add_callback(callback)

    _, left = run(answer("ack", sync=sync, before=before))
    assert left is None
    assert called == [1]
    assert caplog.text.count("A callback of job one (it) raised, which changes nothing") == 2


@pytest.mark.parametrize("bad", [None, lambda value: value, lambda *, value: value], ids=str)
def test_a_callback_that_cannot_be_called_without_arguments_is_refused(bad: Any) -> None:
    async def it(msg: MessageDependency) -> str:
        msg.add_callback(lambda value=1, *more, **others: value)
        with pytest.raises(ValueError, match=r"add_callback takes|called without arguments"):
            msg.add_callback(bad)
        return "refused"

    connection, _ = run(it)
    assert connection.result("r").value == "refused"  # type: ignore[union-attr]  # as above


def test_an_answer_stands_when_its_callbacks_take_too_long(
    caplog: pytest.LogCaptureFixture,
) -> None:
    called: list[int] = []

    async def forever() -> None:
        await asyncio.Event().wait()

    async def it(msg: MessageDependency) -> None:
        msg.add_callback(forever)
        msg.add_callback(lambda: called.append(1))
        await msg.nack()

    _, left = run(it, timeout=timedelta(seconds=1))
    assert left is not None
    assert left.dead_reason.startswith("Nacked: ")
    assert called == []
    assert "A callback of job one (it) raised" in caplog.text


def test_an_actor_that_is_stopped_at_its_timeout_can_still_answer() -> None:
    async def it(msg: MessageDependency) -> None:
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            await msg.force_retry(WAIT)

    _, left = run(it, timeout=timedelta(seconds=1))
    assert left is not None
    assert left.run_at - left.enqueued_at > 3_600_000_000


def test_a_thread_that_answers_after_its_timeout_is_too_late() -> None:
    released, answered = threading.Event(), threading.Event()

    def it(msg: MessageDependency) -> None:
        released.wait(30)
        try:
            msg.ack_sync()
        finally:
            answered.set()

    try:
        connection, left = run(it, timeout=timedelta(seconds=1))
    finally:
        released.set()
    assert answered.wait(30)
    assert left is not None
    assert left.dead_reason.startswith("TimeoutError: ")
    assert connection.message_broker.find(["one"]) == [left]


# --------------------------------------------------------------------------- misuse


@pytest.mark.parametrize("verb", SETTLED)
def test_an_answer_on_the_wrong_side_is_a_loud_error(verb: str) -> None:
    def on_thread(msg: MessageDependency) -> str:
        try:
            getattr(msg, verb)()
        except RuntimeError as error:
            return str(error)
        return "went on"

    async def on_loop(msg: MessageDependency) -> str:
        try:
            getattr(msg, f"{verb}_sync")()
        except Exception as error:
            return type(error).__name__
        return "went on"

    connection, _ = run(on_thread, retries=1)
    assert f"In a sync actor call {verb}_sync()." in connection.result("r").value  # type: ignore[union-attr]  # as above
    connection, _ = run(on_loop, retries=1)
    assert connection.result("r").value == "SynchronousOnlyOperation"  # type: ignore[union-attr]  # as above


def test_an_answer_that_nobody_awaits_is_logged(caplog: pytest.LogCaptureFixture) -> None:
    async def it(msg: MessageDependency) -> str:
        msg.ack()  # type: ignore[unused-coroutine]  # the mistake, which mypy sees too
        return "went on"

    connection, _ = run(it)
    assert connection.result("r").value == "went on"  # type: ignore[union-attr]  # as above
    assert "<MessageDependency it one>.ack() was never awaited" in caplog.text
    assert __file__ in caplog.text


def test_a_message_that_outlives_its_attempt_takes_no_answer() -> None:
    kept: list[MessageDependency] = []

    def it(msg: MessageDependency) -> None:
        assert msg.read_only is False
        kept.append(msg)

    run(it)
    (msg,) = kept
    assert msg.read_only is True
    for call in (msg.ack_sync, lambda: msg.set_result(1), lambda: msg.add_callback(lambda: 1)):
        with pytest.raises(ValueError, match="its attempt has come to an end"):
            call()


def test_the_message_says_what_the_job_was_given() -> None:
    seen: list[Any] = []

    async def it(n: int, msg: MessageDependency) -> None:
        seen.extend([n, msg.key.topic, msg.key.id_, msg.raw_payload, msg.category, msg.headers])
        seen.append(msg.parameters.execution_timeout)
        with pytest.raises(AttributeError):
            msg.raw_payload = "other"  # type: ignore[misc]  # the mistake

    _, left = run(it, args={"n": 1}, headers={"tenant": "t"}, timeout=WAIT, use_args_bucketer=True)
    assert left is None
    assert seen == [1, "it", "one", '{"n":1}', MessageCategory.NORMAL, {"tenant": "t"}, WAIT]


def test_a_dependency_can_answer_for_the_actor() -> None:
    called: list[int] = []

    async def only_for(msg: MessageDependency) -> None:
        if msg.headers.get("tenant") != "ours":
            await msg.ack()

    def sync_actor(dep: Annotated[None, Depends(only_for)]) -> None:
        called.append(1)

    async def async_actor(dep: Annotated[None, Depends(only_for)]) -> None:
        called.append(2)

    for one in (sync_actor, async_actor):
        _, left = run(one, headers={"tenant": "theirs"})
        assert left is None
    assert called == []
    run(sync_actor, headers={"tenant": "ours"})
    assert called == [1]


def test_subscribers_hear_the_verb_and_how_it_went() -> None:
    heard: list[str] = []
    connection = stores.connection()

    def after_actor_run(result: Any) -> None:
        heard.append(f"run {result.success} {result.answer.verb}")

    def after_reject() -> None:
        heard.append("reject")

    def after_requeue() -> None:
        heard.append("requeue")

    for subscriber in (after_actor_run, after_reject, after_requeue):
        connection.middleware.add_subscriber(subscriber)
    run(answer("reject", sync=False, before=nothing), connection)
    connection.message_broker.flush("default")
    run(answer("force_retry", sync=True, before=nothing), connection)

    assert heard == ["run False reject", "reject", "run False force_retry", "requeue"]


def test_a_job_that_was_asked_to_stop_is_not_tried_again() -> None:
    connection, router = stores.connection(), Router()
    running = asyncio.Event()

    @router.actor
    async def it(msg: MessageDependency) -> None:
        running.set()
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            await msg.reschedule()

    async def scene(worker: Worker) -> None:
        job = Job(it, connection=connection)
        await job.enqueue()
        await running.wait()
        assert await job.cancel()
        bucket = await job.wait(20)
        assert bucket.exception == "Cancelled"

    during(memory_with_fast_beats(connection), router, scene)


def memory_with_fast_beats(connection: Connection) -> Connection:
    connection.options = stores.connection(beat_seconds=0.1).options
    return connection


@pytest.fixture(autouse=True)
def _every_log(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
