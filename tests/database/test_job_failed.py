"""The signal of jobs that have failed for good: once for each, and after the commit."""

import asyncio
import logging
import threading
from collections.abc import Callable, Iterator
from datetime import timedelta
from typing import Any

import pytest
from django.db import connection

from django_repid import (
    Connection,
    DatabaseBucketBroker,
    DatabaseMessageBroker,
    Job,
    RetryAfter,
    Router,
    Worker,
)
from django_repid.connections import connections as repid
from django_repid.core.options import Options
from django_repid.core.suspicion import CONVICTED
from django_repid.models import Failure, Message
from django_repid.signals import job_failed
from django_repid.worker import cell
from tests.shop import tasks
from tests.shop.models import Order

pytestmark = [pytest.mark.store, pytest.mark.django_db(transaction=True)]

NO_WAIT: Any = {"retry_policy": lambda retry_number=1: timedelta(0)}


def burst(router: Router, **terms: Any) -> int:
    worker = Worker([router], burst=True, handle_signals=(), connection="default", **terms)
    return asyncio.run(worker.run()).processed


@pytest.fixture
def heard() -> Iterator[list[dict[str, Any]]]:
    """What the signal has said, and what the database said then."""
    said: list[dict[str, Any]] = []

    def hear(**told: Any) -> None:
        state = Message.objects.get(message_id=told["job_id"]).state
        said.append({**told, "state": state, "thread": threading.current_thread().name})

    job_failed.connect(hear)
    yield said
    job_failed.disconnect(hear)


def test_it_comes_once_for_each_death_and_not_for_what_is_tried_again(
    heard: list[dict[str, Any]],
) -> None:
    router = Router()

    @router.actor(retries=2, **NO_WAIT)
    def die(n: int) -> None:
        raise ValueError(f"no {n}")

    @router.actor(retries=2, **NO_WAIT)
    async def die_async(n: int) -> None:
        raise ValueError(f"no {n}")

    runs: list[int] = []

    @router.actor(retries=2, **NO_WAIT)
    def recover() -> None:
        runs.append(1)
        if len(runs) < 3:
            raise ValueError

    jobs = [Job(actor, args={"n": n}) for n in range(20) for actor in (die, die_async)]
    keys = [receipt.key for receipt in Job.enqueue_many_sync([*jobs, Job(recover)])]

    assert burst(router) == 41 * 3

    assert sorted(told["job_id"] for told in heard) == sorted(key.id_ for key in keys[:-1])
    assert {told["sender"] for told in heard} == {die, die_async}
    for told in heard:
        assert (told["exception"], told["queue"], told["tries"]) == ("ValueError", "default", 3)
        assert told["text"].startswith("no ")
        assert (told["key"].id_, told["key"].topic) == (told["job_id"], told["actor"])
        assert told["state"] == Message.State.DEAD  # committed
    assert Failure.objects.count() == 40 * 3 + 2


def end_in_time() -> None:
    raise TimeoutError("too slow, it says")


async def overrun() -> None:
    await asyncio.sleep(60)


def say_later() -> None:
    raise RetryAfter(60, message="429")


def give_up() -> None:
    raise LookupError("not here")


def return_what_cannot_be_stored() -> Any:
    return b"\xff"


@pytest.mark.parametrize(
    ("actor", "exception", "kept"),
    [
        (end_in_time, "TimeoutError", "TimeoutError"),
        (overrun, "TimeoutError", "TimeoutError"),
        (say_later, "RetryAfter", "RetryAfter"),
        (give_up, "LookupError", "LookupError"),
        (return_what_cannot_be_stored, "ResultInvalid", "ResultInvalid"),
    ],
)
def test_whatever_a_job_dies_of_is_told_and_leaves_a_failure(
    heard: list[dict[str, Any]], actor: Callable[..., Any], exception: str, kept: str
) -> None:
    router = Router()
    router.actor(timeout=timedelta(seconds=1), retries=0, give_up_on=LookupError)(actor)
    Job(actor).enqueue_sync()

    assert burst(router) == 1

    assert [(told["exception"], told["sender"]) for told in heard] == [(exception, actor)]
    failure = Failure.objects.get()
    assert (failure.exception, failure.number) == (kept, 1)
    assert failure.worker
    assert failure.traceback
    assert heard[0]["text"] == failure.text


def test_one_that_is_never_started_is_told_too(heard: list[dict[str, Any]]) -> None:
    router = Router()
    router.actor(give_up)
    receipt = Job(give_up, ttl=timedelta(seconds=1)).enqueue_sync()
    Message.objects.update(due_at=1_000_000, run_at=1_000_000)

    assert burst(router) == 0

    assert [(told["exception"], told["tries"]) for told in heard] == [("TtlExpired", 0)]
    assert heard[0]["job_id"] == receipt.key.id_
    assert Failure.objects.get().exception == "TtlExpired"


def test_one_that_kills_its_process_is_told_as_quarantined(
    heard: list[dict[str, Any]], monkeypatch: pytest.MonkeyPatch, tmp_path: Any
) -> None:
    monkeypatch.setattr(cell, "_GRACE_SECONDS", 0.1)
    monkeypatch.setenv("REPID_TEST_CHILD", "1")
    arguments = {"how": "exit", "folder": str(tmp_path)}
    Job(tasks.poison, args=arguments).enqueue_sync()
    Message.objects.update(suspicion=CONVICTED - 1)

    burst(tasks.router)

    (told,) = heard
    assert (told["exception"], told["sender"]) == ("Quarantined", tasks.poison)
    assert "process died" in told["text"]
    failure = Failure.objects.get()
    assert failure.exception == "ProcessDied"


def test_an_attempt_that_has_lost_its_lease_tells_nothing_and_leaves_nothing(
    heard: list[dict[str, Any]],
) -> None:
    router = Router()

    @router.actor
    def lose_the_lease() -> None:
        Message.objects.update(lease=77)
        raise ValueError

    Job(lose_the_lease).enqueue_sync()

    assert burst(router, messages_limit=1) == 0
    assert heard == []
    assert not Failure.objects.exists()


def test_a_cancelled_job_is_not_told_and_its_attempt_leaves_a_failure(
    heard: list[dict[str, Any]],
) -> None:
    router, running = Router(), threading.Event()

    @router.actor
    async def wait() -> None:
        running.set()
        await asyncio.sleep(60)

    options = Options(beat_seconds=0.1)
    there = Connection(
        DatabaseMessageBroker(), None, DatabaseBucketBroker(use_result_bucket=True), options=options
    )
    job = Job(wait, connection=there)
    job.enqueue_sync()

    def cancel() -> None:
        running.wait(30)
        job.cancel_sync()
        connection.close()

    thread = threading.Thread(target=cancel)
    thread.start()
    worker = Worker([router], burst=True, handle_signals=(), connection=there)
    asyncio.run(worker.run())
    thread.join()

    assert job.result_sync().exception == "Cancelled"  # type: ignore[union-attr]  # asserted by use
    assert heard == []
    assert Failure.objects.count() == 1


def test_receivers_run_on_a_thread_of_their_own_with_tidied_connections(
    heard: list[dict[str, Any]],
) -> None:
    router = Router()
    router.actor(give_up)
    left_open: list[bool] = []

    def leave_a_transaction_open(**told: Any) -> None:
        left_open.append(connection.in_atomic_block or not connection.get_autocommit())
        connection.set_autocommit(False)
        Order.objects.create(number=666)

    job_failed.connect(leave_a_transaction_open)
    try:
        Job.enqueue_many_sync([Job(give_up), Job(give_up)])
        burst(router)
    finally:
        job_failed.disconnect(leave_a_transaction_open)

    assert {told["thread"] for told in heard} == {"repid-deaths"}
    assert left_open == [False, False]
    assert not Order.objects.exists()


def test_a_receiver_that_raises_is_logged_and_the_others_hear_it(
    heard: list[dict[str, Any]], caplog: pytest.LogCaptureFixture
) -> None:
    router = Router()
    router.actor(give_up)

    def break_down(**told: Any) -> None:
        raise ZeroDivisionError

    def leave(**told: Any) -> None:
        raise SystemExit

    job_failed.connect(break_down)
    job_failed.connect(leave)
    try:
        Job.enqueue_many_sync([Job(give_up), Job(give_up)])
        with caplog.at_level(logging.ERROR):
            assert burst(router) == 2
    finally:
        job_failed.disconnect(break_down)
        job_failed.disconnect(leave)

    assert len(heard) == 2
    assert caplog.text.count("ZeroDivisionError") >= 2
    assert caplog.text.count("A receiver of job_failed raised") == 2


def test_an_async_receiver_may_use_the_orm() -> None:
    router = Router()
    router.actor(give_up)

    async def note(**told: Any) -> None:
        await Order.objects.acreate(number=1, note=told["exception"])

    job_failed.connect(note)
    try:
        Job(give_up).enqueue_sync()
        burst(router)
    finally:
        job_failed.disconnect(note)

    assert Order.objects.get().note == "LookupError"


def test_a_slow_receiver_stops_no_claims_and_a_worker_waits_for_it_in_its_grace() -> None:
    router, release, done = Router(), threading.Event(), threading.Event()
    router.actor(give_up)

    @router.actor
    def go_on() -> None:
        release.set()

    def be_slow(**told: Any) -> None:
        assert release.wait(20)  # until another job has run
        done.set()

    job_failed.connect(be_slow)
    try:
        Job(give_up, priority=9).enqueue_sync()
        Job(go_on).enqueue_sync()
        assert burst(router, threads=1) == 2
    finally:
        job_failed.disconnect(be_slow)

    assert done.is_set()


def test_a_receiver_that_hangs_does_not_hold_up_the_end(caplog: pytest.LogCaptureFixture) -> None:
    router, release = Router(), threading.Event()
    router.actor(give_up)

    def hang(**told: Any) -> None:
        release.wait(60)

    job_failed.connect(hang)
    try:
        Job.enqueue_many_sync([Job(give_up), Job(give_up)])
        assert burst(router, graceful_shutdown_time=0.1) == 2
    finally:
        job_failed.disconnect(hang)
        release.set()

    assert "they have not been told of 1 more" in caplog.text


def test_only_who_listens_to_an_actor_hears_of_it() -> None:
    router = Router()
    router.actor(give_up)
    router.actor(say_later)
    heard: list[Any] = []

    def hear(sender: Any, **told: Any) -> None:
        heard.append(sender)

    job_failed.connect(hear, sender=say_later)
    try:
        Job.enqueue_many_sync([Job(give_up), Job(say_later)])
        burst(router)
    finally:
        job_failed.disconnect(hear, sender=say_later)

    assert heard == [say_later]


def test_without_receivers_there_is_no_thread(monkeypatch: pytest.MonkeyPatch) -> None:
    router = Router()
    router.actor(give_up)
    started: list[str] = []

    class Noted(threading.Thread):
        def start(self) -> None:
            started.append(self.name)
            super().start()

    monkeypatch.setattr(threading, "Thread", Noted)
    Job(give_up).enqueue_sync()

    assert burst(router) == 1
    assert "repid-broker" in started
    assert "repid-deaths" not in started


def test_a_result_that_the_store_refuses_is_one_death(
    heard: list[dict[str, Any]], monkeypatch: pytest.MonkeyPatch
) -> None:
    router = Router()

    @router.actor
    def succeed() -> str:
        return "fine"

    there = repid["default"]
    settle = type(there).settle

    def refuse(self: Any, ends: Any) -> Any:
        if any(end.result is not None and end.result.bucket.success for end in ends):
            raise ValueError("no such value")
        return settle(self, ends)

    def claim(self: Any, request: Any, ends: Any = (), results: Any = None) -> Any:
        if any(end.result is not None and end.result.bucket.success for end in ends):
            raise ValueError("no such value")
        return real_claim(self, request, ends, results)

    real_claim = type(there.message_broker).claim
    monkeypatch.setattr(type(there), "settle", refuse)
    monkeypatch.setattr(type(there.message_broker), "claim", claim)
    Job(succeed).enqueue_sync()

    assert burst(router) == 1
    assert [told["exception"] for told in heard] == ["ResultInvalid"]
    assert Message.objects.get().state == Message.State.DEAD
