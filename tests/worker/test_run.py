"""A worker from its start to its end, on brokers in memory."""

import asyncio
import logging
import threading
import time
from datetime import timedelta
from typing import Any

import pytest

from django_repid import (
    ConfigurationError,
    Job,
    MessageCategory,
    Queue,
    ResultBucket,
    Router,
    Worker,
)
from django_repid.core.clock import utc_now
from tests import stores
from tests.worker.kit import burst, during

pytestmark = pytest.mark.usefixtures("each_store")


def result(job: Job) -> ResultBucket:
    bucket = job.result_sync()
    assert bucket is not None
    return bucket


def test_async_and_sync_actors_run_and_their_results_are_stored() -> None:
    connection, router = stores.connection(), Router()

    @router.actor
    async def double(n: int) -> int:
        return n * 2

    @router.actor
    def shout(text: str) -> str:
        return text.upper() + threading.current_thread().name[:11]

    jobs = [
        Job("double", args={"n": 4}, connection=connection),
        Job("shout", args={"text": "hi"}, connection=connection),
    ]
    Job.enqueue_many_sync(jobs)

    assert burst(connection, router) == 2
    assert result(jobs[0]).value == 8
    assert result(jobs[1]).value == "HIrepid-actor"


def test_a_failing_job_is_tried_again_and_then_dies_with_its_reason() -> None:
    connection, router = stores.connection(), Router()
    calls: list[int] = []

    @router.actor(retries=2, retry_policy=lambda retry_number=1: timedelta(0))
    async def fail() -> None:
        calls.append(1)
        raise ValueError("no luck")

    job = Job(fail, connection=connection)
    job.enqueue_sync()

    assert burst(connection, router) == 3
    assert len(calls) == 3
    failed = result(job)
    assert (failed.success, failed.exception, failed.data) == (False, "ValueError", "no luck")

    async def dead() -> list[Any]:
        queue = Queue("default", connection)
        return [m async for m in queue.get_messages(category=MessageCategory.DEAD)]

    (message,) = stores.run(dead())
    assert message.dead_reason == "ValueError: no luck"
    assert message.parameters.retries.already_tried == 3


def test_a_retried_job_that_succeeds_leaves_only_its_success() -> None:
    connection, router = stores.connection(), Router()
    calls: list[int] = []

    @router.actor(retries=5, retry_policy=lambda retry_number=1: timedelta(0))
    def flaky() -> int:
        calls.append(1)
        if len(calls) < 3:
            raise OSError("not yet")
        return len(calls)

    job = Job(flaky, connection=connection)
    job.enqueue_sync()
    burst(connection, router)

    assert result(job).value == 3


def test_the_default_back_off_puts_a_retry_off_by_ten_seconds_and_more() -> None:
    connection, router = stores.connection(), Router()

    @router.actor(retries=1)
    async def fail() -> None:
        raise ValueError

    job = Job(fail, id_="one", connection=connection)
    receipt = job.enqueue_sync()
    burst(connection, router)

    (waiting,) = connection.message_broker.browse("default", MessageCategory.DELAYED)
    waited = (waiting.run_at - waiting.enqueued_at) / 1_000_000
    assert receipt.key.id_ == waiting.key.id_ == "one"
    assert 10 <= waited < 12
    assert job.result_sync() is None


def test_an_async_actor_is_cancelled_at_its_timeout() -> None:
    connection, router = stores.connection(), Router()
    cancelled = threading.Event()

    @router.actor(timeout=timedelta(seconds=1))
    async def hang() -> None:
        try:
            await asyncio.sleep(60)
        except asyncio.CancelledError:
            cancelled.set()
            raise

    job = Job(hang, connection=connection)
    job.enqueue_sync()
    burst(connection, router)

    assert cancelled.is_set()
    assert result(job).exception == "TimeoutError"
    assert "0:00:01" in result(job).data


def test_whatever_an_async_actor_raises_when_its_time_is_up_it_has_overrun() -> None:
    connection, router = stores.connection(), Router()

    @router.actor(timeout=timedelta(seconds=1))
    async def hang() -> None:
        try:
            await asyncio.sleep(60)
        except asyncio.CancelledError as error:
            raise ValueError("while it was stopped") from error

    job = Job(hang, connection=connection)
    job.enqueue_sync()
    burst(connection, router)

    assert result(job).exception == "TimeoutError"


def test_each_of_many_timeouts_is_kept() -> None:
    connection, router = stores.connection(), Router()

    @router.actor
    async def hang() -> None:
        await asyncio.sleep(60)

    @router.actor
    async def quick() -> None: ...

    spans = (3, 1, 2)
    jobs = [Job(hang, timeout=timedelta(seconds=n), connection=connection) for n in spans]
    others = [Job(quick, connection=connection) for _ in range(50)]
    Job.enqueue_many_sync([*jobs, *others])
    burst(connection, router)

    for span, job in zip(spans, jobs, strict=True):
        ended = result(job)
        assert ended.exception == "TimeoutError"
        seconds = (ended.finished_when - ended.started_when) / 1e9
        assert span <= seconds < span + 0.5
    assert all(result(job).success for job in others)


def test_a_sync_actor_that_overruns_is_given_up_and_its_late_result_ignored(
    caplog: pytest.LogCaptureFixture,
) -> None:
    connection, router = stores.connection(), Router()
    let_go, late = threading.Event(), threading.Event()

    @router.actor(timeout=timedelta(seconds=1))
    def hang() -> str:
        let_go.wait(30)
        late.set()
        return "too late"

    @router.actor
    def quick() -> str:
        return "quick"

    slow, fast = Job(hang, connection=connection), Job(quick, connection=connection)

    async def scene(_: Worker) -> None:
        await slow.enqueue()
        outcome = await slow.wait(10)
        assert outcome.exception == "TimeoutError"
        await fast.enqueue()  # its only thread hangs: another has taken its place
        assert (await fast.wait(10)).value == "quick"
        let_go.set()
        await asyncio.to_thread(late.wait, 10)

    with caplog.at_level(logging.WARNING, "django_repid"):
        during(connection, router, scene, threads=1)

    assert result(slow).exception == "TimeoutError"
    assert "let_go.wait(30)" in caplog.text


def test_a_worker_never_takes_more_than_its_limit() -> None:
    connection, router = stores.connection(), Router()

    @router.actor
    async def work() -> None: ...

    Job.enqueue_many_sync([Job(work, connection=connection) for _ in range(5)])
    worker = Worker([router], messages_limit=2, connection=connection, handle_signals=())

    assert stores.run(worker.run()).processed == 2
    assert stores.run(worker.run()).processed == 2
    left = connection.message_broker.browse("default", MessageCategory.NORMAL)
    assert len(left) == 1


def test_no_more_async_actors_than_the_limit_run_at_once() -> None:
    connection, router = stores.connection(), Router()
    running = 0
    most = 0

    @router.actor
    async def work() -> None:
        nonlocal running, most
        running += 1
        most = max(most, running)
        await asyncio.sleep(0.005)
        running -= 1

    Job.enqueue_many_sync([Job(work, connection=connection) for _ in range(40)])
    burst(connection, router, tasks_limit=3)

    assert most == 3


def test_a_deferred_job_runs_when_it_is_due() -> None:
    connection, router = stores.connection(), Router()

    @router.actor
    async def now() -> int:
        return time.time_ns()

    async def scene(_: Worker) -> None:
        due = utc_now() + timedelta(seconds=0.3)
        job = Job(now, deferred_until=due, connection=connection)
        await job.enqueue()
        assert (await job.wait(10)).value / 1e9 >= due.timestamp()

    during(connection, router, scene)


def test_a_job_not_started_within_its_ttl_dies() -> None:
    connection, router = stores.connection(), Router()

    @router.actor
    async def work() -> None: ...

    job = Job(
        work,
        ttl=timedelta(seconds=5),
        deferred_until=utc_now() - timedelta(minutes=1),
        connection=connection,
    )
    job.enqueue_sync()

    assert burst(connection, router) == 0
    assert result(job).exception == "TtlExpired"


def test_bad_arguments_fail_for_good_whatever_retries_are_left() -> None:
    connection, router = stores.connection(), Router()

    @router.actor(retries=9)
    async def add(a: int, b: int) -> int:
        return a + b

    job = Job("add", args={"a": 1}, retries=9, connection=connection)
    job.enqueue_sync()

    assert burst(connection, router) == 1
    assert result(job).exception == "ArgsInvalid"


@pytest.mark.parametrize("value", [object(), float("nan"), b"bytes", {"x": {1, (2,)}}])
def test_a_result_that_cannot_be_stored_fails_for_good(value: object) -> None:
    connection, router = stores.connection(), Router()
    calls: list[int] = []

    @router.actor(retries=9)
    def work():
        calls.append(1)
        return value if not isinstance(value, dict) else value["x"].__class__.__mro__

    job = Job(work, connection=connection)
    job.enqueue_sync()
    burst(connection, router)

    assert len(calls) == 1
    assert result(job).exception == "ResultInvalid"


def test_a_result_larger_than_the_limit_fails_for_good() -> None:
    connection, router = stores.connection(payload_limit_bytes=100), Router()

    @router.actor
    async def big() -> str:
        return "x" * 200

    job = Job(big, connection=connection)
    job.enqueue_sync()
    burst(connection, router)

    assert result(job).exception == "ResultInvalid"
    assert "PAYLOAD_LIMIT_BYTES" in result(job).data


def test_an_exit_in_an_actor_is_its_own_failure() -> None:
    connection, router = stores.connection(), Router()

    @router.actor
    async def leave() -> None:
        raise SystemExit(3)

    @router.actor
    def leave_too() -> None:
        raise SystemExit(3)

    jobs = [Job(leave, connection=connection), Job(leave_too, connection=connection)]
    Job.enqueue_many_sync(jobs)

    assert burst(connection, router) == 2
    assert {result(job).exception for job in jobs} == {"SystemExit"}


def test_a_job_of_an_unknown_actor_waits() -> None:
    connection, router = stores.connection(), Router()

    @router.actor
    async def known() -> None: ...

    Job("strange", connection=connection).enqueue_sync()
    Job(known, connection=connection).enqueue_sync()

    assert burst(connection, router) == 1
    (message,) = connection.message_broker.browse("default", MessageCategory.NORMAL)
    assert message.key.topic == "strange"


def test_only_its_queues_are_served() -> None:
    connection, router = stores.connection(), Router()

    @router.actor
    async def work() -> None: ...

    for queue in ("a", "b", "c"):
        Job(work, queue, connection=connection).enqueue_sync()

    assert burst(connection, router, queues=["a", "b"], exclude_queues=["b"]) == 1
    assert burst(connection, router) == 2


def test_two_actors_of_one_name_are_refused() -> None:
    one, two = Router(), Router()

    @one.actor(name="same")
    async def first() -> None: ...

    @two.actor(name="same")
    async def second() -> None: ...

    with pytest.raises(Exception, match=r"same.*first.*second") as caught:
        Worker([one, two], connection=stores.connection())
    assert type(caught.value).__name__ == "ActorConflict"


@pytest.mark.parametrize("limit", [0, -1])
def test_a_limit_below_one_is_refused(limit: int) -> None:
    with pytest.raises(ConfigurationError, match="messages_limit"):
        Worker([], messages_limit=limit, connection=stores.connection())


def test_middlewares_see_the_way_of_a_job() -> None:
    connection, router = stores.connection(), Router()
    seen: list[str] = []

    class Spy:
        def before_enqueue(self, key: Any) -> None:
            seen.append(f"enqueue {key.topic}")

        def after_consume(self, result: Any) -> None:
            seen.append(f"consume {result[0].topic}")

        async def before_actor_run(self, actor: Any, payload: str) -> None:
            seen.append(f"run {actor.name} {payload}")

        def after_actor_run(self, result: Any) -> None:
            seen.append(f"ran {result.success}")

        def after_store_bucket(self, id_: str, payload: Any) -> None:
            seen.append(f"store {payload.data}")

        def after_ack(self, key: Any) -> None:
            seen.append(f"ack {key.topic}")

    connection.middleware.add_middleware(Spy())

    @router.actor
    async def work(n: int) -> int:
        return n

    Job(work, args={"n": 7}, use_args_bucketer=False, connection=connection).enqueue_sync()
    burst(connection, router)

    assert seen == [
        "enqueue work",
        "consume work",
        'run work {"n":7}',
        "ran True",
        "store 7",
        "ack work",
    ]
