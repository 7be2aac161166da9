"""Jobs that run in a process of their own, and what is blamed on them."""

import asyncio
import os
import time
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Annotated, Any

import pytest

from django_repid import Depends, Job, MessageCategory, MessageDependency, Router, Worker
from django_repid.core.answer import Verb
from django_repid.core.connection import Connection
from django_repid.core.suspicion import CONVICTED, ISOLATED
from django_repid.worker import cell, cell_process
from tests import stores
from tests.worker.kit import burst

router = Router()


@router.actor
async def tell() -> int:
    return os.getpid()


@router.actor
def tell_by_thread() -> int:
    return os.getpid()


@router.actor(retries=0)
def fail() -> None:
    raise ValueError("as it should")


@router.actor
def die(code: int) -> None:
    os._exit(code)


@router.actor(timeout=timedelta(seconds=1))
def sleep(folder: str) -> None:
    time.sleep(30)
    (Path(folder) / "woke").touch()


@router.actor
def talk() -> str:
    print("not to the worker")
    return "said"


@router.actor
async def answer(verb: str, msg: MessageDependency) -> str:
    msg.set_result("set over there")
    await getattr(msg, verb)()
    return "went on"


@router.actor
def answer_on_thread(verb: str, msg: MessageDependency) -> str:
    msg.set_result("set over there")
    getattr(msg, f"{verb}_sync")()
    return "went on"


@router.actor(run_in_process=True)
def answer_apart(
    verb: str, here: Annotated[int, Depends(os.getpid)], msg: MessageDependency
) -> int:
    msg.set_result(here)
    getattr(msg, f"{verb}_sync")()
    return 0


@router.actor
async def depend(
    here: Annotated[int, Depends(os.getpid)],
    alone: Annotated[int, Depends(os.getppid, run_in_process=True)],
    msg: MessageDependency,
) -> list[Any]:
    return [here, os.getpid() if alone == os.getppid() else alone, msg.key.id_]


@pytest.fixture(autouse=True)
def _soon(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cell, "_GRACE_SECONDS", 0.1)


def suspect(connection: Connection, job: Job, level: int = ISOLATED) -> None:
    key = job.enqueue_sync().key
    broker: Any = connection.message_broker
    broker._messages[key.pk] = replace(broker._messages[key.pk], suspicion=level)


def until_done(connection: Connection, jobs: list[Job]) -> None:
    """Run workers: a suspect that finds no room is turned away, and due again a little later."""

    async def run() -> None:
        worker = Worker([router], connection=connection, handle_signals=())
        running = asyncio.create_task(worker.run())
        async with asyncio.timeout(30):
            while not all(connection.result(str(job.result_id)) for job in jobs):  # noqa: ASYNC110 - in memory
                await asyncio.sleep(0.02)
        worker.stop()
        await running

    asyncio.run(run())


@pytest.mark.parametrize("name", ["tell", "tell_by_thread"])
def test_suspects_run_one_after_another_in_one_other_process(name: str) -> None:
    connection = stores.connection()
    jobs = [Job(name, connection=connection) for _ in range(3)]
    for job in jobs:
        suspect(connection, job)

    until_done(connection, jobs)

    (pid,) = {job.result_sync().value for job in jobs}  # type: ignore[union-attr]  # asserted by use
    assert pid != os.getpid()


def test_an_error_there_is_a_failure_as_anywhere() -> None:
    connection = stores.connection()
    job = Job("fail", connection=connection)
    suspect(connection, job)

    burst(connection, router)

    bucket = job.result_sync()
    assert bucket is not None
    assert (bucket.exception, bucket.data) == ("ValueError", "as it should")


def test_what_it_prints_is_not_taken_for_an_answer() -> None:
    connection = stores.connection()
    job = Job("talk", connection=connection)
    suspect(connection, job)

    burst(connection, router)

    assert job.result_sync().value == "said"  # type: ignore[union-attr]  # asserted by use


@pytest.mark.parametrize("name", ["answer", "answer_on_thread"])
@pytest.mark.parametrize("verb", list(Verb))
def test_an_answer_is_carried_out_as_anywhere(name: str, verb: Verb) -> None:
    connection = stores.connection()
    job = Job(name, id_="one", args={"verb": verb}, retries=1, result_id="r", connection=connection)
    suspect(connection, job)

    worker = Worker([router], connection=connection, messages_limit=1, handle_signals=())
    assert asyncio.run(worker.run()).processed == 1

    left = [(m.state.name, m.tries) for m in connection.message_broker.find(["one"])]
    stays = {"nack": [("DEAD", 1)], "reject": [("READY", 0)], "reschedule": [("READY", 0)]}
    assert left == ([] if verb == "ack" else stays.get(verb, [("READY", 1)]))
    bucket = connection.result("r")
    stored = verb in ("ack", "nack", "reschedule")
    assert (None if bucket is None else bucket.value) == ("set over there" if stored else None)


def test_dependencies_are_made_there() -> None:
    connection = stores.connection()
    job = Job("depend", connection=connection)
    suspect(connection, job)

    burst(connection, router)

    there, elsewhere, id_ = job.result_sync().value  # type: ignore[union-attr]  # asserted by use
    assert there == elsewhere != os.getpid()
    assert id_


@pytest.mark.parametrize("verb", list(Verb))
def test_an_actor_that_always_runs_in_a_process_answers_from_there(verb: Verb) -> None:
    connection = stores.connection()
    Job(
        "answer_apart",
        id_="one",
        args={"verb": verb},
        retries=1,
        result_id="r",
        connection=connection,
    ).enqueue_sync()

    worker = Worker([router], connection=connection, messages_limit=1, handle_signals=())
    assert asyncio.run(worker.run()).processed == 1

    left = [(m.state.name, m.tries) for m in connection.message_broker.find(["one"])]
    stays = {"nack": [("DEAD", 1)], "reject": [("READY", 0)], "reschedule": [("READY", 0)]}
    assert left == ([] if verb == "ack" else stays.get(verb, [("READY", 1)]))
    bucket = connection.result("r")
    stored = verb in ("ack", "nack", "reschedule")
    assert (None if bucket is None else bucket.value != os.getpid()) == (True if stored else None)


def test_a_timeout_binds_there(tmp_path: Path) -> None:
    connection = stores.connection()
    job = Job(
        "sleep",
        args={"folder": str(tmp_path)},
        timeout=timedelta(seconds=1),
        connection=connection,
    )
    suspect(connection, job)
    before = time.monotonic()

    burst(connection, router)

    assert time.monotonic() - before < 20
    assert job.result_sync().exception == "TimeoutError"  # type: ignore[union-attr]  # as above
    assert not (tmp_path / "woke").exists()


def test_one_that_kills_its_process_comes_under_more_suspicion_and_in_the_end_goes() -> None:
    connection = stores.connection()
    job = Job("die", args={"code": 7}, connection=connection)
    suspect(connection, job, CONVICTED - 1)

    burst(connection, router)

    bucket = job.result_sync()
    assert bucket is not None
    assert bucket.exception == "Quarantined"
    assert "exit code 7" in bucket.data
    (dead,) = connection.message_broker.browse("default", MessageCategory.DEAD)
    assert dead.dead_reason.startswith("Quarantined: ")
    assert (dead.tries, dead.crashes) == (0, 1)


def test_a_process_that_cannot_start_is_blamed_on_no_job(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(cell_process, "_BOOT", "raise SystemExit(3)")
    connection = stores.connection()
    job = Job("tell", connection=connection)
    suspect(connection, job, CONVICTED - 1)

    burst(connection, router)

    assert job.result_sync().value == os.getpid()  # type: ignore[union-attr]  # as above
    assert "did not start" in caplog.text


def test_a_process_that_dies_between_two_jobs_is_blamed_on_no_job(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    connection = stores.connection()
    jobs = [Job("tell", connection=connection) for _ in range(2)]
    for job in jobs:
        suspect(connection, job, CONVICTED - 1)
    take = cell.Cell._take

    def take_and_kill(self: Any, attempt: Any, answer: Any) -> None:
        take(self, attempt, answer)
        os.kill(answer_pid(answer), 9)

    def answer_pid(answer: Any) -> int:
        return int(answer["outcome"]["data"])

    monkeypatch.setattr(cell.Cell, "_take", take_and_kill)

    until_done(connection, jobs)

    first, second = (job.result_sync().value for job in jobs)  # type: ignore[union-attr]  # as above
    assert first != second


def test_an_actor_of_another_function_s_is_run_by_the_worker() -> None:
    own = Router()

    @own.actor
    async def local() -> int:
        return os.getpid()

    connection = stores.connection()
    job = Job("local", connection=connection)
    suspect(connection, job)

    burst(connection, own)

    assert job.result_sync().value == os.getpid()  # type: ignore[union-attr]  # as above
