"""Connections that stay and carry nothing, as behind a host that hangs."""

import time
from collections.abc import Callable

import pytest

from tests.acceptance.kit import parent_of
from tests.outages.kit import BACK_AT_WORK_SECONDS, Stage, eventually
from tests.outages.servers import Proxy

pytestmark = [pytest.mark.harsh, pytest.mark.timeout(120)]

#: Longer than the silence (3 s).
DARK_SECONDS = 6.0


def waited(stage: Stage, number: int, committed: float) -> float:
    """Wait for a job, and return how long it had to."""
    eventually(lambda: stage.began(number))
    (began,) = (line.at for line in stage.ledger("began") if line.number == number)
    return began - committed


def test_jobs_are_found_by_polling_while_the_listener_hangs(postgres: Stage) -> None:
    with Proxy(postgres.server.port) as proxy, postgres.worker(**proxy.environment) as worker:
        eventually(lambda: proxy.stall(carrying=b"LISTEN") == 1)

        # Its bell is heard by NOTIFY alone: a socket on this host would be named after the port.
        first = waited(postgres, 0, postgres.enqueue("short", 0))
        proxy.resume()
        second = waited(postgres, 1, postgres.enqueue("short", 1))

        postgres.all_is_done()
        worker.stop()
    assert max(first, second) <= 2.0
    assert worker.troubles == []


def test_a_worker_whose_listener_hangs_ends_as_soon_as_any(postgres: Stage) -> None:
    with Proxy(postgres.server.port) as proxy, postgres.worker(**proxy.environment) as worker:
        eventually(lambda: proxy.stall(carrying=b"LISTEN") == 1)

        worker.stop(seconds=5)

    assert postgres.workers() == []


def come_back(proxy: Proxy) -> None:
    """The host goes on where it stood."""
    proxy.resume()


def come_back_anew(proxy: Proxy) -> None:
    """The host is another one, which knows none of the connections."""
    proxy.drop()
    proxy.resume()


@pytest.mark.parametrize("back", [come_back, come_back_anew])
def test_a_job_keeps_its_worker_through_a_darkness_longer_than_the_silence(
    stage: Stage, back: Callable[[Proxy], None]
) -> None:
    stage.enqueue("held", 0)
    with (
        Proxy(stage.server.port) as proxy,
        stage.worker("w1", **proxy.environment) as one,
        stage.worker("w2", **proxy.environment) as two,
    ):
        eventually(lambda: stage.began(0))
        proxy.stall()
        stage.enqueue("short", 1)
        time.sleep(DARK_SECONDS)
        back(proxy)
        at = time.time()

        eventually(lambda: stage.began(1))
        took = time.time() - at
        time.sleep(DARK_SECONDS)  # for whoever might take the other's job
        stage.release(0)
        stage.all_is_done()
        one.stop()
        two.stop()

    assert took <= BACK_AT_WORK_SECONDS
    stage.each_ran_once(2)
    assert "dead" not in one.said + two.said


def test_a_worker_that_alone_is_cut_off_loses_its_job_to_another_and_goes_on_under_a_new_id(
    stage: Stage,
) -> None:
    stage.enqueue("held", 0)
    with Proxy(stage.server.port) as proxy, stage.worker("w1", **proxy.environment) as one:
        eventually(lambda: stage.began(0))
        proxy.stall()
        with stage.worker("w2") as two:
            # It was alone in flight, so it runs in a process of its own now.
            second = eventually(lambda: {line.pid for line in stage.ledger()} - {one.pid})
            assert {parent_of(pid) for pid in second} == {two.pid}
            proxy.resume()
            eventually(lambda: sorted(stage.workers()) == ["w1", "w2"])
            stage.release(0)
            stage.all_is_done()
            two.stop()
        stage.enqueue("short", 1)
        stage.all_is_done(BACK_AT_WORK_SECONDS)
        one.stop()

    assert stage.results() == 2
    assert stage.runs_of_each() == {0: 2, 1: 1}
    assert "was silent for so long" in one.said
    assert one.said.count("LeaseLost") == 1
