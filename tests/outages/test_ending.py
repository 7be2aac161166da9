"""Workers that are told to end, or are started, while the server is away."""

import subprocess
import time
from collections.abc import Callable

import pytest

from tests.acceptance.kit import ROOT, command
from tests.outages.kit import Stage, eventually
from tests.outages.servers import Proxy

pytestmark = [pytest.mark.harsh, pytest.mark.timeout(120)]

GRACE_SECONDS = 1.0
#: Grace, 2 s of the worker's own, and what Python and a busy machine take.
END_SECONDS = GRACE_SECONDS + 2.0 + 1.5


def gone(proxy: Proxy) -> None:
    """The server is not there."""
    proxy.refuse()
    proxy.drop()


def dark(proxy: Proxy) -> None:
    """The server's host hangs."""
    proxy.stall()


@pytest.mark.parametrize("away", [gone, dark])
@pytest.mark.parametrize("actor", ["held", "held_async"])
def test_a_worker_ends_in_time_while_the_server_is_away_and_its_job_runs_elsewhere_afterwards(
    stage: Stage, away: Callable[[Proxy], None], actor: str
) -> None:
    stage.enqueue(actor)
    grace = ("--graceful-shutdown-time", str(GRACE_SECONDS))
    with Proxy(stage.server.port) as proxy:
        with stage.worker("w1", *grace, **proxy.environment) as one:
            eventually(lambda: stage.began(0))
            away(proxy)
            time.sleep(1.0)
            at = time.monotonic()
            one.stop()
            took = time.monotonic() - at
        assert len(stage.ledger("began")) == 1
        with stage.worker("w2") as two:
            eventually(lambda: len(stage.ledger("began")) == 2)
            stage.release(0)
            stage.all_is_done()
            two.stop()

    assert took <= END_SECONDS
    assert stage.results() == 1
    assert "Traceback" not in one.said


@pytest.mark.parametrize("away", [gone, dark])
def test_an_idle_worker_ends_in_time_while_the_server_is_away(
    stage: Stage, away: Callable[[Proxy], None]
) -> None:
    grace = ("--graceful-shutdown-time", str(GRACE_SECONDS))
    with Proxy(stage.server.port) as proxy, stage.worker("w1", *grace, **proxy.environment) as one:
        away(proxy)
        time.sleep(1.0)
        at = time.monotonic()
        one.stop()
        took = time.monotonic() - at

    assert took <= END_SECONDS
    assert "Traceback" not in one.said


def test_a_worker_that_is_started_while_the_server_is_away_says_so_and_exits_with_1(
    stage: Stage,
) -> None:
    stage.server.stop()

    done = subprocess.run(
        command("repid_worker", "--no-reload"),
        cwd=ROOT,
        env=stage.environment,
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    )

    assert done.returncode == 1, done.stdout + done.stderr
    assert "cannot be used" in done.stderr
    assert "Traceback" not in done.stderr


def test_a_worker_that_is_killed_in_an_outage_loses_no_job(stage: Stage) -> None:
    stage.enqueue("held", 0)
    stage.enqueue("short", 1, 20)
    with stage.worker("w1") as one:
        eventually(lambda: stage.began(0))
        stage.server.kill()
        one.kill()
    stage.server.start()

    with stage.worker("w2") as two:
        stage.release(0)
        stage.all_is_done()
        two.stop()

    assert sorted(stage.runs_of_each()) == list(range(21))
    assert stage.results() == 21
