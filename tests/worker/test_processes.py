"""Actors with `run_in_process`: each job in a child process that stays warm, and can be killed."""

import asyncio
import ctypes
import logging
import os
import re
import signal
import subprocess
import sys
import time
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from django_repid import (
    Connection,
    Job,
    MessageCategory,
    ResultBucket,
    Router,
    RouterDefaults,
    Worker,
)
from django_repid.core.errors import ConfigurationError
from django_repid.worker import cell, cell_process
from tests import stores
from tests.worker.kit import burst, during

router = Router(defaults=RouterDefaults(run_in_process=True))
_hoard: list[bytearray] = []


@router.actor
def pid() -> int:
    return os.getpid()


@router.actor
def meet(folder: str, number: int) -> int:
    """Wait until somebody else is here: two of these end only if both run at once."""
    here = Path(folder)
    (here / str(number)).touch()
    until(lambda: len(list(here.iterdir())) >= 2)
    return os.getpid()


@router.actor
def group() -> list[int]:
    return [os.getpgrp(), os.getsid(0)]


@router.actor
def backtrack(folder: str) -> None:
    """Hold the GIL in C code for ages, beside a child of this process's own."""
    other = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"])
    (Path(folder) / "new").write_text(f"{os.getpid()} {other.pid}")
    (Path(folder) / "new").rename(Path(folder) / "pids")
    re.match(r"(a+)+$", "a" * 60 + "b")


@router.actor
def die(how: str) -> None:
    if how == "exit":
        os._exit(7)
    if how == "segfault":
        ctypes.string_at(0)
    os.kill(os.getpid(), signal.SIGKILL)


@router.actor
def fail(password: str) -> None:
    raise ValueError(f"not with {password}")


@router.actor
def leave() -> None:
    sys.exit(3)


@router.actor
def talk(text: str) -> str:
    print(text)
    os.write(1, b'{"outcome": 1}\n')
    sys.stdin.read()
    return "said"


@router.actor
def babble() -> None:
    """Write where only the worker is to read."""
    for fd in range(3, 20):
        try:
            os.write(fd, b"babble\n")
        except OSError:
            continue


@router.actor
def leak(megabytes: int) -> int:
    _hoard.append(bytearray(b"x") * (megabytes * 1024 * 1024))
    return os.getpid()


@router.actor(run_in_process=False)
def at_home() -> int:
    return os.getpid()


@router.actor
async def on_loop() -> int:
    return os.getpid()


def until(ask: Any, seconds: float = 30) -> Any:
    end = time.monotonic() + seconds
    while not (answer := ask()):
        assert time.monotonic() < end, "It did not happen in time."
        time.sleep(0.01)
    return answer


def lives(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


def pids(folder: Path) -> list[int]:
    """Wait for the one that backtracks; return its process and the one that it has started."""
    until((folder / "pids").exists)
    return [int(one) for one in (folder / "pids").read_text().split()]


def enqueued(connection: Connection, name: str, **args: Any) -> Job:
    job = Job(name, args=args, connection=connection)
    job.enqueue_sync()
    return job


def result(job: Job) -> ResultBucket:
    bucket = job.result_sync()
    assert bucket is not None
    return bucket


@pytest.fixture(autouse=True)
def _soon(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cell, "_GRACE_SECONDS", 0.1)


def test_jobs_run_in_a_child_that_stays_warm_and_the_others_where_they_always_do() -> None:
    connection = stores.connection()
    jobs = [enqueued(connection, "pid") for _ in range(5)]
    others = [enqueued(connection, name) for name in ("at_home", "on_loop")]

    assert burst(connection, router, actor_processes=1) == 7

    (child,) = {result(job).value for job in jobs}
    assert child != os.getpid()
    assert {result(job).value for job in others} == {os.getpid()}
    assert not lives(child)


def test_as_many_run_at_once_as_there_are_processes(tmp_path: Path) -> None:
    connection = stores.connection()
    jobs = [enqueued(connection, "meet", folder=str(tmp_path), number=n) for n in range(2)]

    burst(connection, router, actor_processes=2)

    assert len({result(job).value for job in jobs}) == 2


def test_no_more_processes_are_started_than_jobs_wait() -> None:
    connection = stores.connection()

    async def scene(_: Worker) -> set[int]:
        found = set()
        for _number in range(4):
            job = Job("pid", connection=connection)
            await job.enqueue()
            found.add((await job.wait(30)).value)
        return found

    assert len(during(connection, router, scene, actor_processes=4)) == 1


def test_a_child_is_in_no_group_of_the_terminal_s() -> None:
    connection = stores.connection()
    job = enqueued(connection, "group")

    burst(connection, router)

    assert result(job).value[0] != os.getpgrp()


def test_a_timeout_kills_the_process_that_holds_its_gil_and_what_it_started(
    tmp_path: Path,
) -> None:
    connection = stores.connection()
    job = Job(
        "backtrack",
        args={"folder": str(tmp_path)},
        timeout=timedelta(seconds=1),
        connection=connection,
    )
    job.enqueue_sync()
    next_one = enqueued(connection, "pid")

    assert burst(connection, router, actor_processes=1) == 2

    ended = result(job)
    seconds = (ended.finished_when - ended.started_when) / 1e9
    assert (ended.exception, 1 <= seconds < 2) == ("TimeoutError", True)
    assert "0:00:01" in ended.data
    assert not any(lives(one) for one in pids(tmp_path))
    assert result(next_one).value not in pids(tmp_path)


def test_a_timeout_costs_a_try_and_the_job_may_succeed_with_the_next(tmp_path: Path) -> None:
    connection = stores.connection()
    job = Job(
        "backtrack",
        args={"folder": str(tmp_path)},
        timeout=timedelta(seconds=1),
        retries=1,
        connection=connection,
    )
    job.enqueue_sync()

    assert burst(connection, router) == 1

    (message,) = connection.message_broker.browse("default", MessageCategory.DELAYED)
    assert (message.tries, message.crashes, message.suspicion) == (1, 0, 0)


@pytest.mark.parametrize(
    ("how", "said"), [("exit", "exit code 7"), ("segfault", "SIGSEGV"), ("kill", "SIGKILL")]
)
def test_one_that_kills_its_process_is_quarantined_after_three_and_the_others_go_on(
    how: str, said: str
) -> None:
    connection = stores.connection()
    job = enqueued(connection, "die", how=how)
    others = [enqueued(connection, "pid") for _ in range(20)]

    async def scene(_: Worker) -> None:
        await job.wait(30)

    during(connection, router, scene, actor_processes=2)

    assert result(job).exception == "Quarantined"
    assert said in result(job).data
    (dead,) = connection.message_broker.browse("default", MessageCategory.DEAD)
    assert (dead.tries, dead.crashes) == (0, 3)
    assert all(result(one).success for one in others)


def test_one_that_killed_its_process_is_the_only_suspect() -> None:
    connection = stores.connection()
    enqueued(connection, "die", how="exit")

    burst(connection, router)

    (message,) = connection.message_broker.browse("default", MessageCategory.DELAYED)
    assert (message.tries, message.crashes, message.suspicion) == (0, 1, 4)


def test_a_cancelled_job_is_killed_and_its_outcome_says_so(tmp_path: Path) -> None:
    connection = stores.connection(beat_seconds=0.1)
    job = Job("backtrack", args={"folder": str(tmp_path)}, connection=connection)

    async def scene(_: Worker) -> None:
        await job.enqueue()
        await asyncio.to_thread(pids, tmp_path)
        assert await job.cancel()
        await job.wait(10)

    during(connection, router, scene)

    assert result(job).exception == "Cancelled"
    assert not any(lives(one) for one in pids(tmp_path))
    assert not connection.message_broker.browse("default", MessageCategory.NORMAL)


def test_a_shutdown_hands_back_as_it_was_what_outlasts_the_grace(tmp_path: Path) -> None:
    connection = stores.connection()

    async def scene(_: Worker) -> float:
        await Job("backtrack", args={"folder": str(tmp_path)}, connection=connection).enqueue()
        await asyncio.to_thread(pids, tmp_path)
        await Job("pid", connection=connection).enqueue()
        return time.monotonic()

    before = during(connection, router, scene, actor_processes=1, graceful_shutdown_time=0.3)

    assert time.monotonic() - before < 0.3 + 2
    left = connection.message_broker.browse("default", MessageCategory.NORMAL)
    assert len(left) == 2
    assert {(one.tries, one.crashes, one.suspicion) for one in left} == {(0, 0, 0)}
    assert not any(lives(one) for one in pids(tmp_path))


def test_a_process_that_is_frozen_while_it_waits_is_replaced_and_no_job_suffers(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(cell_process, "_ANSWER_SECONDS", 0.3)
    connection = stores.connection()
    args = {"text": "x" * 500_000}  # more than a pipe holds

    async def scene(_: Worker) -> None:
        first = Job("pid", connection=connection)
        await first.enqueue()
        os.kill((await first.wait(30)).value, signal.SIGSTOP)
        second = Job("talk", args=args, connection=connection)
        await second.enqueue()
        assert (await second.wait(30)).value == "said"

    during(connection, router, scene, actor_processes=1)


def test_a_failure_comes_with_the_traceback_of_its_process_and_without_secrets() -> None:
    connection = stores.connection()
    seen: list[Any] = []
    connection.middleware.add_subscriber(seen_by(seen))
    job = enqueued(connection, "fail", password="hunter2")

    burst(connection, router)

    assert result(job).exception == "ValueError"
    assert "hunter2" not in result(job).data
    (outcome,) = seen
    assert "in fail" in outcome.exception.cause.traceback
    assert __file__ in outcome.exception.cause.traceback


def seen_by(seen: list[Any]) -> Any:
    def after_actor_run(result: Any) -> None:
        seen.append(result)

    return after_actor_run


def test_an_exit_is_a_failure_of_the_job_and_the_process_goes_on() -> None:
    connection = stores.connection()
    exiting, first, second = (enqueued(connection, one) for one in ("leave", "pid", "pid"))

    burst(connection, router, actor_processes=1)

    assert result(exiting).exception == "SystemExit"
    assert result(first).value == result(second).value


def test_what_it_prints_goes_to_the_worker_s_stderr(capfd: pytest.CaptureFixture[str]) -> None:
    connection = stores.connection()
    job = enqueued(connection, "talk", text="to whom it may concern")

    burst(connection, router)

    assert result(job).value == "said"
    assert "to whom it may concern" in capfd.readouterr().err


def test_one_that_writes_into_the_worker_s_pipe_has_killed_its_process() -> None:
    connection = stores.connection()
    enqueued(connection, "babble")

    burst(connection, router)

    (message,) = connection.message_broker.browse("default", MessageCategory.DELAYED)
    assert (message.tries, message.crashes) == (0, 1)


def test_another_process_takes_over_after_so_many_jobs() -> None:
    connection = stores.connection()
    jobs = [enqueued(connection, "pid") for _ in range(6)]

    burst(connection, router, actor_processes=1, child_jobs_limit=2)

    found = [result(job).value for job in jobs]
    assert sorted(found.count(one) for one in set(found)) == [2, 2, 2]


def test_a_process_that_leaks_is_replaced_once_it_is_above_its_limit(
    caplog: pytest.LogCaptureFixture,
) -> None:
    connection = stores.connection()
    jobs = [enqueued(connection, "leak", megabytes=100) for _ in range(6)]

    with caplog.at_level(logging.INFO, "django_repid"):
        burst(connection, router, actor_processes=1, child_memory_limit_mb=250)

    found = [result(job).value for job in jobs]
    assert max(found.count(one) for one in set(found)) <= 3
    assert len(set(found)) >= 2
    assert "above its limit of 250 MB" in caplog.text


def test_a_job_whose_process_cannot_start_waits_and_is_not_blamed(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(cell_process, "_BOOT", "raise SystemExit(3)")
    connection = stores.connection()
    enqueued(connection, "pid")

    assert burst(connection, router) == 0

    (message,) = connection.message_broker.browse("default", MessageCategory.DELAYED)
    assert (message.tries, message.crashes, message.suspicion) == (0, 0, 0)
    assert "did not start: the process ended with exit code 3" in caplog.text


def test_an_actor_that_the_process_does_not_find_has_failed(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(at_home, "__qualname__", "gone")
    own = Router()
    own.actor(name="elsewhere", run_in_process=True)(at_home)
    connection = stores.connection()
    job = enqueued(connection, "elsewhere")

    burst(connection, own)

    assert result(job).exception == "ConfigurationError"
    assert "'elsewhere'" in result(job).data


def test_async_actors_and_those_that_no_process_could_find_are_refused() -> None:
    def inner() -> None: ...

    with pytest.raises(ConfigurationError, match=r"on_loop is async.*is for sync actors"):
        Router().actor(run_in_process=True)(on_loop)
    with pytest.raises(ConfigurationError, match=r"inner is made inside another function"):
        Router().actor(run_in_process=True)(inner)
    with pytest.raises(ConfigurationError, match="must be True or False, not 1"):
        Router().actor(run_in_process=1)(at_home)  # type: ignore[call-overload]  # that is the test


def test_an_actor_of_a_script_is_refused_when_the_worker_starts(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(at_home, "__module__", "__main__")
    monkeypatch.setattr(sys.modules["__main__"], "__spec__", None)
    own = Router()
    own.actor(run_in_process=True)(at_home)

    with pytest.raises(ConfigurationError, match=r"__main__\.at_home.*move it out of the script"):
        burst(stores.connection(), own)


@pytest.mark.parametrize("what", ["actor_processes", "child_jobs_limit", "child_memory_limit_mb"])
def test_limits_of_processes_below_one_are_refused(what: str) -> None:
    terms: dict[str, Any] = {what: 0}
    with pytest.raises(ConfigurationError, match=f"{what} must be greater than 0, not 0"):
        Worker([router], connection=stores.connection(), handle_signals=(), **terms)
