"""A stale attempt changes nothing, in whatever order things happen: all orders are played.

And the proof has teeth: of a broker whose fence lacks one post it says so.
"""

from collections.abc import Iterator, Sequence
from dataclasses import replace
from itertools import product

import pytest

from django_repid import InMemoryMessageBroker
from django_repid.core.message import MessageState
from django_repid.core.protocols import BucketBroker
from django_repid.core.settlement import Settlement
from tests.model.plays import Programs, Stage, interleavings
from tests.model.stores import DatabaseStore, MemoryStore, StillClock

ENDS = ("ack", "retry", "bury")


def declared_dead(a: str, b: str) -> Programs:
    """A is taken for dead, and B gets its job. A settles twice: it did not hear the answer."""
    return {"A": ["claim", a, a], "J": ["look", "rescue"], "B": ["claim", b]}


def alive_after_all(a: str, b: str) -> Programs:
    """A gives a sign of life, maybe in time."""
    return {"A": ["claim", "beat", a], "J": ["look", "rescue"], "B": ["claim", b]}


def same_id_again(a: str, b: str) -> Programs:
    """B ends the job, somebody enqueues its id again, and B gets that one too."""
    work = ["claim", "ack", "claim", b]
    return {"A": ["claim", a], "J": ["rescue"], "B": work, "U": ["enqueue again"]}


def somebody_steps_in(a: str, b: str) -> Programs:
    """A person takes the job from whoever has it, as a cancellation does."""
    return {"A": ["claim", a], "J": ["rescue"], "B": ["claim", b], "U": ["seize", "ack"]}


SCENES = [
    scene(a, b)
    for scene in (declared_dead, alive_after_all, same_id_again, somebody_steps_in)
    for a, b in product(ENDS, ENDS)
]

#: Where each order costs milliseconds.
SHORT_SCENES = [
    declared_dead("retry", "ack"),
    declared_dead("ack", "bury"),
    {**same_id_again("ack", ""), "B": ["claim", "ack", "claim"]},
    {**somebody_steps_in("ack", ""), "B": ["claim"]},
]


def test_every_order_is_played_once() -> None:
    orders = list(interleavings({"A": ["1", "2"], "B": ["x"]}))

    assert orders == [("A 1", "A 2", "B x"), ("A 1", "B x", "A 2"), ("B x", "A 1", "A 2")]


def test_a_stale_attempt_changes_nothing_in_memory(still: StillClock) -> None:
    stage = Stage(MemoryStore(), still)

    assert [problem for scene in SCENES for problem in stage.violations(scene)] == []

    assert stage.count == 9 * (210 + 210 + 840 + 630)


@pytest.mark.django_db(transaction=True)
def test_a_stale_attempt_changes_nothing_in_a_database(still: StillClock) -> None:
    stage = Stage(DatabaseStore(), still)

    assert [problem for scene in SHORT_SCENES for problem in stage.violations(scene)] == []

    assert stage.count == 210 + 210 + 420 + 180


class _Careless(InMemoryMessageBroker):
    """Lets settlements through that it should not, by making them out to be right."""

    def settle(
        self, settlements: Sequence[Settlement], results: BucketBroker | None = None
    ) -> frozenset[int]:
        return super().settle([self.mistake(end) for end in settlements], results)

    def mistake(self, end: Settlement) -> Settlement:
        raise NotImplementedError

    def under(self, end: Settlement, pk: int, lease: int) -> Settlement:
        key = replace(end.message.key, pk=pk, lease=lease)
        return replace(end, message=replace(end.message, key=key))


class LooksAtNoLease(_Careless):
    def mistake(self, end: Settlement) -> Settlement:
        held = self._messages.get(end.message.key.pk or 0)
        return end if held is None else self.under(end, held.key.pk or 0, held.key.lease)


class LooksAtNoState(_Careless):
    def mistake(self, end: Settlement) -> Settlement:
        held = self._messages.get(end.message.key.pk or 0)
        if held is not None:
            self._put(replace(held, state=MessageState.RUNNING))
        return end


class LooksAtNoKey(_Careless):
    def mistake(self, end: Settlement) -> Settlement:
        """Go by the job's own id, which others may have after it."""
        held = self._by_id(end.message.key.id_)
        return end if held is None else self.under(end, held.key.pk or 0, end.message.key.lease)


class LooksAtNoBeat(InMemoryMessageBroker):
    def rescue(self, worker_id: int, beat: int) -> int:
        beats = {peer.worker_id: peer.beat for peer in self.peers(0)}
        return super().rescue(worker_id, beats.get(worker_id, beat))


class SettlesHalf(InMemoryMessageBroker):
    """Tells a stale attempt that it was late, and has written its result all the same."""

    def settle(
        self, settlements: Sequence[Settlement], results: BucketBroker | None = None
    ) -> frozenset[int]:
        if results is not None:
            results.store([end.result for end in settlements if end.result is not None])
        return super().settle(settlements, results)


@pytest.mark.parametrize(
    "broken", [LooksAtNoLease, LooksAtNoState, LooksAtNoKey, LooksAtNoBeat, SettlesHalf]
)
def test_a_fence_that_lacks_a_post_is_found_out(
    broken: type[InMemoryMessageBroker], still: StillClock
) -> None:
    stage = Stage(MemoryStore(broken), still)

    found = next(_problems(stage), None)

    assert found is not None
    print(f"{broken.__name__}: after {stage.count} orders: {found}")


def _problems(stage: Stage) -> Iterator[str]:
    for scene in SCENES:
        yield from stage.violations(scene)
