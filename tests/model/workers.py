"""What workers do, the living and the dead, as rules of the state machine."""

from collections.abc import Sequence
from typing import Any

import pytest
from hypothesis import strategies as st
from hypothesis.stateful import initialize, precondition, rule

from django_repid.core.claims import ClaimRequest, Want
from django_repid.core.errors import DuplicateJob
from tests.model.claims import ClaimCheck
from tests.model.scene import (
    BATCHES,
    KINDS,
    POLICIES,
    READY,
    REQUESTS,
    RUNNING,
    TERMS,
    TOPICS,
    Scene,
)
from tests.model.stores import LOOK_US


def one(data, what: Sequence[Any]) -> Any:
    """Draw one of these."""
    return data.draw(st.sampled_from(what))


def _some(what: Sequence[Any]):
    return st.lists(st.sampled_from(what), min_size=1, max_size=4)


class Workers(Scene):
    """What workers do, the living and the dead."""

    @initialize(batch=BATCHES)
    def begin(self, batch: list[dict[str, Any]]) -> None:
        self._enqueue(batch, "skip")

    @rule(terms=TERMS, policy=POLICIES)
    def enqueue(self, terms: dict[str, Any], policy: str) -> None:
        self._enqueue([terms], policy)

    @rule(batch=BATCHES, policy=POLICIES)
    def enqueue_a_batch(self, batch: list[dict[str, Any]], policy: str) -> None:
        self._enqueue(batch, policy)

    def _enqueue(self, batch: list[dict[str, Any]], policy: str) -> None:
        messages = [self.message(policy=policy, **terms) for terms in batch]
        if self.ledger.refuses(messages):
            with pytest.raises(DuplicateJob):
                self.anywhere.enqueue(messages)
            return
        answers = self.anywhere.enqueue(messages)
        for message, answer in zip(messages, answers, strict=True):
            self.ledger.enqueue(message, answer, self.now)

    @rule(data=st.data(), terms=REQUESTS, rests=st.booleans())
    def claim(self, data, terms: dict[str, Any], rests: bool) -> None:
        if rests:
            self.still.now += LOOK_US + 1
        # Whoever was declared dead does not know it, and goes on for a while.
        self._claim(one(data, self.registered), terms, rested=rests)

    @rule(data=st.data())
    def begin_some(self, data) -> None:
        self.still.now += LOOK_US + 1
        worker_id = one(data, list(self.ledger.workers) or self.registered)
        self._claim(worker_id, {"wants": [(TOPICS, 4)]}, rested=True)

    @rule(data=st.data(), terms=TERMS)
    def begin_what_has_just_come(self, data, terms: dict[str, Any]) -> None:
        """An idle worker looks again, however short a while ago it has looked."""
        worker_id = one(data, self.registered)
        self._claim(worker_id, {"wants": [(TOPICS, 1)]})
        self._enqueue([terms], "replace")
        self._claim(worker_id, {"wants": [(TOPICS, 9)]})

    def _claim(self, worker_id: int, terms: dict[str, Any], *, rested: bool = False) -> None:
        wants = [Want(topics, limit) for topics, limit in terms["wants"]]
        request = ClaimRequest(worker_id=worker_id, **{**terms, "wants": wants})
        claim = self.home[worker_id].message_broker.claim(request)
        ClaimCheck(
            ledger=self.ledger,
            request=request,
            now=self.now,
            paused=self.paused,
            rested=rested or not self.store.remembers_looks,
        ).check(claim)
        for message in claim.messages:
            self.took(message)

    @precondition(lambda self: self.holding())
    @rule(data=st.data(), kind=st.sampled_from(KINDS))
    def end_a_job(self, data, kind: str) -> None:
        assert self.settle([self.end(one(data, self.holding()), kind)]) == frozenset()

    @precondition(lambda self: self.holding())
    @rule(kind=st.sampled_from(KINDS))
    def end_all(self, kind: str) -> None:
        ends = [self.end(message, kind) for message in self.holding()]

        assert self.settle(ends) == frozenset()

    @precondition(lambda self: self.holding())
    @rule(data=st.data())
    def end_a_batch(self, data) -> None:
        """Some of it may have been lost: that keeps nothing from the rest."""
        chosen = {message.key.pk: message for message in data.draw(_some(self.attempts))}

        self.settle([self.end(message, one(data, KINDS)) for message in chosen.values()])

    @precondition(lambda self: self.holding())
    @rule(data=st.data(), kind=st.sampled_from(KINDS))
    def end_and_claim_in_one_go(self, data, kind: str) -> None:
        message = one(data, self.holding())
        end = self.end(message, kind)
        connection = self.home.get(message.worker_id or 0, self.anywhere)
        request = ClaimRequest(worker_id=self.registered[-1], wants=[Want(TOPICS, 2)])

        claim = connection.message_broker.claim(request, [end], connection.results_bucket_broker)

        assert claim.lost == self.ledger.settle([end], self.now) == frozenset()
        # What the end has made due may be left to the next claim: only what came is checked.
        for taken in claim.messages:
            row = self.ledger.rows[taken.key.pk or 0]
            assert (row.state, row.lease + 1) == (READY, taken.key.lease)
            assert row.run_at <= self.now
            self.took(taken)

    @precondition(lambda self: self.stale())
    @rule(data=st.data(), kind=st.sampled_from(KINDS))
    def a_zombie_settles_and_changes_nothing(self, data, kind: str) -> None:
        message = one(data, self.stale())
        before = self.store.rows(), self.store.results()

        assert self.anywhere.settle([self.end(message, kind)]) == {message.key.pk}

        assert (self.store.rows(), self.store.results()) == before

    # ---- coming and going. A worker that dies does nothing more; its peers find that out.

    @precondition(lambda self: len(self.ledger.workers) < 4)
    @rule()
    def register_one_more(self) -> None:
        self.register()

    @rule(data=st.data())
    def give_a_sign_of_life(self, data) -> None:
        worker_id = one(data, self.registered)

        answer = self.anywhere.message_broker.beat(worker_id)

        assert answer.known is self.ledger.beat(worker_id)
        rows = self.ledger.rows.items()
        mine = {pk for pk, row in rows if row.cancel_asked and row.worker_id == worker_id}
        assert answer.cancelled == mine

    @precondition(lambda self: self.ledger.count(RUNNING))
    @rule(data=st.data(), behind=st.sampled_from([0, 0, 1]))
    def rescue(self, data, behind: int) -> None:
        """A peer declares a worker dead, by the counter that it sees or by one it saw before."""
        victim = one(data, self.registered)
        broker = self.anywhere.message_broker
        peers = {peer.worker_id: peer.beat for peer in broker.peers(0)}
        assert peers == self.ledger.workers
        beat, before = peers.get(victim, 0) - behind, self.crashes()

        freed = broker.rescue(victim, beat)

        self._freed(freed, self.ledger.rescue(victim, beat), before)

    @precondition(lambda self: self.ledger.count(RUNNING))
    @rule()
    def rescue_orphans(self) -> None:
        before = self.crashes()

        freed = self.anywhere.message_broker.rescue_orphans()

        self._freed(freed, self.ledger.rescue_orphans(self.now), before)

    def _freed(self, freed: int, keys: list[int], before: dict[int, int]) -> None:
        assert freed == len(keys)
        after = self.crashes()
        assert {pk for pk in after if after[pk] != before[pk]} == set(keys)
        assert all(after[pk] == before[pk] + 1 for pk in keys)

    @precondition(lambda self: self.ledger.workers)
    @rule(data=st.data())
    def take_leave(self, data) -> None:
        worker_id = one(data, self.registered)

        self.home[worker_id].message_broker.deregister(worker_id)

        self.ledger.workers.pop(worker_id, None)
