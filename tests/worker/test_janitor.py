"""Who is dead: counted on the sweeper's own clock, and only while its own beats get through."""

import logging
from dataclasses import replace

import pytest

from django_repid import BrokerUnavailable
from django_repid.core.message import MessageCategory
from django_repid.testing.contract.kit import Stage, new, worker_info
from django_repid.worker import janitor as janitor_module
from django_repid.worker.beat import Heartbeat
from django_repid.worker.identity import describe, lives
from django_repid.worker.janitor import Janitor
from django_repid.worker.schedules import Schedules
from django_repid.worker.statistics import Statistics
from tests import stores


class Scene:
    """A janitor, a silent peer with one running job, and a clock to turn."""

    def __init__(self, strangers: dict[str, str] | None = None) -> None:
        self.connection = stores.connection(silence_seconds=15, beat_seconds=5)
        self.broker = self.connection.message_broker
        self.stage = Stage(self.connection)  # its worker is the silent peer
        self.now = 1000.0
        self.heartbeat = Heartbeat(
            self.broker,
            worker_info("me"),
            lambda _: None,
            seconds=5,
            silence=15,
            monotonic=lambda: self.now,
        )
        self.processed = 0
        self.statistics = Statistics()
        self.janitor = Janitor(
            self.connection,
            self.heartbeat,
            strangers or {},
            Schedules(self.connection, {}),
            self.statistics,
            processed=lambda: self.processed,
            monotonic=lambda: self.now,
        )

    def run_job_of_peer(self) -> None:
        self.stage.enqueue(new())
        self.stage.claim_one()

    def sweep(self, *, beats: bool = True) -> None:
        if beats:
            self.heartbeat.run_once()
        self.janitor.run_once()
        self.now += 5

    @property
    def freed(self) -> bool:
        return bool(self.broker.browse("default", MessageCategory.NORMAL))


def test_a_peer_that_stands_still_for_the_silence_is_dead_within_thirty_seconds() -> None:
    scene = Scene()
    scene.run_job_of_peer()
    sweeps = 0
    while not scene.freed:
        scene.sweep()
        sweeps += 1

    # 15 s of silence, seen at sweeps 5 s apart.
    assert sweeps == 4
    assert (sweeps - 1) * 5 <= 30


def test_a_peer_that_beats_lives() -> None:
    scene = Scene()
    scene.run_job_of_peer()

    for _ in range(20):
        scene.broker.beat(scene.stage.worker_id)
        scene.sweep()

    assert not scene.freed


def test_after_an_outage_nobody_is_taken_for_dead() -> None:
    """No beat of anybody got through for twice the silence."""
    scene = Scene()
    scene.run_job_of_peer()
    for _ in range(2):
        scene.broker.beat(scene.stage.worker_id)
        scene.sweep()

    for _ in range(6):
        scene.sweep(beats=False)
    scene.broker.beat(scene.stage.worker_id)
    scene.sweep()

    assert not scene.freed


def test_an_outage_between_two_sweeps_is_no_silence_of_others() -> None:
    """The first sweep after it comes after the first beat: its own counter seems to go on."""
    scene = Scene()
    scene.run_job_of_peer()
    for _ in range(2):
        scene.broker.beat(scene.stage.worker_id)
        scene.sweep()

    scene.now += 40
    for _ in range(3):
        scene.sweep()
    assert not scene.freed
    for _ in range(2):
        scene.sweep()

    assert scene.freed  # it did not come back for a whole silence


def test_a_process_that_is_gone_is_dead_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    scene = Scene()
    scene.run_job_of_peer()
    monkeypatch.setattr(janitor_module, "lives", lambda _: False)

    scene.sweep()

    assert scene.freed


def test_that_a_process_exists_proves_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    scene = Scene()
    scene.run_job_of_peer()
    monkeypatch.setattr(janitor_module, "lives", lambda _: True)

    for _ in range(4):
        scene.sweep()

    assert scene.freed


def test_an_actor_that_no_worker_knows_is_warned_about_once(
    caplog: pytest.LogCaptureFixture,
) -> None:
    scene = Scene({"strange": "mail", "work": "default"})  # the peer knows "work"

    with caplog.at_level(logging.WARNING, "django_repid"):
        scene.sweep()
        scene.sweep()

    warnings = [r.getMessage() for r in caplog.records if "no live worker" in r.getMessage()]
    assert len(warnings) == 1
    assert "'strange'" in warnings[0]
    assert "'mail'" in warnings[0]


def test_a_worker_that_has_taken_its_leave_is_not_registered_again() -> None:
    scene = Scene()
    scene.heartbeat.run_once()
    scene.heartbeat.forget()

    with pytest.raises(BrokerUnavailable):
        scene.janitor.run_once()

    assert [peer.worker_id for peer in scene.broker.peers(0)] == [scene.stage.worker_id]


def test_a_beat_that_is_rarer_than_the_sweep_does_not_switch_the_rescue_off() -> None:
    scene = Scene()
    scene.run_job_of_peer()
    for sweep in range(8):
        scene.sweep(beats=sweep % 2 == 0)

    assert scene.freed


def test_this_process_lives_and_one_that_never_was_does_not() -> None:
    me = describe(name=None, queues=[], topics=[], version="0")

    assert lives(me) is True
    assert lives(replace(me, pid_started="1")) is False
    assert lives(replace(me, pid=2**22 - 1)) is False
    assert lives(replace(me, host="elsewhere")) is None
    assert lives(replace(me, boot_id="another boot")) is None
    assert lives(worker_info()) is None


def test_the_store_is_tended_after_each_hundred_thousand_jobs(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    scene = Scene()
    tended: list[int] = []
    monkeypatch.setattr(scene.broker, "tend", lambda: tended.append(scene.processed))

    for processed in (99_999, 100_000, 150_000, 200_000, 200_001):
        scene.processed = processed
        scene.sweep()

    assert tended == [100_000, 200_000]
