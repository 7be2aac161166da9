"""What programs that were written for Repid rely on, and no other test looks at."""

import asyncio
import os
import signal
from datetime import timedelta
from typing import Any

import pytest

from django_repid import (
    ArgsBucket,
    HealthCheckServerSettings,
    Job,
    MessageCategory,
    PrioritiesT,
    Queue,
    Repid,
    ResultBucket,
    Router,
    RouterDefaults,
    Worker,
)
from django_repid.core.pruning import prune
from django_repid.testing import travel
from tests import stores
from tests.worker.kit import burst

pytestmark = pytest.mark.usefixtures("each_store")


def enqueued(connection: Any, *names: str) -> list[Job]:
    jobs = [Job(name, connection=connection) for name in names]
    Job.enqueue_many_sync(jobs)
    return jobs


def test_priorities_have_repids_numbers() -> None:
    assert {one.name: one.value for one in PrioritiesT} == {"LOW": 0, "MEDIUM": 5, "HIGH": 9}


def test_the_settings_of_health_checks_begin_as_repids() -> None:
    settings = HealthCheckServerSettings()
    assert (settings.address, settings.port, settings.endpoint_name) == (
        "0.0.0.0",
        8080,
        "/healthz",
    )


def test_a_worker_takes_routers_at_once_or_one_by_one() -> None:
    connection, first, second = stores.connection(), Router(), Router()
    ran: list[str] = []
    first.actor(name="one")(lambda: ran.append("one"))
    second.actor(name="two")(lambda: ran.append("two"))
    worker = Worker(
        [first],
        connection=connection,
        router_defaults=RouterDefaults(queue="own"),
        burst=True,
        handle_signals=(),
    )
    worker.include_router(second)
    worker.router.actor(name="three")(lambda: ran.append("three"))

    Job("three", "own", connection=connection).enqueue_sync()
    enqueued(connection, "one", "two")

    assert stores.run(worker.run()).processed == 3
    assert sorted(ran) == ["one", "three", "two"]
    assert set(worker.actors) == {"one", "two", "three"}
    assert worker.actors["three"].queue == "own"


def test_a_worker_can_run_again_and_counts_anew() -> None:
    connection, router = stores.connection(), Router()
    router.actor(name="nothing")(lambda: None)
    worker = Worker([router], connection=connection, burst=True, handle_signals=())

    enqueued(connection, "nothing", "nothing")
    assert stores.run(worker.run()).processed == 2
    enqueued(connection, "nothing")
    assert stores.run(worker.run()).processed == 1


@pytest.mark.parametrize("auto_declare", [True, False])
def test_a_worker_declares_no_queue_whatever_it_is_told(auto_declare: bool) -> None:
    connection, router = stores.connection(), Router()
    heard: list[str] = []

    def before_queue_declare(queue_name: str) -> None:
        heard.append(queue_name)

    connection.middleware.add_subscriber(before_queue_declare)
    router.actor(name="nothing")(lambda: None)
    enqueued(connection, "nothing")

    assert burst(connection, router, auto_declare=auto_declare) == 1
    assert heard == []
    Queue("default", connection).declare_sync()
    assert heard == ["default"]


def test_a_worker_ends_by_the_signals_that_it_is_told() -> None:
    connection, router = stores.connection(), Router()

    @router.actor
    async def stop_me() -> str:
        os.kill(os.getpid(), signal.SIGUSR1)
        await asyncio.sleep(0.05)
        return "ended in order"

    (job,) = enqueued(connection, "stop_me")
    worker = Worker([router], connection=connection, handle_signals=[signal.SIGUSR1])

    run = stores.run(asyncio.wait_for(worker.run(), 30))

    bucket = job.result_sync()
    assert run.processed == 1
    assert bucket is not None
    assert bucket.value == "ended in order"


def test_repid_subscribes_middlewares() -> None:
    connection = stores.connection()
    heard: list[str] = []

    class Spy:
        def after_enqueue(self, key: Any) -> None:
            heard.append(key.topic)

    app = Repid(connection, middlewares=[Spy()])
    enqueued(app.connection, "nothing")

    assert heard == ["nothing"]


def test_subscribers_hear_the_end_of_each_kind() -> None:
    connection, router = stores.connection(), Router()
    heard: list[tuple[str, str]] = []

    class Spy:
        def after_ack(self, key: Any) -> None:
            heard.append(("ack", key.topic))

        def after_nack(self, key: Any) -> None:
            heard.append(("nack", key.topic))

        def after_requeue(self, key: Any, payload: str, params: Any) -> None:
            heard.append(("requeue", f"{key.topic} {payload} {params.retries.max_amount}"))

    connection.middleware.add_middleware(Spy())

    @router.actor
    def good() -> None: ...

    @router.actor
    def bad() -> None:
        raise LookupError

    @router.actor(retries=1)
    def worse() -> None:
        raise LookupError

    enqueued(connection, "good", "bad")
    Job(worse, args={}, use_args_bucketer=False, connection=connection).enqueue_sync()

    assert burst(connection, router, threads=1) == 3
    assert sorted(heard) == [("ack", "good"), ("nack", "bad"), ("requeue", "worse {} 1")]

    async def dead() -> list[str]:
        found = Queue("default", connection).get_messages(category=MessageCategory.DEAD)
        return [message.key.topic async for message in found]

    assert stores.run(dead()) == ["bad"]


def test_a_job_knows_when_it_was_made_and_whether_its_time_is_over() -> None:
    connection, minute = stores.connection(), timedelta(minutes=1)
    with travel() as clock:
        made = clock.now
        plain = Job("work", connection=connection)
        mortal = Job("work", ttl=minute, connection=connection)
        later = Job("work", ttl=minute, deferred_until=made + minute, connection=connection)
        again = Job("work", ttl=minute, deferred_by=minute, connection=connection)
        assert timedelta(0) <= mortal.timestamp - made < minute

        clock.move(minute + timedelta(seconds=5))
        overdue = [one.is_overdue for one in (plain, mortal, later, again)]
        assert overdue == [False, True, False, False]
        clock.move(minute)
        assert [later.is_overdue, again.is_overdue] == [True, True]


def test_a_bucket_knows_whether_its_time_is_over() -> None:
    with travel() as clock:
        buckets = [ArgsBucket("{}", ttl=timedelta(seconds=5)), ResultBucket("1", ttl=None)]
        assert [bucket.is_overdue for bucket in buckets] == [False, False]
        clock.move(timedelta(seconds=6))
        assert [bucket.is_overdue for bucket in buckets] == [True, False]


def test_parameters_know_whether_their_time_is_over_and_when_they_come_next() -> None:
    connection, hour = stores.connection(), timedelta(hours=1)
    with travel() as clock:
        job = Job("work", id_="once", ttl=hour, connection=connection)
        Job.enqueue_many_sync([job, job.using(id_="hourly", deferred_by=hour)])
        once, hourly = (
            one.parameters for one in connection.message_broker.find(["once", "hourly"])
        )
        first = hourly.delay.next_execution_time
        assert first is not None
        assert once.compute_next_execution_time is None
        assert hourly.compute_next_execution_time == first + hour
        assert [one.is_overdue for one in (once, hourly)] == [False, False]

        clock.move(2 * hour + timedelta(minutes=1))
        assert [one.is_overdue for one in (once, hourly)] == [True, True]
        assert hourly.compute_next_execution_time == first + 2 * hour


def test_a_worker_registers_actors_of_its_own() -> None:
    connection, ran = stores.connection(), []
    worker = Worker(connection=connection, burst=True, handle_signals=())

    @worker.actor(queue="own")
    async def note() -> None:
        ran.append(1)

    Job("note", "own", connection=connection).enqueue_sync()
    stores.run(worker.run())

    assert ran == [1]
    assert worker.topics == {"note"}
    assert worker.topics_by_queue == {"own": {"note"}}


def test_a_worker_can_declare_the_queues_of_its_actors() -> None:
    connection, declared = stores.connection(), []

    def after_queue_declare(queue_name: str) -> None:
        declared.append(queue_name)

    connection.middleware.add_subscriber(after_queue_declare)
    router = Router()
    router.actor(name="a", queue="one")(lambda: None)
    router.actor(name="b", queue="two")(lambda: None)

    stores.run(Worker([router], connection=connection).declare_all_queues())

    assert declared == ["one", "two"]


def test_subscribers_hear_which_unused_arguments_are_removed() -> None:
    connection, heard = stores.connection(), []

    def after_delete_bucket(id_: str) -> None:
        heard.append(id_)

    connection.middleware.add_subscriber(after_delete_bucket)
    job = Job("work", args={"a": 1}, connection=connection)
    job.enqueue_sync()
    Queue(connection=connection).flush_sync()

    with travel(timedelta(days=2)):
        prune(connection, unused_args=True)

    assert heard == [job.args_id]
