"""Actors with `run_in_process` in real workers: their processes end when and how they should."""

import os
import signal
import time
from datetime import timedelta
from pathlib import Path

import pytest
from django.db import connection

from django_repid import Job
from django_repid.models import Bucket, Failure, Message
from tests.acceptance.kit import eventually, parent_of, run, worker
from tests.acceptance.processes import living, own_settings, processes
from tests.acceptance.test_worker_command import started
from tests.shop.models import Order

pytestmark = [pytest.mark.store, pytest.mark.django_db(transaction=True)]


def held_apart(folder: Path) -> Job:
    job = Job("hold_apart", args={"folder": str(folder)})
    job.enqueue_sync()
    return job


def crunching(folder: Path, count: int = 2) -> list[int]:
    """Wait until so many processes have said that they are there."""
    return eventually(lambda: found if len(found := started(folder)) == count else None)


def test_a_signal_to_the_terminal_s_group_lets_it_end_in_its_process(tmp_path: Path) -> None:
    with processes(tmp_path, "--no-reload") as one:
        job = held_apart(tmp_path)
        (child,) = crunching(tmp_path, 1)
        assert parent_of(child) == one.pid
        os.killpg(one.pid, signal.SIGINT)
        os.kill(child, signal.SIGTERM)  # as from a supervisor that signals all there is
        one.says("finishing what runs, then ending")
        (tmp_path / "release").touch()
        code = one.ends()

    assert code == 0, one.log()
    assert job.wait_sync(1).value == child
    assert "Traceback" not in one.log()
    eventually(lambda: parent_of(child) is None)


def test_what_outlasts_the_grace_is_killed_and_handed_back_as_it_was(tmp_path: Path) -> None:
    with worker("--graceful-shutdown-time", "0.5") as one:
        Job("crunch", args={"folder": str(tmp_path)}).enqueue_sync()
        crunching(tmp_path)
        before = time.monotonic()
        one.send(signal.SIGTERM)
        code, output = one.wait()

    assert code == 0, output
    assert time.monotonic() - before < 0.5 + 2 + 0.5  # and the end of the interpreter
    message = Message.objects.get()
    assert (message.state, message.tries, message.crashes) == (Message.State.READY, 0, 0)
    assert message.suspicion == 0
    assert all(parent_of(pid) is None for pid in started(tmp_path))


def test_a_worker_that_is_killed_takes_its_processes_and_theirs_along(tmp_path: Path) -> None:
    """At once, although the job holds the GIL of its process in C code."""
    with worker() as one:
        Job("crunch", args={"folder": str(tmp_path)}).enqueue_sync()
        pids = crunching(tmp_path)
        one.send(signal.SIGKILL)
        one.wait()
        eventually(lambda: all(parent_of(pid) is None for pid in pids), 2)


def test_a_worker_of_a_supervisor_that_is_killed_takes_its_processes_along(tmp_path: Path) -> None:
    with processes(tmp_path, "--processes", "2", "--actor-processes", "1") as fleet:
        Job("crunch", args={"folder": str(tmp_path)}).enqueue_sync()
        pids = crunching(tmp_path)
        workers = set(living(2).values())
        victim = next(p for p in map(parent_of, pids) if p in workers)
        os.kill(victim, signal.SIGKILL)
        eventually(lambda: all(parent_of(pid) is None for pid in pids), 2)
        Message.objects.filter(topic="crunch").delete()
        job = Job("place_order_apart", args={"number": 1})
        job.enqueue_sync()
        assert job.wait_sync(30).success
        fleet.send(signal.SIGTERM)
        assert fleet.ends() == 0, fleet.log()


def test_a_supervisor_that_is_killed_leaves_no_process_of_a_job(tmp_path: Path) -> None:
    with processes(tmp_path, "--processes", "2") as fleet:
        job = held_apart(tmp_path)
        (child,) = crunching(tmp_path, 1)
        fleet.send(signal.SIGKILL)
        fleet.says("The supervisor of this worker is gone.")
        (tmp_path / "release").touch()
        fleet.ends()

    assert job.wait_sync(1).value == child
    eventually(lambda: parent_of(child) is None)


def test_a_timeout_kills_the_process_and_the_failure_is_on_record(tmp_path: Path) -> None:
    job = Job("crunch", args={"folder": str(tmp_path)}, timeout=timedelta(seconds=1))
    job.enqueue_sync()

    done = run("repid_worker", "--burst")

    assert done.returncode == 0, done.stderr
    assert job.wait_sync(1).exception == "TimeoutError"
    assert Failure.objects.get().exception == "TimeoutError"
    assert all(parent_of(pid) is None for pid in started(tmp_path))


def test_a_process_keeps_one_connection_and_no_pool(tmp_path: Path) -> None:
    jobs = [Job("was_connected") for _ in range(3)]
    Job.enqueue_many_sync(jobs)
    pool = 'DATABASES["default"]["OPTIONS"]["pool"] = {"min_size": 1, "max_size": 30}'
    lines = [pool] if connection.vendor == "postgresql" else []
    if lines:
        lines = ['DATABASES["default"].setdefault("OPTIONS", {})', *lines]

    done = run(
        "repid_worker", "--burst", "--actor-processes", "1", **own_settings(tmp_path, *lines)
    )

    assert done.returncode == 0, done.stderr
    found = [job.wait_sync(1).value for job in jobs]
    assert found == [[False, False], [True, False], [True, False]]


def test_atomic_actors_settle_in_their_own_process() -> None:
    jobs = [Job("place_order_apart", args={"number": n}) for n in range(5)]
    Job.enqueue_many_sync(jobs)

    with worker("--actor-processes", "2") as one:
        found = {job.wait_sync(30).value for job in jobs}
        eventually(lambda: not Message.objects.exists())
        one.send(signal.SIGTERM)
        code, output = one.wait()

    assert code == 0, output
    assert "processed 5 jobs" in output
    assert "LeaseLost" not in output
    assert one.pid not in found
    assert sorted(Order.objects.values_list("number", flat=True)) == list(range(5))
    assert Bucket.objects.filter(success=True).count() == 5


def test_an_atomic_actor_that_overruns_in_its_process_leaves_nothing() -> None:
    job = Job("order_and_crunch", args={"number": 1})
    job.enqueue_sync()

    done = run("repid_worker", "--burst")

    assert done.returncode == 0, done.stderr
    assert job.wait_sync(1).exception == "TimeoutError"
    assert not Order.objects.exists()


def test_an_atomic_actor_that_kills_its_process_leaves_nothing_and_is_quarantined() -> None:
    job = Job("order_apart_and_kill", args={"number": 1})
    job.enqueue_sync()

    with worker() as one:
        bucket = job.wait_sync(60)
        one.send(signal.SIGTERM)
        code, output = one.wait()

    assert code == 0, output
    assert bucket.exception == "Quarantined"
    assert (Message.objects.get().tries, Message.objects.get().crashes) == (0, 3)
    assert not Order.objects.exists()


def test_a_wrong_number_of_processes_ends_the_command_with_2() -> None:
    done = run("repid_worker", "--actor-processes", "0")

    assert done.returncode == 2
    assert "actor_processes must be greater than 0" in done.stderr
