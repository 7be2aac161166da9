"""An outage for all, longer than the silence: everybody stood still, and nobody is dead."""

import time

import pytest

from tests.outages.kit import BACK_AT_WORK_SECONDS, Stage, Worker, eventually
from tests.outages.servers import Proxy

pytestmark = [pytest.mark.harsh, pytest.mark.timeout(120)]

#: Silence 3 s, a sweep each 5 s.
OUTAGE_SECONDS = 8.0
UNTIL_SWEPT_SECONDS = 6.0


def kept_its_job(stage: Stage, *workers: Worker) -> None:
    """The job runs on where it began, and nobody was taken for dead."""
    ((_, state, _, lease, _, crashes),) = stage.messages()
    assert (state, lease, crashes) == (1, 1, 0)
    for worker in workers:
        assert "dead" not in worker.said
        assert "was silent for so long" not in worker.said


@pytest.mark.parametrize("actor", ["held", "held_async"])
@pytest.mark.parametrize("killed", [False, True])
def test_two_workers_keep_their_jobs_when_the_server_was_away_for_longer_than_the_silence(
    stage: Stage, actor: str, killed: bool
) -> None:
    stage.enqueue(actor)
    with stage.worker("w1") as one, stage.worker("w2") as two:
        eventually(lambda: stage.began(0))
        stage.server.kill() if killed else stage.server.stop()
        time.sleep(OUTAGE_SECONDS)
        stage.server.start()
        time.sleep(UNTIL_SWEPT_SECONDS)

        kept_its_job(stage, one, two)
        stage.release(0)
        stage.all_is_done(BACK_AT_WORK_SECONDS)
        one.stop()
        two.stop()
    stage.each_ran_once(1)


def test_a_worker_that_comes_back_second_keeps_its_jobs(stage: Stage) -> None:
    """The one that comes back first has seen no beat of the other's for longer than the silence."""
    stage.enqueue("held")
    with (
        Proxy(stage.server.port) as its_line,
        Proxy(stage.server.port) as others_line,
        stage.worker("runner", **its_line.environment) as runner,
    ):
        eventually(lambda: stage.began(0))
        with stage.worker("other", **others_line.environment) as other:
            for _ in range(2):  # at the first it only meets the other
                assert others_line.watch("workerprocess", "where not (").wait(10)
            its_line.stall()
            time.sleep(0.3)  # for the answer to the sweep that has just begun
            others_line.stall()
            time.sleep(4.0)  # longer than the silence, and over before the next sweep
            others_line.resume()
            time.sleep(2.0)  # shorter than the silence
            its_line.resume()
            time.sleep(UNTIL_SWEPT_SECONDS)

            kept_its_job(stage, runner, other)
            stage.release(0)
            stage.all_is_done(BACK_AT_WORK_SECONDS)
            other.stop()
        runner.stop()
    stage.each_ran_once(1)
