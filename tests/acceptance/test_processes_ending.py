"""How the processes of `repid_worker --processes N` end: with signals, or without a supervisor."""

import os
import signal
import time
from pathlib import Path

import pytest

from django_repid.models import Message, WorkerProcess
from django_repid.worker.signals import REPEAT_SECONDS
from tests.acceptance.kit import eventually
from tests.acceptance.processes import own_settings, processes, ready
from tests.acceptance.test_worker_command import held_job, started

pytestmark = [pytest.mark.store, pytest.mark.django_db(transaction=True)]


@pytest.mark.parametrize("how", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_to_the_group_and_every_process_is_one_wish(
    how: signal.Signals, tmp_path: Path
) -> None:
    """Ctrl-C in a terminal, and systemd, which signals all that there is."""
    with processes(tmp_path, "--processes", "2") as one:
        pids = ready(tmp_path).values()
        job, _ = held_job(tmp_path)
        eventually(lambda: started(tmp_path))
        os.killpg(one.pid, how)
        for pid in pids:
            os.kill(pid, how)
        one.says("finishing what runs, then ending")
        (tmp_path / "release").touch()
        code = one.ends()

    assert code == 0, one.log()
    assert job.wait_sync(1).value == "released"
    assert "stopping at once" not in one.log()
    assert "Traceback" not in one.log()
    assert not WorkerProcess.objects.exists()


def test_a_second_signal_is_passed_on_too(tmp_path: Path) -> None:
    with processes(tmp_path, "--processes", "2") as one:
        ready(tmp_path)
        held_job(tmp_path)
        eventually(lambda: started(tmp_path))
        before = time.monotonic()
        eventually(one.is_told_twice)
        code = one.ends()

    message = Message.objects.get()
    assert time.monotonic() - before < 10  # and not the grace of 25 s
    assert "stopping at once" in one.log()
    assert code == 0, one.log()
    assert (message.state, message.tries, message.crashes) == (Message.State.READY, 0, 0)


def test_a_signal_before_the_workers_are_ready_ends_them_too(tmp_path: Path) -> None:
    wait = "if NUMBER: import time; (FOLDER / f'imports-{NUMBER}').touch(); time.sleep(60)"
    with processes(tmp_path, "--processes", "2", **own_settings(tmp_path, wait)) as one:
        eventually(lambda: len([*tmp_path.glob("imports-*")]) == 2)
        os.killpg(one.pid, signal.SIGINT)
        code = one.ends()

    assert code == 0, one.log()
    assert "Traceback" not in one.log()


def test_a_process_that_does_not_end_in_time_is_killed(tmp_path: Path) -> None:
    arguments = ("--processes", "2", "--worker-id", "w", "--graceful-shutdown-time", "0.1")
    with processes(tmp_path, *arguments) as one:
        stuck = ready(tmp_path)["w-2"]
        os.kill(stuck, signal.SIGSTOP)
        one.send(signal.SIGTERM)
        code = one.ends()

    assert f"Worker process 2 (pid {stuck}) did not end in time: it is killed." in one.log()
    assert code == 1, one.log()


@pytest.mark.parametrize(
    ("how", "flag"),
    [
        (signal.SIGKILL, "--no-reload"),
        (signal.SIGHUP, "--no-reload"),
        (signal.SIGKILL, "--reload"),
    ],
)
def test_workers_whose_supervisor_is_gone_end_gracefully(
    how: signal.Signals, flag: str, tmp_path: Path
) -> None:
    with processes(tmp_path, "--processes", "2", flag) as one:
        ready(tmp_path)
        job, _ = held_job(tmp_path)
        eventually(lambda: started(tmp_path))
        one.send(how)
        eventually(lambda: one.log().count("The supervisor of this worker is gone.") == 2)
        eventually(lambda: WorkerProcess.objects.count() == 1)  # the idle one has left
        (tmp_path / "release").touch()
        code = one.ends()

    assert code == -how
    assert job.wait_sync(1).value == "released"
    assert "stopping at once" not in one.log()
    assert not WorkerProcess.objects.exists()


def test_a_supervisor_that_is_killed_while_it_ends_takes_no_grace_away(tmp_path: Path) -> None:
    """As Docker and systemd do, when their own patience is shorter than the grace."""
    with processes(tmp_path, "--processes", "2") as one:
        ready(tmp_path)
        job, _ = held_job(tmp_path)
        eventually(lambda: started(tmp_path))
        one.send(signal.SIGTERM)
        eventually(lambda: WorkerProcess.objects.count() == 1)
        time.sleep(REPEAT_SECONDS)  # from now on another signal would be another wish
        one.send(signal.SIGKILL)
        time.sleep(0.5)  # nothing is to happen
        (tmp_path / "release").touch()
        one.ends()

    assert job.wait_sync(1).value == "released"
    assert "stopping at once" not in one.log()
    assert not WorkerProcess.objects.exists()
