"""Jobs run inside a test: on its connection and in its transaction, which is rolled back after."""

import asyncio
import time
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from asgiref.sync import sync_to_async
from django.db import connection as database
from django.test import TestCase

from django_repid import Job, JobFailed, Router
from django_repid.models import Failure, Message, WorkerProcess
from django_repid.testing import arun_jobs, run_jobs, travel
from tests.shop.models import Order

pytestmark = [pytest.mark.store, pytest.mark.django_db]

HOUR = timedelta(hours=1)


def router_of(function: Any, **terms: Any) -> list[Router]:
    router = Router()
    router.actor(**terms)(function)
    return [router]


def order(number: int) -> int:
    assert database.in_atomic_block
    return Order.objects.create(number=number).pk


def fail() -> None:
    raise ValueError("as it should")


@pytest.mark.parametrize("atomic", [False, True])
def test_a_sync_actor_writes_in_the_transaction_of_the_test(atomic: bool) -> None:
    Job("order", args={"number": 7}).enqueue_sync()

    (ran,) = run_jobs(router_of(order, atomic=atomic))

    assert ran.success
    assert ran.value == Order.objects.get(number=7).pk
    assert not Message.objects.exists()
    assert not WorkerProcess.objects.exists()


def clash() -> None:
    Order.objects.create(pk=1)
    Order.objects.create(pk=1)


def misspell() -> None:
    Order.objects.create(pk=1)
    with database.cursor() as cursor:
        cursor.execute("SELECT * FROM no_such_table")


async def clash_async() -> None:
    await sync_to_async(clash)()


@pytest.mark.parametrize("actor", [clash, misspell, clash_async])
def test_what_the_database_refuses_an_actor_is_its_failure_and_no_more(actor: Any) -> None:
    Order.objects.create(pk=7)
    Job(actor.__name__).enqueue_sync()

    (ran,) = run_jobs(router_of(actor))

    assert ran.dead
    assert ran.exception in ("IntegrityError", "OperationalError", "ProgrammingError")
    assert Message.objects.get().state == Message.State.DEAD
    assert Order.objects.filter(pk=7).exists()


def test_what_an_actor_wrote_before_it_raised_stays_as_in_a_worker() -> None:
    def half() -> None:
        Order.objects.create(number=1)
        raise ValueError("after the first half")

    Job("half").enqueue_sync()

    (ran,) = run_jobs(router_of(half))

    assert ran.exception == "ValueError"
    assert Order.objects.filter(number=1).exists()


def test_an_async_actor_does_too() -> None:
    async def count() -> int:
        return await Order.objects.acount()

    Order.objects.create()
    job = Job("count")
    job.enqueue_sync()

    (ran,) = run_jobs(router_of(count))

    assert ran.value == 1
    assert job.result_sync().value == 1  # type: ignore[union-attr]  # asserted by use


def test_the_projects_actors_are_run_if_no_routers_are_given() -> None:
    Job("add", args={"a": 1, "b": 2}).enqueue_sync()

    assert [ran.value for ran in run_jobs()] == [3]


def test_jobs_that_jobs_enqueue_are_run_and_in_order() -> None:
    seen: list[int] = []

    def count_down(left: int) -> None:
        seen.append(left)
        if left:
            Job("count_down", args={"left": left - 1}).enqueue_sync()

    Job("count_down", args={"left": 3}).enqueue_sync()

    assert len(run_jobs(router_of(count_down))) == 4
    assert seen == [3, 2, 1, 0]


def test_jobs_that_enqueue_each_other_for_ever_come_to_an_end() -> None:
    def again() -> None:
        Job("again").enqueue_sync()

    Job("again").enqueue_sync()

    with pytest.raises(RuntimeError, match="for ever"):
        run_jobs(router_of(again), limit=5)
    assert not WorkerProcess.objects.exists()


def test_only_the_queues_that_are_asked_for_are_served() -> None:
    Job("add", queue="one", args={"a": 1, "b": 0}).enqueue_sync()
    Job("add", queue="two", args={"a": 2, "b": 0}).enqueue_sync()

    assert [ran.queue for ran in run_jobs(queues=["two"])] == ["two"]


def test_a_failure_can_be_raised_and_is_on_record() -> None:
    Job("fail").enqueue_sync()

    with pytest.raises(ValueError, match="as it should"):
        run_jobs(router_of(fail), raise_errors=True)

    assert Failure.objects.get().exception == "ValueError"
    assert Message.objects.get().state == Message.State.DEAD


def test_a_failure_says_what_became_of_it() -> None:
    Job("fail").enqueue_sync()

    (ran,) = run_jobs(router_of(fail))

    assert (ran.success, ran.exception, ran.dead, ran.again_at) == (False, "ValueError", True, None)
    with pytest.raises(JobFailed):
        ran.value  # noqa: B018 - it raises


def test_further_tries_wait_for_their_time_and_come_when_it_has_come() -> None:
    Job("fail", retries=2).enqueue_sync()
    routers = router_of(fail)

    (first,) = run_jobs(routers)
    assert first.again_at is not None
    assert run_jobs(routers) == []

    with travel() as clock:
        clock.move_to(first.again_at)
        (second,) = run_jobs(routers)
        assert not second.dead
        clock.move(HOUR)
        (third,) = run_jobs(routers)
        assert third.dead


def test_everything_up_to_a_moment_happens_at_once() -> None:
    Job("fail", retries=2).enqueue_sync()
    Job("add", args={"a": 1, "b": 1}, deferred_until=datetime.now(tz=UTC) + HOUR).enqueue_sync()
    (fails,) = router_of(fail)
    began = time.monotonic()

    with travel() as clock:
        start = clock.now
        fails.include_router(next(iter(router_of(lambda a, b: a + b, name="add"))))
        ran = run_jobs([fails], until=2 * HOUR)
        assert clock.now - start >= 2 * HOUR

    assert [one.name for one in ran] == ["fail", "fail", "fail", "add"]
    assert time.monotonic() - began < 20


def test_a_day_of_a_cron_job_happens_at_once() -> None:
    moments: list[datetime] = []

    with travel() as clock:

        def tick() -> None:
            moments.append(clock.now)

        clock.move_to(datetime(2077, 1, 1, 0, 30, tzinfo=UTC))
        Job("tick", cron="0 */6 * * *", timezone="UTC").enqueue_sync()
        run_jobs(router_of(tick), until=timedelta(days=1))

    assert [moment.hour for moment in moments] == [6, 12, 18, 0]
    assert Message.objects.get().tick is not None


def test_a_job_whose_time_is_over_dies_of_it() -> None:
    Job("add", args={"a": 1, "b": 1}, ttl=timedelta(seconds=5)).enqueue_sync()

    with travel(timedelta(seconds=6)):
        (ran,) = run_jobs()

    assert (ran.exception, ran.dead) == ("TtlExpired", True)


def test_a_result_expires() -> None:
    job = Job("add", args={"a": 1, "b": 1}, result_ttl=HOUR)
    job.enqueue_sync()
    run_jobs()

    with travel(HOUR + timedelta(seconds=1)):
        assert job.result_sync() is None
    assert job.result_sync() is not None


@pytest.mark.parametrize("atomic", [False, True])
def test_an_actor_overruns_whose_clock_is_moved_too_far(atomic: bool) -> None:
    with travel() as clock:

        def work() -> None:
            clock.move(timedelta(minutes=11))

        Job("work").enqueue_sync()
        (ran,) = run_jobs(router_of(work, atomic=atomic))

    assert ran.exception == "TimeoutError"


def test_an_async_actor_is_stopped_at_its_timeout() -> None:
    async def linger() -> None:
        await asyncio.sleep(60)

    Job("linger", timeout=timedelta(seconds=1)).enqueue_sync()

    (ran,) = run_jobs(router_of(linger))

    assert ran.exception == "TimeoutError"


def test_time_goes_on_only() -> None:
    with travel() as clock:
        with pytest.raises(ValueError, match="negative"):
            clock.move(-HOUR)
        with pytest.raises(ValueError, match="aware"):
            clock.move_to(datetime(2077, 1, 1))  # noqa: DTZ001 - that is the point


class InATestCase(TestCase):
    """As Django's users write it."""

    def test_what_a_view_enqueues_is_run_and_taken_back(self) -> None:
        Job("add", args={"a": 2, "b": 2}).enqueue_sync()

        assert [ran.value for ran in run_jobs()] == [4]

    def test_nothing_is_left_of_the_test_before(self) -> None:
        assert not Message.objects.exists()

    async def test_in_a_coroutine(self) -> None:
        job = Job("add", args={"a": 2, "b": 3})
        await job.enqueue()

        with pytest.raises(RuntimeError, match="arun_jobs"):
            run_jobs()
        await arun_jobs()

        bucket = await job.result
        assert bucket is not None
        assert bucket.value == 5
