"""`manage.py repid_worker --processes N`: one command, several processes, each kept alive."""

import asyncio
import logging
import os
import signal
import sys
from pathlib import Path

import pytest
from django.db import connection

from django_repid import Job
from django_repid.management.supervisor import Pauses, Supervisor
from django_repid.models import Message, WorkerProcess
from tests.acceptance.kit import empty_database, eventually, run
from tests.acceptance.processes import living, own_settings, processes, ready
from tests.acceptance.test_worker_command import changed

pytestmark = [pytest.mark.store, pytest.mark.django_db(transaction=True)]


def test_a_burst_is_shared_and_ends_with_0() -> None:
    Job.enqueue_many_sync([Job("note_pid") for _ in range(60)])

    done = run(
        "repid_worker", "--burst", "--processes", "2", "--threads", "3", "--actor-processes", "1"
    )

    counts = [int(part.split()[0]) for part in done.stdout.split("processed ")[1:]]
    assert done.returncode == 0, done.stderr
    assert len(counts) == 2
    assert sum(counts) == 60
    assert done.stdout.count("repid worker\n") == 1
    assert (
        "3 threads for sync actors, 1 processes for those that run apart, in each of 2"
        in done.stdout
    )
    assert "at most 48 to each database" in done.stdout
    assert ("SQLite has one writer" in done.stderr) == (connection.vendor == "sqlite")
    assert "starts again" not in done.stderr


def test_a_limit_of_messages_is_each_processs_own() -> None:
    Job.enqueue_many_sync([Job("note_pid") for _ in range(10)])

    done = run("repid_worker", "--messages-limit", "3", "--processes", "2")

    assert done.returncode == 0, done.stderr
    assert done.stdout.count("processed 3 jobs") == 2
    assert Message.objects.count() == 4


def test_each_process_has_its_own_name_and_all_end_with_the_supervisor(tmp_path: Path) -> None:
    with processes(tmp_path, "--processes", "3", "--worker-id", "web1") as one:
        names = set(ready(tmp_path, 3))
        one.send(signal.SIGTERM)
        code = one.ends()

    assert names == {"web1-1", "web1-2", "web1-3"}
    assert code == 0, one.log()
    assert not WorkerProcess.objects.exists()


def test_without_a_name_each_is_called_after_its_host_and_process(tmp_path: Path) -> None:
    with processes(tmp_path, "--processes", "2"):
        names = living()

        assert all(name.endswith(f"-{pid}") for name, pid in names.items())


def test_a_process_that_is_killed_starts_again_and_later_each_time(tmp_path: Path) -> None:
    with processes(tmp_path, "--processes", "2", "--worker-id", "w") as one:
        before = living()
        os.kill(before["w-1"], signal.SIGKILL)
        after = living(but={before["w-1"]})
        os.kill(after["w-1"], signal.SIGKILL)
        last = living(but={before["w-1"], after["w-1"]})
        one.send(signal.SIGTERM)
        code = one.ends()

    ends = [line.partition("ERROR ")[2] for line in one.log().splitlines() if "ERROR" in line]
    how = "was killed by signal 9 (Killed); it starts again in"
    assert ends == [
        f"Worker process 1 (pid {before['w-1']}) {how} 1 s.",
        f"Worker process 1 (pid {after['w-1']}) {how} 2 s.",
    ]
    assert before["w-2"] == after["w-2"] == last["w-2"]
    assert code == 0


def test_a_process_that_cannot_start_is_tried_until_it_can(tmp_path: Path) -> None:
    more = own_settings(
        tmp_path, "if NUMBER == '2' and (FOLDER / 'broken').exists():", "    raise SystemExit(7)"
    )
    (tmp_path / "broken").touch()
    with processes(tmp_path, "--processes", "2", "--worker-id", "w", **more) as one:
        one.says("ended with code 7; it starts again in 1 s")
        (tmp_path / "broken").unlink()
        names = living()
        one.send(signal.SIGTERM)
        code = one.ends()

    assert set(names) == {"w-1", "w-2"}
    assert code == 0, one.log()


def test_a_program_that_is_away_for_a_while_is_tried_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """An environment that is being installed anew; here in this process, for one look inside."""
    monkeypatch.setattr(sys, "executable", str(tmp_path / "python"))
    monkeypatch.setattr(logging.getLogger("django_repid"), "propagate", True)

    async def story() -> int:
        running = asyncio.create_task(Supervisor(1, grace=1, reloads=False).run())
        await asyncio.to_thread(eventually, lambda: "could not be started" in caplog.text)
        os.kill(os.getpid(), signal.SIGTERM)
        return await running

    code = asyncio.run(story())

    assert code == 0
    assert caplog.text.count("it starts again in 1 s") == 1


def test_the_pauses_double_up_to_half_a_minute_and_begin_anew_after_a_good_minute() -> None:
    pauses = Pauses()

    short = [pauses.after(lived=0.5) for _ in range(7)]
    anew = [pauses.after(lived=60), pauses.after(lived=1)]

    assert short == [1, 2, 4, 8, 16, 30, 30]
    assert anew == [1, 2]


def test_what_the_user_must_mend_ends_all_with_2_and_is_not_tried_again(tmp_path: Path) -> None:
    wrong = "if NUMBER == '2': REPID = {'default': {'NO_SUCH_OPTION': 1}}"
    with processes(tmp_path, "--processes", "2", **own_settings(tmp_path, wrong)) as one:
        code = one.ends()

    assert code == 2, one.log()
    assert "ended with code 2; all processes end." in one.log()
    assert "NO_SUCH_OPTION" in one.log()
    assert "starts again" not in one.log()
    assert not WorkerProcess.objects.exists()


@pytest.mark.parametrize(
    ("arguments", "says"),
    [(("--processes", "0"), "at least 1"), (("--processes", "2", "--threads", "0"), "threads")],
)
def test_wrong_flags_are_said_once_and_exit_with_2(arguments: tuple[str, ...], says: str) -> None:
    done = run("repid_worker", "--burst", *arguments)

    assert done.returncode == 2
    assert done.stderr.count(says) == 1
    assert "Traceback" not in done.stderr


def test_missing_tables_are_said_once_and_exit_with_2(tmp_path: Path) -> None:
    with empty_database(tmp_path) as there:
        done = run("repid_worker", "--burst", "--processes", "2", **there)

    assert done.returncode == 2, done.stderr
    assert done.stderr.count("manage.py migrate") == 1


def test_with_reload_every_process_loads_code_that_changes(tmp_path: Path) -> None:
    more = own_settings(tmp_path, "INSTALLED_APPS = [*INSTALLED_APPS, 'changing']")
    (tmp_path / "changing").mkdir()
    module = tmp_path / "changing" / "__init__.py"
    module.touch()
    arguments = ("--processes", "2", "--worker-id", "w", "--reload")
    with processes(tmp_path, *arguments, **more) as one:
        before = living()
        old = WorkerProcess.objects.filter(pid__in=before.values())
        eventually(lambda: changed(module) and not old.exists())
        after = ready(tmp_path)
        os.killpg(one.pid, signal.SIGINT)
        code = one.ends()

    assert set(after) == {"w-1", "w-2"}
    assert not set(after.values()) & set(before.values())
    assert "starts again in" not in one.log()
    assert code == 0, one.log()
    assert not WorkerProcess.objects.exists()
