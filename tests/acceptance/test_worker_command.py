"""`manage.py repid_worker` as a user runs it."""

import os
import signal
import sqlite3
import subprocess
import sys
import time
from contextlib import closing
from pathlib import Path

import pytest

from django_repid import Job
from django_repid.models import Message, WorkerProcess
from tests.acceptance.kit import (
    empty_database,
    environment,
    eventually,
    parent_of,
    run,
    worker,
)
from tests.shop.models import Order

pytestmark = [pytest.mark.store, pytest.mark.django_db(transaction=True)]


def started(folder: Path) -> list[int]:
    return [int(path.name.removeprefix("started-")) for path in folder.glob("started-*")]


def held_job(folder: Path) -> tuple[Job, Order]:
    """Enqueue a job that runs until the file `release` is there."""
    order = Order.objects.create()
    job = Job("note_when_released", args={"order_id": order.pk, "folder": str(folder)})
    job.enqueue_sync()
    return job, order


def test_it_says_what_it_will_do_and_ends_when_nothing_is_left() -> None:
    job = Job("add", args={"a": 40, "b": 2})
    job.enqueue_sync()

    done = run("repid_worker", "--burst", "--threads", "3", "--actor-processes", "2")

    assert done.returncode == 0, done.stderr
    for expected in (
        "default (",
        "queues       all",
        "add,",
        "3 threads",
        "2 processes",
        "at most 25 to each",
    ):
        assert expected in done.stdout
    assert "processed 1 job." in done.stdout
    assert job.wait_sync(1).value == 42


def test_it_serves_the_queues_and_the_number_that_it_is_told() -> None:
    for queue in ("a", "b", "b", "b", "c"):
        Job("add", queue, args={"a": 1, "b": 1}).enqueue_sync()

    done = run("repid_worker", "--queues", "b,c", "--exclude-queues", "c", "--messages-limit", "2")

    assert done.returncode == 0, done.stderr
    assert sorted(Message.objects.values_list("queue", flat=True)) == ["a", "b", "c"]
    assert "(no actor names b, c: only jobs that do go there)" in done.stdout


@pytest.mark.parametrize("how", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_lets_running_jobs_end_and_exits_with_0(
    how: signal.Signals, tmp_path: Path
) -> None:
    job, order = held_job(tmp_path)
    with worker() as one:
        eventually(lambda: started(tmp_path))
        waiting = Job("note_pid", priority=0)
        one.send(how)
        time.sleep(0.3)
        waiting.enqueue_sync()
        (tmp_path / "release").touch()
        code, output = one.wait()

    order.refresh_from_db()
    assert code == 0, output
    assert job.wait_sync(1).value == "released"
    assert order.note == str(one.pid)
    assert [message.topic for message in Message.objects.all()] == ["note_pid"]
    assert not WorkerProcess.objects.exists()


def test_after_the_grace_it_hands_back_what_still_runs_with_its_counters_as_they_were(
    tmp_path: Path,
) -> None:
    held_job(tmp_path)
    with worker("--graceful-shutdown-time", "0.5") as one:
        eventually(lambda: started(tmp_path))
        before = time.monotonic()
        one.send(signal.SIGTERM)
        code, output = one.wait()

    message = Message.objects.get()
    assert code == 0, output
    assert time.monotonic() - before < 0.5 + 2 + 1  # grace + 2 s, and Python's own end
    assert (message.state, message.tries, message.crashes) == (Message.State.READY, 0, 0)


def test_the_jobs_of_a_worker_that_is_killed_run_elsewhere_at_once(tmp_path: Path) -> None:
    """kill -9: the operating system tells, so nobody waits for the silence."""
    job, order = held_job(tmp_path)
    with worker("--worker-id", "victim") as victim, worker("--worker-id", "heir") as heir:
        (pid,) = eventually(lambda: started(tmp_path))
        dead, living = (victim, heir) if pid == victim.pid else (heir, victim)
        dead.send(signal.SIGKILL)
        before = time.monotonic()
        (second,) = eventually(lambda: [one for one in started(tmp_path) if one != dead.pid])
        assert parent_of(second) == living.pid  # it was alone in flight, and runs alone now
        took = time.monotonic() - before
        (tmp_path / "release").touch()
        bucket = job.wait_sync(20)
        living.send(signal.SIGTERM)
        code, output = living.wait()

    order.refresh_from_db()
    assert took < 10, output
    assert bucket.value == "released"
    assert order.note == str(second)
    assert code == 0, output
    assert not WorkerProcess.objects.exists()


def test_the_jobs_of_a_worker_that_died_alone_run_with_the_next_one(tmp_path: Path) -> None:
    job, _ = held_job(tmp_path)
    with worker() as first:
        eventually(lambda: started(tmp_path))
        first.send(signal.SIGKILL)
        first.wait()
    assert Message.objects.get().state == Message.State.RUNNING
    (tmp_path / "release").touch()

    with worker() as second:
        assert job.wait_sync(20).value == "released"
        second.send(signal.SIGTERM)
        assert second.wait()[0] == 0


def test_two_workers_share_the_work_and_run_nothing_twice() -> None:
    jobs = [Job("note_pid") for _ in range(300)]
    Job.enqueue_many_sync(jobs)

    with worker("--burst") as one, worker("--burst") as two:
        ends = [one.wait(), two.wait()]

    assert [code for code, _ in ends] == [0, 0]
    counts = [int(output.split("processed ")[1].split()[0]) for _, output in ends]
    assert sum(counts) == 300
    assert {job.wait_sync(1).value for job in jobs} <= {one.pid, two.pid}


def test_missing_tables_are_said_and_exit_with_2(tmp_path: Path) -> None:
    with empty_database(tmp_path) as there:
        done = run("repid_worker", "--burst", **there)

    assert done.returncode == 2, done.stderr
    assert "manage.py migrate" in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (("--connection", "nope"), "no alias 'nope'"),
        (("--queues", "no way"), "no way"),
        (("--messages-limit", "0"), "messages_limit"),
        (("--threads", "0"), "threads"),
        (("--queues", ""), "at least one name"),
    ],
)
def test_what_the_user_must_mend_exits_with_2(arguments: tuple[str, ...], says: str) -> None:
    done = run("repid_worker", "--burst", *arguments)

    assert done.returncode == 2
    assert says in done.stderr
    assert "Traceback" not in done.stderr


def test_pruning_by_command_counts_and_removes() -> None:
    job = Job("add", args={"a": 1, "b": 1})
    job.enqueue_sync()
    run("repid_worker", "--burst")

    dry = run("repid_prune", "--args", "--dry-run")
    done = run("repid_prune")

    assert dry.returncode == done.returncode == 0, dry.stderr + done.stderr
    assert "would remove 0 expired buckets" in dry.stdout
    assert "removed 0 dead jobs" in done.stdout
    assert job.result_sync() is not None


def changed(path: Path) -> bool:
    """Change a file's time once more: a reloader notices files only from its second look on."""
    os.utime(path)
    return True


def newest_worker(database: Path) -> int:
    with closing(sqlite3.connect(database)) as look:
        (found,) = look.execute("SELECT max(id) FROM django_repid_workerprocess").fetchone()
    return found or 0


def test_code_that_changes_is_loaded_after_running_jobs_have_ended(tmp_path: Path) -> None:
    """--reload, in a project of its own."""
    project = tmp_path / "project"
    project.mkdir()
    (project / "settings.py").write_text(
        "DEBUG = True\nSECRET_KEY = 'x'\nINSTALLED_APPS = ['django_repid', 'app']\n"
        f"DATABASES = {{'default': {{'ENGINE': 'django.db.backends.sqlite3', "
        f"'NAME': '{project / 'db.sqlite3'}'}}}}\n"
    )
    (project / "app").mkdir()
    (project / "app" / "__init__.py").touch()
    tasks = project / "app" / "tasks.py"
    source = (
        "import pathlib, time\nfrom django_repid import Router\nrouter = Router()\n"
        "@router.actor\ndef version() -> str:\n"
        f"    pathlib.Path({str(tmp_path)!r}, 'running').touch()\n"
        "    time.sleep(1)\n    return 'one'\n"
    )
    tasks.write_text(source)
    env = {**os.environ, "DJANGO_SETTINGS_MODULE": "settings"}
    env["PYTHONPATH"] = os.pathsep.join([str(project), environment()["PYTHONPATH"]])

    def manage(*arguments: str) -> str:
        return subprocess.run(
            [sys.executable, "-m", "django", *arguments],
            env=env,
            check=True,
            capture_output=True,
            text=True,
            timeout=60,
        ).stdout

    ask = "from django_repid import Job; j = Job('version', result_id='{0}'); j.enqueue_sync(); "
    wait = "print(j.wait_sync(20).value)"
    manage("migrate", "-v0")
    process = subprocess.Popen(
        [sys.executable, "-m", "django", "repid_worker"], env=env, start_new_session=True
    )
    try:
        manage("shell", "-c", ask.format("first"))
        eventually((tmp_path / "running").exists)
        tasks.write_text(source.replace("'one'", "'two'"))
        eventually(lambda: changed(tasks) and newest_worker(project / "db.sqlite3") > 1)
        second = manage("shell", "-c", ask.format("second") + wait)
        first = manage(
            "shell", "-c", "from django_repid.models import Bucket; "
            "print(Bucket.objects.get(bucket_id='first').data)"
        )  # fmt: skip
        os.killpg(process.pid, signal.SIGINT)
        code = process.wait(20)
    finally:
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait(10)

    assert first.strip().splitlines()[-1] == '"one"'
    assert second.strip().splitlines()[-1] == "two"
    assert code == 0
