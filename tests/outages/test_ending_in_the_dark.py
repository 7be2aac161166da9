"""Workers that are told to end while the one answer that they wait for never comes."""

import time

import pytest

from tests.outages.kit import Stage, Worker, eventually
from tests.outages.servers import Proxy

pytestmark = [pytest.mark.harsh, pytest.mark.timeout(120)]

GRACE = ("--graceful-shutdown-time", "1")
END_SECONDS = 1.0 + 2.0 + 1.5


def ends_in_time(worker: Worker) -> bool:
    at = time.monotonic()
    worker.end(30)
    return time.monotonic() - at <= END_SECONDS and "Traceback" not in worker.said


def test_a_worker_that_cannot_even_connect_ends_in_time(stage: Stage) -> None:
    with Proxy(stage.server.port) as proxy:
        proxy.stall()
        with stage.starting_worker("w1", *GRACE, **proxy.environment) as one:
            eventually(lambda: proxy.links)
            time.sleep(0.5)

            assert ends_in_time(one)


def test_a_worker_whose_registration_is_not_answered_ends_in_time(stage: Stage) -> None:
    with Proxy(stage.server.port) as proxy:
        registered = proxy.watch("insert into", "commit", mute=True)
        with stage.starting_worker("w1", *GRACE, **proxy.environment) as one:
            assert registered.wait(10)
            time.sleep(0.5)

            assert ends_in_time(one)


def test_a_worker_whose_leave_is_not_answered_ends_in_time(stage: Stage) -> None:
    with Proxy(stage.server.port) as proxy, stage.worker("w1", *GRACE, **proxy.environment) as one:
        proxy.watch("delete from", mute=True)

        assert ends_in_time(one)


def test_a_worker_whose_last_settlement_is_not_answered_ends_in_time(stage: Stage) -> None:
    stage.enqueue("held")
    with Proxy(stage.server.port) as proxy, stage.worker("w1", *GRACE, **proxy.environment) as one:
        eventually(lambda: stage.began(0))
        settled = proxy.watch("delete from", mute=True)
        stage.release(0)
        assert settled.wait(10)

        assert ends_in_time(one)
