"""The server ends and comes back, in order or by SIGKILL."""

import time
from collections.abc import Callable

import pytest

from tests.outages.kit import (
    BACK_AT_WORK_SECONDS,
    Stage,
    at_work_since,
    eventually,
    said_it_once,
)

pytestmark = [pytest.mark.harsh, pytest.mark.timeout(120)]

DOWN_SECONDS = 3.0


def restarted(stage: Stage) -> None:
    stage.server.stop("fast")
    time.sleep(DOWN_SECONDS)
    stage.server.start()


def ended_at_once(stage: Stage) -> None:
    stage.server.stop("immediate")
    time.sleep(DOWN_SECONDS)
    stage.server.start()


def killed(stage: Stage) -> None:
    stage.server.kill()
    time.sleep(DOWN_SECONDS)
    stage.server.start()


@pytest.mark.parametrize("cut", [restarted, ended_at_once, killed])
def test_a_server_that_comes_back_finds_its_workers_at_work_and_no_job_lost_or_run_twice(
    stage: Stage, cut: Callable[[Stage], None]
) -> None:
    stage.enqueue("short", count=1000)

    with stage.worker("w1") as one, stage.worker("w2") as two:
        eventually(lambda: len(stage.ledger("ended")) >= 100)
        cut(stage)
        back = time.time()
        eventually(lambda: at_work_since(stage, back) >= {one.pid, two.pid})
        took = time.time() - back
        stage.all_is_done()
        for worker in (one, two):
            worker.stop()

    assert took <= BACK_AT_WORK_SECONDS
    stage.each_ran_once(1000)
    assert {line.pid for line in stage.ledger()} == {one.pid, two.pid}
    said_it_once(one)
    said_it_once(two)


@pytest.mark.parametrize("cut", [restarted, killed])
@pytest.mark.parametrize("actor", ["held", "held_async"])
def test_a_job_that_ends_while_the_server_is_down_is_settled_afterwards_and_not_run_again(
    stage: Stage, cut: Callable[[Stage], None], actor: str
) -> None:
    stage.enqueue(actor)

    with stage.worker() as one, stage.worker("w2") as two:
        eventually(lambda: stage.began(0))
        stage.server.stop("fast") if cut is restarted else stage.server.kill()
        stage.release(0)
        time.sleep(DOWN_SECONDS)
        assert len(stage.ledger("began")) == 1
        stage.server.start()
        stage.all_is_done(BACK_AT_WORK_SECONDS)
        one.stop()
        two.stop()

    stage.each_ran_once(1)
