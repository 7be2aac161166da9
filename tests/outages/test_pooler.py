"""PgBouncer in transaction mode between workers, producers and PostgreSQL."""

import json
from pathlib import Path

import pytest

from tests.outages.kit import Stage, eventually
from tests.outages.servers import PgBouncer

pytestmark = [pytest.mark.harsh, pytest.mark.timeout(120)]

NOTICED_SECONDS = 2.0


@pytest.mark.parametrize("bell", [True, False])
@pytest.mark.parametrize("on_this_host", [True, False])
def test_jobs_run_through_a_pooler_that_breaks_listen_and_nobody_complains(
    postgres: Stage, tmp_path: Path, bell: bool, on_this_host: bool
) -> None:
    """A producer elsewhere cannot ring by a socket, as one with another folder for it cannot."""
    producer = {} if on_this_host else {"TMPDIR": str(tmp_path)}
    settings = {"default_pool_size": "3"}
    with PgBouncer(None, postgres.server, settings=settings) as bouncer:
        postgres.environment |= bouncer.environment()
        postgres.environment["OUTAGE_BROKER"] = json.dumps({"bell": bell})
        with postgres.worker("w1") as one, postgres.worker("w2") as two:
            committed = {
                first: postgres.enqueue(actor, first, 50, environment=producer, seconds=0.01)
                for first, actor in [(0, "short"), (50, "short_async"), (100, "short")]
            }
            postgres.all_is_done()
            for number in range(150, 155):  # each to workers that have nothing to do
                committed[number] = postgres.enqueue("short", number, environment=producer)
            postgres.all_is_done()
            eventually(lambda: postgres.results() == 155)
            one.stop()
            two.stop()

    postgres.each_ran_once(155)
    began = {line.number: line.at for line in postgres.ledger("began")}
    waits = {number: began[number] - at for number, at in committed.items()}
    assert {n: wait for n, wait in waits.items() if wait > NOTICED_SECONDS} == {}
    assert one.troubles + two.troubles == []
    assert postgres.workers() == []


def test_workers_outlive_a_pooler_that_restarts(postgres: Stage) -> None:
    with PgBouncer(None, postgres.server) as bouncer:
        postgres.environment |= bouncer.environment()
        with postgres.worker() as worker:
            postgres.enqueue("held", 0)
            eventually(lambda: postgres.began(0))
            bouncer.stop("immediate")
            postgres.release(0)
            bouncer.start()
            postgres.all_is_done(5)
            postgres.enqueue("short", 1)
            postgres.all_is_done(5)
            worker.stop()

    postgres.each_ran_once(2)
