"""What a worker has done: counted by minute, and written beside its work."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from django_repid import BrokerUnavailable, Job, Router
from django_repid.core.claims import Work
from django_repid.core.message import MessageState
from django_repid.core.settlement import Settlement, again, gone
from django_repid.testing.contract.kit import Stage, bury, new
from django_repid.worker.statistics import Statistics
from tests import stores
from tests.worker.kit import burst

MINUTE = 60_000_000


class Store:
    """A store that keeps what it is told, or fails."""

    def __init__(self) -> None:
        self.told: list[tuple[int, Sequence[Work]]] = []
        self.is_there = True

    def record(self, worker_id: int, work: Sequence[Work]) -> None:
        if not self.is_there:
            raise BrokerUnavailable("gone")
        self.told.append((worker_id, work))


class Scene:
    def __init__(self) -> None:
        self.now = 100 * MINUTE
        self.statistics = Statistics(lambda: self.now)
        self.store: Any = Store()
        stage = Stage(stores.connection())
        stage.enqueue(new(queue="mail"))
        self.message = stage.claim_one()

    def end(self) -> Settlement:
        return gone(self.message, result=None, processed=True)

    def written(self, worker_id: int = 1) -> list[tuple[int, int]]:
        """Return what one write says: minutes and successes."""
        self.store.told = []
        self.statistics.write(self.store, worker_id)
        return [(one.minute, one.succeeded) for _, work in self.store.told for one in work]


def test_runs_are_counted_by_how_they_ended_and_how_long_they_took() -> None:
    scene = Scene()
    message = scene.message
    scene.statistics.count(scene.end(), 300.0)
    scene.statistics.count(again(message, run_at=0, tries=1, processed=True), 1_500.0)
    scene.statistics.count(bury(message, at=0), 5_000.0)
    # The next occurrence of a recurring job comes whether or not this one has failed.
    scene.statistics.count(replace(scene.end(), state=MessageState.READY, recurs=True), 0.0)

    scene.statistics.write(scene.store, 1)

    ((_, (work,)),) = scene.store.told
    assert (work.queue, work.topic) == ("mail", message.key.topic)
    assert (work.succeeded, work.failed, work.retried) == (2, 1, 1)
    assert (work.duration_us, work.histogram) == (6_800, (2, 1, 0, 1))


def test_what_is_written_is_all_of_a_minute_and_only_what_has_changed() -> None:
    scene = Scene()
    scene.statistics.count(scene.end(), 1.0)
    assert scene.written() == [(100, 1)]
    assert scene.written() == []

    scene.statistics.count(scene.end(), 1.0)
    assert scene.written() == [(100, 2)]

    scene.now += MINUTE
    scene.statistics.count(scene.end(), 1.0)
    assert scene.written() == [(101, 1)]


def test_what_a_store_did_not_take_is_written_later() -> None:
    scene = Scene()
    scene.statistics.count(scene.end(), 1.0)
    scene.store.is_there = False
    with pytest.raises(BrokerUnavailable):
        scene.written()
    scene.now += 2 * MINUTE
    scene.statistics.count(scene.end(), 1.0)
    scene.store.is_there = True

    assert scene.written() == [(100, 1), (102, 1)]


def test_an_outage_of_hours_does_not_fill_the_memory() -> None:
    scene = Scene()
    scene.store.is_there = False
    for _ in range(200):
        scene.statistics.count(scene.end(), 1.0)
        scene.now += MINUTE
        with pytest.raises(BrokerUnavailable):
            scene.written()

    assert len(scene.statistics._counts) <= 61


def test_under_a_new_id_a_worker_counts_from_zero() -> None:
    """Its old row stays, and both are added up."""
    scene = Scene()
    scene.statistics.count(scene.end(), 1.0)
    assert scene.written(1) == [(100, 1)]

    scene.statistics.count(scene.end(), 1.0)
    scene.written(1)
    assert scene.written(2) == []
    scene.statistics.count(scene.end(), 1.0)
    assert scene.written(2) == [(100, 1)]


@pytest.mark.usefixtures("each_store")
def test_a_run_writes_its_statistics_at_its_end() -> None:
    connection, router = stores.connection(), Router()

    @router.actor(queue="mail")
    async def good() -> None: ...

    @router.actor(queue="mail", retry_policy=lambda retry_number=1: timedelta(0))
    async def bad() -> None:
        raise ValueError("no")

    for name in ("good", "good", "bad"):
        Job(name, connection=connection, queue="mail", retries=1).enqueue_sync()
    burst(connection, router)

    found = {one.topic: one for one in connection.message_broker.recorded(0)}
    well, badly = found["good"], found["bad"]
    assert (well.succeeded, well.failed, well.retried) == (2, 0, 0)
    assert (badly.succeeded, badly.failed, badly.retried) == (0, 1, 1)
    assert well.queue == "mail"
    assert sum(well.histogram) == 2
