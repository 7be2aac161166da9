"""What pages and `repid_health` say of workers that are killed, stopped or asked to end."""

import os
import signal
from pathlib import Path

import pytest
from django.db import connection

from django_repid.insight.reader import readers
from django_repid.insight.snapshot import look
from django_repid.insight.verdict import verdict
from django_repid.insight.workers import Liveness
from tests.acceptance.kit import eventually, worker
from tests.acceptance.processes import living
from tests.acceptance.test_worker_command import held_job, started

pytestmark = [pytest.mark.store, pytest.mark.django_db(transaction=True)]


def codes() -> list[str]:
    return [one.code for one in verdict(look(readers()["default"]))]


def states() -> list[Liveness]:
    return [one.state for one in readers()["default"].workers()]


def test_a_killed_worker_is_gone_at_once_on_its_own_host() -> None:
    with worker("--worker-id", "a") as process:
        living(1)
        assert codes() == []
        process.send(signal.SIGKILL)
        process.wait()

        assert states() == [Liveness.GONE]
        assert codes() == ["no_worker"]


def test_a_worker_that_ends_is_draining_until_its_job_has_ended(tmp_path: Path) -> None:
    held_job(tmp_path)
    with worker("--worker-id", "a") as process:
        (pid,) = eventually(lambda: started(tmp_path))
        process.send(signal.SIGTERM)
        eventually(lambda: states() == [Liveness.DRAINING])
        assert codes() == []
        (tmp_path / "release").touch()
        assert process.wait()[0] == 0
        assert pid == process.pid

    assert states() == []


@pytest.mark.harsh
def test_a_worker_that_stands_still_is_silent_within_half_a_minute() -> None:
    """On SQLite its lock says that it lives, as it does."""
    with worker("--worker-id", "a") as process:
        living(1)
        os.kill(process.pid, signal.SIGSTOP)
        try:
            if connection.vendor == "sqlite":
                assert states() == [Liveness.ALIVE]
            else:
                eventually(lambda: states() == [Liveness.SILENT], 30)
                assert codes() == ["no_worker"]
        finally:
            os.kill(process.pid, signal.SIGCONT)
