"""What a store knows of its workers, and how the jobs of dead ones are freed."""

from django_repid.core.message import MessageState
from django_repid.testing.contract.kit import Stage, StageFixture, ack, ids, new


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
