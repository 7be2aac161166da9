"""The server does what it was asked for, and the connection breaks before its answer comes."""

import pytest

from tests.outages.kit import BACK_AT_WORK_SECONDS, Stage, eventually
from tests.outages.servers import Proxy

pytestmark = [pytest.mark.harsh, pytest.mark.timeout(120)]

CLAIM = {"postgres": ("set state = 1",), "mariadb": ("set state = 1", "commit")}
SETTLE = {"postgres": ("as (delete from",), "mariadb": ("delete from", "commit")}


@pytest.mark.parametrize("actor", ["short", "short_async"])
def test_jobs_whose_claim_was_written_and_not_heard_of_run_all_the_same(
    stage: Stage, actor: str
) -> None:
    with Proxy(stage.server.port) as proxy, stage.worker(**proxy.environment) as worker:
        claimed = proxy.watch(*CLAIM[stage.kind], mute=True)
        stage.enqueue(actor, count=5)
        assert claimed.wait(10)
        eventually(stage.all_run)

        proxy.drop()

        stage.all_is_done(15)
        worker.stop()
    stage.each_ran_once(5)


def test_such_jobs_go_to_nobody_else_while_their_worker_lives_or_run_once_in_any_case(
    stage: Stage,
) -> None:
    with Proxy(stage.server.port) as proxy, stage.worker("w1", **proxy.environment) as one:
        claimed = proxy.watch(*CLAIM[stage.kind], mute=True)
        stage.enqueue("short", count=5)
        assert claimed.wait(10)
        eventually(stage.all_run)
        with stage.worker("w2") as two:
            proxy.drop()

            stage.all_is_done(15)
            one.stop()
            two.stop()
    stage.each_ran_once(5)


@pytest.mark.parametrize("actor", ["held", "held_async"])
def test_a_job_whose_end_was_written_and_not_heard_of_is_not_called_lost(
    stage: Stage, actor: str
) -> None:
    stage.enqueue(actor)
    with Proxy(stage.server.port) as proxy, stage.worker(**proxy.environment) as worker:
        eventually(lambda: stage.began(0))
        settled = proxy.watch(*SETTLE[stage.kind], mute=True)
        stage.release(0)
        assert settled.wait(10)
        stage.all_is_done()

        proxy.drop()

        stage.enqueue("short", 1)
        stage.all_is_done(BACK_AT_WORK_SECONDS)
        worker.stop()
    stage.each_ran_once(2)
    assert "LeaseLost" not in worker.said
    assert "it processed 2 jobs" in worker.said
