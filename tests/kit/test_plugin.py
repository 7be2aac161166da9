"""The pytest plugin: a connection in memory, jobs that run at once, mocks, a log, and a clock."""

from datetime import timedelta
from typing import Any

import pytest

from django_repid import ActorNotFound, InMemoryMessageBroker, Job, Repid, Router
from django_repid.core.connection import get_connection
from django_repid.testing import (
    GetEventLogT,
    GetInMemoryQueueT,
    GetMockedActorT,
    arun_jobs,
    run_jobs,
)

router = Router()


@router.actor
async def greet(name: str, signs: list[str]) -> list[str]:
    return [f"Hi {name}", *signs]


@router.actor(queue="other")
def add(a: int, b: int) -> int:
    return a + b


ARGS = {"name": "Alex", "signs": []}
with_actors = pytest.mark.repid(routers=[router])


@pytest.mark.repid
def test_a_marked_test_has_a_connection_in_memory(
    repid_get_in_memory_queue: GetInMemoryQueueT,
) -> None:
    assert isinstance(get_connection(None).message_broker, InMemoryMessageBroker)
    assert repid_get_in_memory_queue("default") is None

    jobs = [Job("greet", args=ARGS) for _ in range(3)]
    for job in jobs:
        job.enqueue_sync()
    Job("greet", args=ARGS, deferred_by=timedelta(hours=1)).enqueue_sync()

    queue = repid_get_in_memory_queue(jobs[0].queue)
    assert queue is not None
    assert (queue.simple.qsize(), queue.delayed.qsize(), queue.dead.qsize()) == (3, 1, 0)


@pytest.mark.repid
def test_a_test_can_have_the_app_of_its_connection(repid_app: Repid, repid_connection: Any) -> None:
    assert repid_app.connection is repid_connection


@pytest.mark.asyncio
@with_actors
async def test_an_async_test_finds_its_job_done() -> None:
    job = Job("greet", args=ARGS)

    await job.enqueue()

    bucket = await job.result
    assert bucket is not None
    assert bucket.value == ["Hi Alex"]


@with_actors
def test_a_sync_test_finds_its_job_done() -> None:
    greeting, sum_ = Job("greet", args=ARGS), Job(add, args={"a": 1, "b": 2})

    Job.enqueue_many_sync([greeting, sum_])

    assert greeting.result_sync().value == ["Hi Alex"]  # type: ignore[union-attr]  # asserted by use
    assert sum_.result_sync().value == 3  # type: ignore[union-attr]  # as above


@pytest.mark.asyncio
@with_actors
async def test_calls_go_through_mocks(repid_get_mocked_actor: GetMockedActorT) -> None:
    greeting, sum_ = repid_get_mocked_actor("greet"), repid_get_mocked_actor("add")
    greeting.assert_not_called()

    await Job("greet", args=ARGS).enqueue()
    await Job("add", args={"a": 1, "b": 2}).enqueue()

    greeting.assert_called_once_with(**ARGS)
    sum_.assert_called_once_with(a=1, b=2)
    with pytest.raises(ActorNotFound, match="add, greet"):
        repid_get_mocked_actor("nobody")


@with_actors
def test_a_mock_can_stand_in_for_its_actor(repid_get_mocked_actor: GetMockedActorT) -> None:
    repid_get_mocked_actor("add").side_effect = ValueError("not today")
    job = Job("add", args={"a": 1, "b": 2})

    job.enqueue_sync()

    assert job.result_sync().exception == "ValueError"  # type: ignore[union-attr]  # as above


@with_actors
def test_the_log_says_what_was_done(repid_get_event_log: GetEventLogT) -> None:
    job = Job("greet", args=ARGS)
    job.queue.declare_sync()
    job.enqueue_sync()

    assert [event.function for event in repid_get_event_log()] == [
        "queue_declare",
        "store_bucket",
        "enqueue",
        "get_bucket",
        "consume",
        "store_bucket",
        "ack",
    ]
    enqueue = repid_get_event_log()[2]
    assert enqueue.kwargs["key"].topic == "greet"
    assert enqueue.timestamp > 0


@pytest.mark.repid(routers=[router], declare_all_known_queues=True)
def test_queues_can_be_declared(repid_get_event_log: GetEventLogT, repid_connection: Any) -> None:
    assert repid_connection.message_broker is get_connection(None).message_broker
    assert repid_get_event_log() == []  # they were declared before it was asked for


@pytest.mark.repid
def test_time_can_be_travelled(repid_clock: Any) -> None:
    Job("add", args={"a": 1, "b": 2}, deferred_by=timedelta(hours=1)).enqueue_sync()
    assert run_jobs([router]) == []

    repid_clock.move(timedelta(hours=1, seconds=1))

    assert [ran.value for ran in run_jobs([router])] == [3]


@pytest.mark.asyncio
@pytest.mark.repid
async def test_jobs_can_be_run_from_a_coroutine() -> None:
    await Job("greet", args=ARGS).enqueue()

    assert [ran.value for ran in await arun_jobs([router])] == [["Hi Alex"]]


@pytest.mark.repid(routers=[router], connection="default")
@pytest.mark.django_db
@pytest.mark.store
def test_the_projects_own_connection_can_be_used() -> None:
    job = Job("add", args={"a": 1, "b": 2})

    job.enqueue_sync()

    assert job.result_sync().value == 3  # type: ignore[union-attr]  # as above


class TestNearestMarker:
    """The nearest marker decides."""

    pytestmark = pytest.mark.repid(routers=[router])

    @pytest.mark.repid(autoconnection=False)
    def test_a_test_can_do_without(self, request: pytest.FixtureRequest) -> None:
        assert "repid_connection" not in request.fixturenames
        assert not isinstance(get_connection(None).message_broker, InMemoryMessageBroker)

    @pytest.mark.repid.with_args(declare_all_known_queues=False)
    def test_the_other_markers_count_for_what_it_does_not_say(self) -> None:
        job = Job("add", args={"a": 1, "b": 2})
        job.enqueue_sync()
        assert job.result_sync() is not None


def test_a_test_without_the_marker_has_the_projects_connection() -> None:
    assert get_connection(None).alias == "default"
