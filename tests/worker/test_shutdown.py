"""The end of a run: nothing is lost, and nothing costs a try."""

import asyncio
import logging
import threading
import time

import pytest
from asgiref.sync import sync_to_async

from django_repid import Job, MessageCategory, Router, Worker
from tests import stores
from tests.worker.kit import during

pytestmark = pytest.mark.usefixtures("each_store")


def test_what_runs_may_finish() -> None:
    connection, router = stores.connection(), Router()
    started = threading.Event()

    @router.actor
    async def linger() -> str:
        started.set()
        await asyncio.sleep(0.2)
        return "finished"

    job = Job(linger, connection=connection)

    async def scene(_: Worker) -> None:
        await job.enqueue()
        await asyncio.to_thread(started.wait, 10)

    during(connection, router, scene)

    bucket = job.result_sync()
    assert bucket is not None
    assert bucket.value == "finished"


@pytest.mark.parametrize("kind", ["async", "sync"])
def test_what_outlasts_the_grace_is_handed_back_as_it_was(kind: str) -> None:
    connection, router = stores.connection(), Router()
    started, let_go = threading.Event(), threading.Event()

    if kind == "async":

        @router.actor
        async def linger() -> None:
            started.set()
            await asyncio.sleep(60)

    else:

        @router.actor(name="linger")
        def linger_on_thread() -> None:
            started.set()
            let_go.wait(60)

    job = Job("linger", id_="one", connection=connection)

    async def scene(_: Worker) -> None:
        await job.enqueue()
        await asyncio.to_thread(started.wait, 10)

    before = time.monotonic()
    during(connection, router, scene, graceful_shutdown_time=0.1)
    took = time.monotonic() - before
    let_go.set()

    assert took < 0.1 + 2 + 1  # grace + 2 s, and a second for the scene
    (message,) = connection.message_broker.browse("default", MessageCategory.NORMAL)
    assert (message.tries, message.crashes) == (0, 0)
    assert job.result_sync() is None


def test_what_was_claimed_in_advance_is_handed_back_at_once() -> None:
    connection, router = stores.connection(), Router()
    started, let_go = threading.Event(), threading.Event()

    @router.actor
    def quick() -> None: ...

    @router.actor
    def linger() -> None:
        started.set()
        let_go.wait(30)

    async def scene(_: Worker) -> None:
        warm = Job(quick, connection=connection)  # so that short jobs are fetched in advance
        await warm.enqueue()
        await warm.wait(10)
        await Job(linger, priority=9, connection=connection).enqueue()
        await asyncio.to_thread(started.wait, 10)
        await Job.enqueue_many([Job(quick, connection=connection) for _ in range(20)])

    threading.Timer(0.5, let_go.set).start()
    during(connection, router, scene, threads=1)

    left = connection.message_broker.browse("default", MessageCategory.NORMAL)
    assert {message.tries for message in left} <= {0}
    assert all(message.worker_id is None for message in left)


def test_a_second_stop_does_not_wait_for_the_grace() -> None:
    connection, router = stores.connection(), Router()
    started = threading.Event()

    @router.actor
    async def linger() -> None:
        started.set()
        await asyncio.sleep(60)

    async def scene(worker: Worker) -> None:
        await Job(linger, connection=connection).enqueue()
        await asyncio.to_thread(started.wait, 10)
        worker.stop()

    before = time.monotonic()
    during(connection, router, scene, graceful_shutdown_time=60)

    assert time.monotonic() - before < 10
    assert len(connection.message_broker.browse("default", MessageCategory.NORMAL)) == 1


def test_a_worker_leaves_the_roster() -> None:
    connection, router = stores.connection(), Router()

    @router.actor
    async def work() -> None: ...

    async def scene(_: Worker) -> int:
        job = Job(work, connection=connection)
        await job.enqueue()
        await job.wait(10)
        return len(await sync_to_async(connection.message_broker.peers)(0))

    assert during(connection, router, scene) == 1
    assert connection.message_broker.peers(0) == []


def test_a_worker_that_was_declared_dead_goes_on_under_a_new_id(
    caplog: pytest.LogCaptureFixture,
) -> None:
    connection, router = stores.connection(beat_seconds=0.05), Router()
    started, let_go = threading.Event(), threading.Event()

    @router.actor
    def linger() -> str:
        started.set()
        let_go.wait(20)
        return "done"

    job = Job(linger, connection=connection)

    async def scene(_: Worker) -> str:
        broker = connection.message_broker
        await job.enqueue()
        await asyncio.to_thread(started.wait, 10)
        peers, rescue = sync_to_async(broker.peers), sync_to_async(broker.rescue)
        (peer,) = await peers(0)
        while not await rescue(peer.worker_id, peer.beat):
            (peer,) = await peers(0)
        while not await peers(0):  # noqa: ASYNC110 - the worker knows no event of the test's
            await asyncio.sleep(0.01)
        let_go.set()
        return str((await job.wait(10)).value)

    with caplog.at_level(logging.WARNING, "django_repid"):
        assert during(connection, router, scene) == "done"

    assert "LeaseLost" in caplog.text
    assert "under a new id" in caplog.text
