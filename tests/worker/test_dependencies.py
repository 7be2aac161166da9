"""What a worker makes for the parameters of actors."""

import asyncio
import multiprocessing
import os
import threading
import time
from contextvars import ContextVar
from datetime import timedelta
from pathlib import Path
from typing import Annotated, Any

import pytest

from django_repid import (
    INJECTED,
    BasicConverter,
    Connection,
    Depends,
    Job,
    PydanticConverter,
    ResultBucket,
    Router,
    Worker,
)
from django_repid.worker.dependency_pool import current_pool, dependency_pool
from tests import stores
from tests.worker import elsewhere
from tests.worker.kit import burst, during

pytestmark = pytest.mark.usefixtures("each_store")

CALLS: list[str] = []


@pytest.fixture(autouse=True)
def _no_calls() -> None:
    CALLS.clear()


def world() -> str:
    CALLS.append("world")
    return "world!"


async def hello(sub: Annotated[str, Depends(world)]) -> str:
    CALLS.append("hello")
    await asyncio.sleep(0)
    return f"Hello {sub}"


def shout(
    sub: Annotated[str, Depends(hello)], other: Annotated[str, Depends(world)], sign: str = "!"
) -> str:
    CALLS.append("shout")
    return sub.upper() + other + sign


def run(fn: Any, connection: Connection | None = None, **terms: Any) -> ResultBucket:
    """Run a job of an actor once; return its result."""
    connection, router = connection or stores.connection(), Router()
    router.actor(name="it", converter=terms.pop("converter", None))(fn)
    job = Job("it", connection=connection, **terms)
    job.enqueue_sync()
    assert burst(connection, router) == 1
    bucket = job.result_sync()
    assert bucket is not None
    return bucket


def sync_actor(
    n: int,
    loud: Annotated[str, Depends(shout)],
    plain: Annotated[str, Depends(world)],
    m: int = 2,
) -> list[Any]:
    return [n, m, loud, plain]


async def async_actor(
    n: int,
    loud: Annotated[str, Depends(shout)],
    plain: Annotated[str, Depends(world)],
    m: int = 2,
) -> list[Any]:
    return [n, m, loud, plain]


@pytest.mark.parametrize("converter", [BasicConverter, PydanticConverter])
@pytest.mark.parametrize("actor", [sync_actor, async_actor])
def test_dependencies_and_theirs_are_made_and_each_once(actor: Any, converter: Any) -> None:
    bucket = run(actor, args={"n": 1}, converter=converter)
    assert bucket.value == [1, 2, "HELLO WORLD!world!!", "world!"]
    assert CALLS == ["world", "hello", "shout"]


def test_each_run_of_a_job_makes_its_own() -> None:
    connection, router = stores.connection(), Router()
    router.actor(name="it")(async_actor)
    Job.enqueue_many_sync(Job("it", args={"n": n}, connection=connection) for n in range(3))
    burst(connection, router)
    assert sorted(CALLS) == ["hello"] * 3 + ["shout"] * 3 + ["world"] * 3


def test_sync_dependencies_of_an_async_actor_leave_the_loop_alone() -> None:
    threads: list[int] = []

    def where() -> int:
        threads.append(threading.get_ident())
        return threading.get_ident()

    async def it(dep: Annotated[int, Depends(where)]) -> bool:
        return dep == threading.get_ident()

    assert run(it).value is False
    assert threads != [threading.get_ident()]


def test_sync_dependencies_of_a_sync_actor_are_on_its_own_thread() -> None:
    async def asynchronous(sub: Annotated[int, Depends(threading.get_ident)]) -> int:
        return sub

    def it(
        dep: Annotated[int, Depends(threading.get_ident)],
        other: Annotated[int, Depends(asynchronous)],
    ) -> bool:
        return dep == other == threading.get_ident()

    assert run(it).value is True


VARIABLE: ContextVar[str] = ContextVar("VARIABLE", default="unset")


@pytest.mark.parametrize("how", ["sync", "async"])
@pytest.mark.parametrize("sync", [True, False])
def test_what_a_dependency_sets_in_its_context_the_actor_sees(sync: bool, how: str) -> None:
    depends = Depends(sets if how == "async" else lambda: VARIABLE.set("set") and None)

    def on_thread(dep: Annotated[None, depends]) -> str:
        return VARIABLE.get()

    async def on_loop(dep: Annotated[None, depends]) -> str:
        return VARIABLE.get()

    assert run(on_thread if sync else on_loop).value == "set"
    assert VARIABLE.get() == "unset"


async def sets() -> None:
    VARIABLE.set("set")


class Maker:
    def __init__(self) -> None:
        self.made = "by a class"


class AsyncCaller:
    async def __call__(self) -> str:
        return "by an object"


@pytest.mark.parametrize("sync", [True, False])
def test_classes_and_objects_can_be_called_too(sync: bool) -> None:
    caller = AsyncCaller()

    def on_thread(
        a: Annotated[Maker, Depends(Maker)], b: Annotated[str, Depends(caller)]
    ) -> list[str]:
        return [a.made, b]

    async def on_loop(
        a: Annotated[Maker, Depends(Maker)], b: Annotated[str, Depends(caller)]
    ) -> list[str]:
        return [a.made, b]

    assert run(on_thread if sync else on_loop).value == ["by a class", "by an object"]


@pytest.mark.parametrize("sync", [True, False])
@pytest.mark.parametrize("how", ["sync", "async"])
def test_a_dependency_that_fails_is_a_failure_of_the_job(sync: bool, how: str) -> None:
    def fails() -> None:
        raise LookupError("not there")

    async def fails_later() -> None:
        raise LookupError("not there")

    broken = Depends(fails if how == "sync" else fails_later)

    def on_thread(dep: Annotated[None, broken]) -> None:
        CALLS.append("actor")

    async def on_loop(dep: Annotated[None, broken]) -> None:
        CALLS.append("actor")

    bucket = run(on_thread if sync else on_loop)
    assert (bucket.success, bucket.exception, bucket.data) == (False, "LookupError", "not there")
    assert CALLS == []


def test_arguments_are_looked_at_before_anything_is_made() -> None:
    bucket = run(async_actor, args={"n": "no number"}, converter=PydanticConverter)
    assert bucket.exception == "ArgsInvalid"
    assert CALLS == []


def test_an_override_counts_from_the_next_job_on_also_with_dependencies_of_its_own() -> None:
    depends, router, connection = Depends(world), Router(), stores.connection()

    @router.actor
    async def it(dep: Annotated[str, depends]) -> str:
        return dep

    def result() -> Any:
        job = Job(it, connection=connection)
        job.enqueue_sync()
        burst(connection, router)
        return job.result_sync().value  # type: ignore[union-attr]  # asserted by use

    assert result() == "world!"
    depends.override(lambda: "Overridden!")
    assert result() == "Overridden!"
    depends.override(hello)
    assert result() == "Hello world!"


def test_an_actor_can_be_called_by_hand() -> None:
    router = Router()

    @router.actor
    def it(n: int, dep: Annotated[str, Depends(world)] = INJECTED) -> str:
        return f"{n} {dep}"

    assert it(1, "mine") == "1 mine"
    assert it(1) == "1 INJECTED"


def test_a_timeout_stops_a_dependency_of_an_async_actor() -> None:
    async def forever() -> None:
        await asyncio.Event().wait()

    async def it(dep: Annotated[None, Depends(forever)]) -> None:
        CALLS.append("actor")

    bucket = run(it, timeout=timedelta(seconds=1))
    assert bucket.exception == "TimeoutError"
    assert CALLS == []


# --------------------------------------------------------------------------- other processes


def wait_for_the_end(pid: int) -> None:
    """Return once a child that was told to go has gone."""
    end = time.monotonic() + 30
    while pid in {child.pid for child in multiprocessing.active_children()}:
        assert time.monotonic() < end
        time.sleep(0.01)


@pytest.mark.parametrize("sync", [True, False])
def test_a_dependency_can_run_in_another_process(sync: bool) -> None:
    def on_thread(dep: Annotated[int, Depends(elsewhere.pid, run_in_process=True)]) -> int:
        return dep

    async def on_loop(dep: Annotated[int, Depends(elsewhere.pid, run_in_process=True)]) -> int:
        return dep

    pid: Any = run(on_thread if sync else on_loop).value
    assert pid != os.getpid()
    wait_for_the_end(pid)


def test_there_it_gets_what_it_depends_on_and_django() -> None:
    async def it(
        folder: str, dep: Annotated[str, Depends(elsewhere.described, run_in_process=True)]
    ) -> str:
        return dep

    assert run(it, args={"folder": "here"}).value == "here ready"


def test_what_fails_there_is_a_failure_of_the_job() -> None:
    async def it(dep: Annotated[None, Depends(elsewhere.fail, run_in_process=True)]) -> None:
        CALLS.append("actor")

    bucket = run(it)
    assert (bucket.exception, bucket.data) == ("ValueError", "over there")
    assert CALLS == []


@pytest.mark.parametrize("sync", [True, False])
def test_a_process_that_dies_fails_a_try_and_the_next_try_gets_another(
    sync: bool, tmp_path: Path
) -> None:
    connection, router = stores.connection(), Router()
    died = Depends(elsewhere.die_once, run_in_process=True)

    def on_thread(folder: str, dep: Annotated[int, died]) -> int:
        return dep

    async def on_loop(folder: str, dep: Annotated[int, died]) -> int:
        return dep

    register = router.actor(name="it", retry_policy=lambda retry_number=1: timedelta(0))
    register(on_thread if sync else on_loop)
    job = Job("it", args={"folder": str(tmp_path)}, retries=1, connection=connection)
    job.enqueue_sync()

    assert burst(connection, router) == 2
    bucket = job.result_sync()
    assert bucket is not None
    assert bucket.value != os.getpid()


@pytest.mark.parametrize("sync", [True, False])
def test_a_worker_that_ends_does_not_wait_for_what_hangs_there(sync: bool, tmp_path: Path) -> None:
    connection, router = stores.connection(), Router()
    hangs = Depends(elsewhere.hang, run_in_process=True)

    def on_thread(folder: str, dep: Annotated[None, hangs]) -> None: ...

    async def on_loop(folder: str, dep: Annotated[None, hangs]) -> None: ...

    router.actor(name="it")(on_thread if sync else on_loop)

    async def scene(worker: Worker) -> int:
        job = Job("it", id_="one", args={"folder": str(tmp_path)}, connection=connection)
        await job.enqueue()
        while not (tmp_path / "written").exists():  # noqa: ASYNC110 - another process makes it
            await asyncio.sleep(0.01)
        return int((tmp_path / "hangs").read_text())

    pid = during(connection, router, scene, graceful_shutdown_time=0)

    wait_for_the_end(pid)
    (left,) = connection.message_broker.find(["one"])
    assert (left.state.name, left.tries) == ("READY", 0)


def test_a_pool_whose_worker_has_ended_makes_no_process() -> None:
    with dependency_pool():
        pool = current_pool()
    assert pool is not None
    with pytest.raises(RuntimeError, match="The worker has ended"):
        pool.submit(elsewhere.pid, {})
    assert current_pool() is None
