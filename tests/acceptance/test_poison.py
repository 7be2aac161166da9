"""A job that kills its worker is put aside, and only that job."""

import os
import signal
from pathlib import Path

import pytest

from django_repid import Job, Quarantined
from django_repid.models import Bucket, Failure, Message
from tests.acceptance.kit import eventually, parent_of, worker
from tests.acceptance.processes import living, processes
from tests.acceptance.test_worker_command import held_job, started

pytestmark = [
    pytest.mark.harsh,
    pytest.mark.store,
    pytest.mark.django_db(transaction=True),
    pytest.mark.timeout(180),  # a supervisor starts what crashes anew after 1, 2, 4 s, and so on
]


def poisonings(folder: Path) -> int:
    return len(list(folder.glob("poisoned-*")))


def bystanders(count: int, seconds: float) -> list[Job]:
    jobs = [Job("linger", args={"seconds": seconds}) for _ in range(count)]
    Job.enqueue_many_sync(jobs)
    return jobs


def all_done(count: int) -> bool:
    return Bucket.objects.filter(topic="linger", success=True).count() == count


def worker_of(folder: Path, pids: set[int]) -> int | None:
    """Return which of the workers runs the held job, itself or in a process of its own."""
    for pid in started(folder):
        for one in (pid, parent_of(pid)):
            if one in pids and parent_of(pid) is not None:
                return one
    return None


def quarantined(count: int = 1) -> bool:
    return Message.objects.filter(state=Message.State.DEAD).count() == count


@pytest.mark.parametrize("how", ["exit", "SIGSEGV", "SIGKILL"])
def test_a_poison_among_a_thousand_in_flight_is_the_only_one_put_aside(
    tmp_path: Path, how: str
) -> None:
    bystanders(1000, 0.4)
    job = Job("poison", args={"how": how, "folder": str(tmp_path), "after": 0.2}, priority=9)
    job.enqueue_sync()
    with processes(tmp_path, "--processes", "2") as fleet:
        eventually(lambda: all_done(1000), 100)
        eventually(quarantined, 60)
        fleet.send(signal.SIGTERM)
        assert fleet.ends() == 0, fleet.log()

    dead = Message.objects.get()
    bucket = Bucket.objects.get(bucket_id=job.result_id)
    assert dead.topic == "poison"
    assert dead.dead_reason.startswith("Quarantined: ")
    assert bucket.exception == Quarantined.__name__
    assert ("exit code 0" if how == "exit" else how) in bucket.data
    assert poisonings(tmp_path) <= 10
    assert dead.tries == 0  # crashes cost no try
    assert set(Failure.objects.values_list("topic", flat=True)) == {"poison"}


def test_two_poisons_are_both_found_and_nothing_else(tmp_path: Path) -> None:
    bystanders(300, 0.3)
    for how, topic in (("SIGKILL", "poison"), ("SIGSEGV", "poison_on_thread")):
        Job(topic, args={"how": how, "folder": str(tmp_path)}, priority=9).enqueue_sync()
    with processes(tmp_path, "--processes", "2") as fleet:
        eventually(lambda: all_done(300), 100)
        eventually(lambda: quarantined(2), 60)
        fleet.send(signal.SIGTERM)
        assert fleet.ends() == 0, fleet.log()

    assert {m.topic for m in Message.objects.all()} == {"poison", "poison_on_thread"}
    assert poisonings(tmp_path) <= 2 * 10


def test_workers_that_are_killed_at_random_put_no_job_aside(tmp_path: Path) -> None:
    """However often: one long job is in flight at every one of these crashes."""
    long, _ = held_job(tmp_path)
    bystanders(60, 0.2)
    with processes(tmp_path, "--processes", "2") as fleet:
        victims: set[int] = set()
        for _ in range(5):
            pids = set(living(2, but=victims).values())
            victim = eventually(lambda: worker_of(tmp_path, pids))  # noqa: B023 - called at once
            victims.add(victim)
            os.kill(victim, signal.SIGKILL)
        (tmp_path / "release").touch()
        bucket = long.wait_sync(60)
        eventually(lambda: all_done(60), 60)
        fleet.send(signal.SIGTERM)
        assert fleet.ends() == 0, fleet.log()

    assert bucket.value == "released"
    assert not Message.objects.exists()
    assert not Failure.objects.exists()


def test_a_suspect_runs_in_a_process_of_its_own_beside_the_others(tmp_path: Path) -> None:
    long, order = held_job(tmp_path)
    with worker("--worker-id", "first") as first:
        eventually(lambda: started(tmp_path))
        first.send(signal.SIGKILL)
        first.wait()
    with worker("--worker-id", "second") as second:
        (cell,) = eventually(lambda: [p for p in started(tmp_path) if p != first.pid])
        bystanders(20, 0.05)
        eventually(lambda: all_done(20))
        assert parent_of(cell) == second.pid
        (tmp_path / "release").touch()
        bucket = long.wait_sync(20)
        second.send(signal.SIGTERM)
        code, output = second.wait()

    order.refresh_from_db()
    assert code == 0, output
    assert (bucket.value, order.note) == ("released", str(cell))


def test_a_shutdown_hands_back_what_runs_alone_and_ends_its_process(tmp_path: Path) -> None:
    held_job(tmp_path)
    with worker() as first:
        eventually(lambda: started(tmp_path))
        first.send(signal.SIGKILL)
        first.wait()
    with worker("--graceful-shutdown-time", "0.5") as second:
        (cell,) = eventually(lambda: [p for p in started(tmp_path) if p != first.pid])
        second.send(signal.SIGTERM)
        code, output = second.wait(10)

    message = Message.objects.get()
    assert code == 0, output
    assert (message.state, message.tries, message.crashes) == (Message.State.READY, 0, 1)
    eventually(lambda: parent_of(cell) is None)


def test_a_process_of_a_suspect_ends_with_its_worker(tmp_path: Path) -> None:
    held_job(tmp_path)
    for _ in range(2):
        with worker() as one:
            before = set(started(tmp_path))
            (runs_it,) = eventually(lambda: set(started(tmp_path)) - before)  # noqa: B023 - as above
            one.send(signal.SIGKILL)
            one.wait()

    eventually(lambda: parent_of(runs_it) is None)
