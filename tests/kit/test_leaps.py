"""Inside `travel` nothing is waited for that need not be, and what must be is."""

import asyncio
import socket
import threading
import time
from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest
from asgiref.sync import sync_to_async
from django.db import connections

from django_repid import Job, Router
from django_repid.core import clock as clocks
from django_repid.testing import arun_jobs, run_jobs, travel
from tests.shop.models import Order

pytestmark = [pytest.mark.store, pytest.mark.django_db]

HOUR = timedelta(hours=1)
LONG = 3600.0
PATIENCE = 20.0


@pytest.fixture(autouse=True)
def _at_once() -> Iterator[None]:
    began = time.monotonic()
    yield
    assert time.monotonic() - began < PATIENCE
    assert (clocks.ahead_us(), clocks.leaping()) == (0, False)


def routed(function: Any, **terms: Any) -> list[Router]:
    router = Router()
    router.actor(name="work", **terms)(function)
    return [router]


def test_an_async_actor_that_sleeps_reaches_its_timeout_at_once_and_is_tried_again() -> None:
    tries: list[float] = []

    async def work() -> str:
        tries.append(clocks.now_us())
        if len(tries) == 1:
            await asyncio.sleep(LONG)
        return "done"

    job = Job("work", timeout=timedelta(minutes=10), retries=1)
    job.enqueue_sync()
    with travel():
        first, second = run_jobs(routed(work), until=HOUR)
        assert first.exception == "TimeoutError"
        assert second.value == "done"
        bucket = job.result_sync()
        assert bucket is not None
    # The time-out, and then the back-off.
    assert 610 <= (tries[1] - tries[0]) / 1_000_000 < 640


def test_what_an_actor_sleeps_goes_by_on_every_clock() -> None:
    async def work() -> tuple[float, float]:
        loop = asyncio.get_running_loop()
        before, now = loop.time(), clocks.now_us()
        await asyncio.sleep(300)
        return loop.time() - before, (clocks.now_us() - now) / 1_000_000

    Job("work").enqueue_sync()
    with travel() as clock:
        began = clock.now
        (ran,) = run_jobs(routed(work))
        assert timedelta(minutes=5) <= clock.now - began < timedelta(minutes=6)
        assert ran.result is not None
        took = (ran.result.finished_when or 0) - (ran.result.started_when or 0)
    assert ran.value == [pytest.approx(300, abs=10), pytest.approx(300, abs=10)]
    assert took / 1e9 == pytest.approx(300, abs=10)


def test_what_a_thread_does_takes_its_own_time() -> None:
    async def work() -> int:
        before = clocks.now_us()
        await asyncio.to_thread(time.sleep, 0.1)
        await sync_to_async(time.sleep)(0.1)
        await Order.objects.acreate(number=1)
        return clocks.now_us() - before

    Job("work", timeout=timedelta(seconds=PATIENCE)).enqueue_sync()
    with travel():
        (ran,) = run_jobs(routed(work))
    assert 200_000 <= ran.value < 10_000_000
    assert Order.objects.count() == 1


def test_what_comes_through_a_socket_takes_its_own_time() -> None:
    async def work() -> str:
        here, there = socket.socketpair()
        reader, writer = await asyncio.open_connection(sock=here)
        threading.Timer(0.1, there.sendall, [b"news\n"]).start()
        line = await reader.readline()
        there.close()
        writer.close()
        await writer.wait_closed()
        return line.decode()

    Job("work", timeout=timedelta(seconds=PATIENCE)).enqueue_sync()
    with travel():
        (ran,) = run_jobs(routed(work))
    assert ran.value == "news\n"


def test_a_clock_that_is_moved_while_it_runs_reaches_its_timeout() -> None:
    with travel() as clock:

        async def work() -> None:
            clock.move(timedelta(minutes=11))
            await asyncio.sleep(0)
            await asyncio.sleep(0)
            raise AssertionError

        Job("work").enqueue_sync()
        (ran,) = run_jobs(routed(work))
    assert ran.exception == "TimeoutError"


def test_outside_it_a_sleep_is_a_sleep() -> None:
    async def work() -> None:
        await asyncio.sleep(0.2)

    Job("work").enqueue_sync()
    began = time.monotonic()
    run_jobs(routed(work))
    assert time.monotonic() - began >= 0.2


async def _in_a_coroutine() -> str | None:
    async def work() -> None:
        await Order.objects.acount()
        await asyncio.sleep(LONG)

    await Job("work", timeout=HOUR / 2).enqueue()
    with travel():
        (ran,) = await arun_jobs(routed(work))
    return ran.exception


@pytest.mark.django_db(transaction=True)
@pytest.mark.asyncio
async def test_it_leaps_in_a_coroutine_too() -> None:
    try:
        assert await _in_a_coroutine() == "TimeoutError"
    finally:
        await sync_to_async(connections.close_all)()
