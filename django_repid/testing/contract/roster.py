"""What a store knows of its workers, and how the jobs of dead ones are freed."""

from dataclasses import replace

import pytest

from django_repid.core.claims import Work
from django_repid.core.message import MessageState
from django_repid.core.suspicion import CONVICTED, ISOLATED
from django_repid.core.verdict import hand_back
from django_repid.testing.contract.kit import Stage, StageFixture, ack, ids, new, retry


class RosterContract(StageFixture):
    """Beat, peers, rescue."""

    def test_a_worker_is_known_from_its_registration_to_its_leave(self, stage: Stage) -> None:
        other = stage.register("other")

        (peer,) = stage.broker.peers(stage.worker_id)
        assert peer.worker_id == other
        assert peer.info.name == "other"
        assert list(peer.info.topics) == ["work"]

        stage.broker.deregister(other)

        assert stage.broker.peers(stage.worker_id) == []
        assert stage.broker.beat(other).known is False

    def test_a_worker_that_drains_is_known_as_such_and_beats_on(self, stage: Stage) -> None:
        other = stage.register("other")

        stage.broker.drain(other)
        stage.broker.drain(0)  # nobody

        (peer,) = stage.broker.peers(stage.worker_id)
        assert peer.draining
        assert stage.broker.beat(other).known
        assert not any(peer.draining for peer in stage.broker.peers(other))

    def test_ids_are_never_used_again(self, stage: Stage) -> None:
        seen = set()
        for _ in range(3):
            worker_id = stage.register("someone")
            stage.broker.deregister(worker_id)
            seen.add(worker_id)

        assert len(seen) == 3

    def test_the_jobs_of_a_dead_worker_run_again_with_their_tries(self, stage: Stage) -> None:
        victim = stage.register("victim")
        stage.enqueue(*[new(id_=f"m{n}") for n in range(3)])
        lost = stage.claim(2, worker_id=victim)
        mine = stage.claim_one()
        (peer,) = stage.broker.peers(stage.worker_id)

        freed = stage.broker.rescue(victim, peer.beat)

        assert freed == 2
        again = stage.claim()
        assert ids(again) == ids(lost)
        assert [(m.tries, m.crashes) for m in again] == [(0, 1), (0, 1)]
        assert [m.key.lease for m in again] == [2, 2]
        assert stage.settle(ack(mine)) == frozenset()

    def test_a_zombie_changes_nothing(self, stage: Stage) -> None:
        victim = stage.register("victim")
        stage.enqueue(new())
        stale = stage.claim_one(worker_id=victim)
        stage.broker.rescue(victim, 0)

        assert stage.settle(ack(stale)) == {stale.key.pk}

        fresh = stage.claim_one()
        assert stage.settle(ack(stale)) == {stale.key.pk}
        assert stage.settle(ack(fresh)) == frozenset()
        assert stage.broker.beat(victim).known is False

    def test_one_whose_counter_stands_elsewhere_is_not_rescued(self, stage: Stage) -> None:
        victim = stage.register("victim")
        stage.enqueue(new())
        held = stage.claim_one(worker_id=victim)

        assert stage.broker.rescue(victim, 1) == 0

        assert stage.broker.beat(victim).known is True
        assert stage.settle(ack(held)) == frozenset()

    def test_rescue_happens_once(self, stage: Stage) -> None:
        victim = stage.register("victim")
        stage.enqueue(new())
        stage.claim_one(worker_id=victim)

        assert stage.broker.rescue(victim, 0) == 1
        assert stage.broker.rescue(victim, 0) == 0

    def test_orphans_of_unknown_workers_are_freed_and_nobody_elses(self, stage: Stage) -> None:
        gone = stage.register("gone")
        stage.enqueue(new(id_="orphan"))
        stage.claim_one(worker_id=gone)
        stage.broker.deregister(gone)
        stage.enqueue(new(id_="mine"), new(id_="seized"))
        stage.broker.seize("seized", [MessageState.READY])
        mine = stage.claim_one()

        assert stage.broker.rescue_orphans() == 1

        assert ids(stage.claim()) == ["orphan"]
        assert stage.settle(ack(mine)) == frozenset()

    @pytest.mark.parametrize(("in_flight", "level"), [(1, ISOLATED), (2, 2), (10, 2), (11, 1)])
    def test_the_fewer_were_in_flight_the_more_suspect_each_is(
        self, stage: Stage, in_flight: int, level: int
    ) -> None:
        _crash(stage, in_flight)

        assert {m.suspicion for m in stage.claim()} == {level}

    def test_every_crash_raises_the_suspicion_up_to_isolation(self, stage: Stage) -> None:
        levels: list[set[int]] = []
        for _ in range(5):
            _crash(stage, 0 if levels else 11)
            levels.append(_levels(stage))

        assert levels == [{1}, {2}, {ISOLATED}, {ISOLATED}, {ISOLATED}]

    def test_what_is_known_of_a_suspect_alone_is_not_changed_by_crashes(self, stage: Stage) -> None:
        stage.enqueue(new())
        message = stage.claim_one()
        known = replace(hand_back(message), suspicion=CONVICTED - 1)
        stage.settle(known)

        _crash(stage, 0)

        assert stage.claim_one().suspicion == CONVICTED - 1

    def test_an_attempt_that_ends_clears_its_job_and_one_that_is_handed_back_does_not(
        self, stage: Stage
    ) -> None:
        _crash(stage, 2)
        first, second = stage.claim()

        stage.settle(hand_back(first), retry(second, run_at=second.run_at))

        found = {m.key.id_: m.suspicion for m in stage.claim()}
        assert found == {first.key.id_: 2, second.key.id_: 0}

    def test_a_worker_gives_back_what_it_knows_nothing_of(self, stage: Stage) -> None:
        other = stage.register("other")
        stage.enqueue(*[new(id_=f"m{n}") for n in range(4)])
        in_hand, *strays = stage.claim(3)
        stage.claim_one(worker_id=other)

        freed = stage.broker.give_back(stage.worker_id, {in_hand.key.pk or 0})

        again = stage.claim()
        assert freed == 2
        assert ids(again) == ids(strays)
        assert [(m.tries, m.crashes, m.suspicion) for m in again] == [(0, 0, 0)] * 2
        assert stage.settle(ack(in_hand)) == frozenset()
        assert stage.settle(ack(strays[0])) == {strays[0].key.pk}

    def test_what_workers_did_is_added_up_by_minute_queue_and_actor(self, stage: Stage) -> None:
        other = stage.register("other")
        mail = Work(minute=100, queue="mail", topic="send", succeeded=3, histogram=(1, 2))
        stage.broker.record(
            stage.worker_id, [mail, replace(mail, minute=101), replace(mail, topic="a")]
        )
        more = replace(mail, succeeded=0, failed=2, retried=1, duration_us=7, histogram=(0, 0, 3))
        stage.broker.record(other, [more])

        found = stage.broker.recorded(100)

        assert [(one.minute, one.queue, one.topic) for one in found] == [
            (100, "mail", "a"),
            (100, "mail", "send"),
            (101, "mail", "send"),
        ]
        assert found[1] == replace(more, succeeded=3, histogram=(1, 2, 3))
        assert stage.broker.recorded(101) == found[2:]

    def test_what_a_worker_says_again_takes_the_place_of_what_it_said(self, stage: Stage) -> None:
        said = Work(minute=100, queue="mail", topic="send", succeeded=3, histogram=(3,))
        stage.broker.record(stage.worker_id, [said])
        stage.broker.record(stage.worker_id, [said])
        more = replace(said, succeeded=5, duration_us=9, histogram=(5,))
        stage.broker.record(stage.worker_id, [more])

        assert stage.broker.recorded(0) == [more]

    def test_old_statistics_are_pruned_in_steps(self, stage: Stage) -> None:
        work = [Work(minute=n, queue="mail", topic="send", succeeded=1) for n in range(100, 104)]
        stage.broker.record(stage.worker_id, work)

        before = 103 * 60_000_000
        counted = stage.broker.prune(0, before, dry_run=True)["statistics"]
        steps = [stage.broker.prune(0, before, 2)["statistics"] for _ in range(3)]

        assert (counted, steps) == (3, [2, 1, 0])
        assert stage.broker.recorded(0) == work[3:]


def _crash(stage: Stage, new_ones: int) -> None:
    """Let a worker die with everything that is there in its hands."""
    victim = stage.register("victim")
    stage.enqueue(*[new() for _ in range(new_ones)])
    stage.claim(worker_id=victim)
    stage.broker.rescue(victim, 0)


def _levels(stage: Stage) -> set[int]:
    found = stage.claim()
    stage.settle(*map(hand_back, found))
    return {message.suspicion for message in found}
