"""The verdict: what is wrong, in words, from a snapshot made by hand."""

from dataclasses import replace
from typing import Any

import pytest

from django_repid.core.claims import WorkerInfo
from django_repid.core.schedule import Schedule
from django_repid.insight.causes import Cause, Causes
from django_repid.insight.queues import Backlog, Pause, QueueState, Tally
from django_repid.insight.schedules import ScheduleState
from django_repid.insight.snapshot import Snapshot
from django_repid.insight.state import JobState
from django_repid.insight.verdict import Level, all_is_well, verdict
from django_repid.insight.workers import Liveness, WorkerState, liveness

SECOND = 1_000_000
NOW = 1_800_000_000 * SECOND


def worker(state: Liveness = Liveness.ALIVE, **fields: Any) -> WorkerState:
    info = WorkerInfo(
        name="web-1", host="web", boot_id="", pid=728, pid_started="", version="1",
        queues=["*"], topics=["send"],
    )  # fmt: skip
    info = replace(info, **{name: fields.pop(name) for name in list(fields) if hasattr(info, name)})
    beat_at = fields.get("beat_at", NOW)
    return WorkerState(id=1, info=info, state=state, started_at=NOW, beat_at=beat_at)


def queue(name: str = "mail", due: int = 0, age: int = 0, **fields: Any) -> QueueState:
    backlog = Backlog(queue=name, topic="send", due=due, oldest=NOW - age * SECOND if due else None)
    given = {"backlogs": [backlog], "workers": 1, "tally": Tally(name, "")}
    return QueueState(name=name, now=NOW, **{**given, **fields})


def cause(**fields: Any) -> Cause:
    given = {
        "topic": "send", "queue": "mail", "exception": "GatewayError", "fingerprint": "f",
        "text": "502", "count": 6, "first": NOW, "last": NOW, "dead": 6,
    }  # fmt: skip
    return Cause(**{**given, **fields})


def schedule(**fields: Any) -> ScheduleState:
    given = {
        "id": "nightly", "topic": "report", "queue": "mail", "schedule": Schedule(every=SECOND),
        "state": JobState.WAITING, "run_at": NOW,
    }  # fmt: skip
    return ScheduleState(**{**given, **fields})


UNSERVED = [Backlog(queue="mail", topic="send", due=8, oldest=NOW - 720 * SECOND)]
OLD, NEW = worker(version="1"), worker(version="2")

CASES: dict[str, tuple[Snapshot, list[tuple[Level, str, str]]]] = {
    "no worker was ever there": (
        Snapshot(now=NOW, queues=[queue(due=1)]),
        [(Level.BROKEN, "no_worker", "No worker is alive. 1 job is due.")],
    ),
    "the only worker fell silent": (
        Snapshot(
            now=NOW,
            workers=[worker(Liveness.SILENT, beat_at=NOW - 78 * SECOND)],
            queues=[queue(due=38, age=500, workers=0, unserved=UNSERVED)],
        ),
        [
            (
                Level.BROKEN,
                "no_worker",
                "No worker is alive. The last sign of life came 78 s ago from web-1 (pid 728). "
                "38 jobs are due.",
            )
        ],
    ),
    "one of two fell silent": (
        Snapshot(now=NOW, workers=[worker(), worker(Liveness.SILENT, beat_at=NOW - 42 * SECOND)]),
        [(Level.WARNING, "silent", "Worker web-1 has been silent for 42 s.")],
    ),
    "one of two was killed": (
        Snapshot(now=NOW, workers=[worker(), worker(Liveness.GONE)]),
        [(Level.WARNING, "silent", "is gone without a word")],
    ),
    "a queue that nobody serves": (
        Snapshot(
            now=NOW,
            workers=[worker()],
            queues=[queue("reports", due=8, age=720, workers=0, unserved=UNSERVED)],
        ),
        [
            (
                Level.BROKEN,
                "unserved",
                "Queue reports: no live worker serves it. 8 jobs are due, the oldest for 12 min.",
            )
        ],
    ),
    "an actor that nobody knows": (
        Snapshot(now=NOW, workers=[worker()], queues=[queue(due=8, unserved=UNSERVED)]),
        [
            (
                Level.BROKEN,
                "unserved_actor",
                "Queue mail: no live worker knows the actor send. 8 jobs are due",
            )
        ],
    ),
    "more than is counted": (
        Snapshot(now=NOW, queues=[queue(due=10_001)]),
        [(Level.BROKEN, "no_worker", "No worker is alive. 10k+ jobs are due.")],
    ),
    "the oldest is over its target": (
        Snapshot(now=NOW, workers=[worker()], queues=[queue(due=3, age=61)]),
        [(Level.WARNING, "late", "Queue mail: the oldest due job has waited for 61 s.")],
    ),
    "the oldest is within its target": (
        Snapshot(now=NOW, workers=[worker()], queues=[queue(due=3, age=60)]),
        [],
    ),
    "failures": (
        Snapshot(
            now=NOW,
            workers=[worker()],
            tallies=[Tally("mail", "send", 19, 4, 2)],
            causes=Causes([cause()]),
        ),
        [
            (
                Level.WARNING,
                "failing",
                "send: 6 of 25 runs failed in the last 5 minutes (GatewayError).",
            )
        ],
    ),
    "few failures": (
        Snapshot(now=NOW, workers=[worker()], tallies=[Tally("mail", "send", 0, 4)]),
        [],
    ),
    "failures among many runs": (
        Snapshot(now=NOW, workers=[worker()], tallies=[Tally("mail", "send", 900, 90)]),
        [],
    ),
    "a missed run": (
        Snapshot(now=NOW, workers=[worker()], schedules=[schedule(run_at=NOW - 120 * SECOND)]),
        [(Level.WARNING, "missed", "The schedule nightly missed its run 2 min ago.")],
    ),
    "a run that is due": (
        Snapshot(now=NOW, workers=[worker()], schedules=[schedule(run_at=NOW - 30 * SECOND)]),
        [],
    ),
    "a run that a pause holds back": (
        Snapshot(
            now=NOW,
            workers=[worker()],
            queues=[queue(pause=Pause("mail", NOW))],
            schedules=[schedule(run_at=NOW - 120 * SECOND)],
        ),
        [(Level.INFO, "paused", "Queue mail has been paused for 0 s.")],
    ),
    "a schedule that has stopped": (
        Snapshot(now=NOW, workers=[worker()], schedules=[schedule(state=JobState.FAILED)]),
        [(Level.WARNING, "schedule_dead", "The schedule nightly has stopped")],
    ),
    "a job whose worker died": (
        Snapshot(now=NOW, workers=[worker()], queues=[queue(running=2, lost=2)]),
        [(Level.WARNING, "lost", "Queue mail: the workers of 2 running jobs are gone")],
    ),
    "jobs in quarantine": (
        Snapshot(now=NOW, workers=[worker()], causes=Causes(quarantined=2)),
        [(Level.WARNING, "quarantined", "2 jobs are in quarantine")],
    ),
    "a pause": (
        Snapshot(
            now=NOW,
            workers=[worker()],
            queues=[
                queue(
                    due=2,
                    age=900,
                    unserved=UNSERVED,
                    pause=Pause("mail", NOW - 720 * SECOND, "ann", "the gateway is down"),
                )
            ],
        ),
        [
            (
                Level.INFO,
                "paused",
                "Queue mail was paused by ann 12 min ago: the gateway is down. 2 jobs wait.",
            )
        ],
    ),
    "two versions": (
        Snapshot(now=NOW, workers=[OLD, NEW]),
        [(Level.INFO, "versions", "Live workers are of different versions: 1, 2.")],
    ),
    "nothing": (Snapshot(now=NOW, workers=[worker()], queues=[queue(due=5, age=2)]), []),
}


@pytest.mark.parametrize("case", CASES)
def test_what_is_wrong_is_said_in_words(case: str) -> None:
    seen, expected = CASES[case]

    found = verdict(seen)

    assert [(one.level, one.code) for one in found] == [
        (level, code) for level, code, _ in expected
    ]
    for finding, (_, _, text) in zip(found, expected, strict=True):
        assert text in finding.text


def test_the_worst_comes_first() -> None:
    seen = Snapshot(
        now=NOW,
        workers=[OLD, NEW],
        queues=[queue("a", due=1, age=100), queue("b", due=1, workers=0, unserved=UNSERVED)],
    )

    assert [one.code for one in verdict(seen)] == ["unserved", "late", "versions"]


def test_that_all_is_well_says_what_was_checked() -> None:
    text = all_is_well(Snapshot(now=NOW, workers=[OLD, NEW]))

    assert text == "All is well: 2 workers are alive, and nothing is late."


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ({"silence": 15 * SECOND}, Liveness.ALIVE),
        ({"silence": 15 * SECOND + 1}, Liveness.SILENT),
        ({"silence": 31 * SECOND, "beat": 20 * SECOND}, Liveness.SILENT),
        ({"silence": 29 * SECOND, "beat": 20 * SECOND}, Liveness.ALIVE),
        ({"silence": None, "alive": True}, Liveness.ALIVE),
        ({"silence": None, "alive": False}, Liveness.GONE),
        ({"silence": 0, "there": False}, Liveness.GONE),
        ({"silence": 60 * SECOND, "there": True}, Liveness.SILENT),
        ({"silence": 0, "draining": True}, Liveness.DRAINING),
        ({"silence": 60 * SECOND, "draining": True}, Liveness.SILENT),
    ],
)
def test_a_worker_is_judged_by_the_system_and_by_its_beats(
    given: dict[str, Any], expected: Liveness
) -> None:
    assert liveness(**{"beat": 5 * SECOND, **given}) is expected


@pytest.mark.parametrize(
    ("queues", "served"),
    [
        (["mail"], True),
        (["other"], False),
        (["*"], True),
        (["*", "-mail", "other"], False),
        (["*", "-other"], True),
    ],
)
def test_a_worker_says_which_queues_it_serves(queues: list[str], served: bool) -> None:
    assert worker(queues=queues).takes("mail") is served
    assert not worker(Liveness.DRAINING, queues=queues).takes("mail")


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ({}, "fine"),
        ({"workers": 0}, "no worker"),
        ({"due": 1, "age": 61}, "late"),
        ({"due": 1, "age": 61, "unserved": UNSERVED}, "unserved"),
        ({"lost": 1}, "lost"),
        ({"tally": Tally("mail", "", 20, 3, 2)}, "failing"),
        ({"tally": Tally("mail", "", 20, 2, 2)}, "fine"),
        ({"unserved": UNSERVED, "pause": Pause("mail", NOW)}, "paused"),
    ],
)
def test_a_queue_is_said_to_be_as_bad_as_the_worst_of_it(
    given: dict[str, Any], expected: str
) -> None:
    assert queue(**given).condition.value == expected


def test_rates_are_taken_over_the_minutes_that_were_counted() -> None:
    """Of the minute that goes on only what has passed."""
    half_past = NOW - NOW % (60 * SECOND) + 30 * SECOND
    seen = replace(queue(tally=Tally("mail", "", 80, 5, 5)), now=half_past)

    assert seen.per_minute == pytest.approx(20)
    assert seen.failure_rate == pytest.approx(1 / 9)
