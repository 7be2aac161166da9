"""What the ledger says of the answer to a claim."""

from collections.abc import Mapping
from dataclasses import dataclass

from django_repid.core.claims import Claim, ClaimRequest, Want
from django_repid.core.message import StoredMessage
from tests.model.ledger import READY, RUNNING, Ledger, Row
from tests.model.stores import LOOK_US


@dataclass(kw_only=True)
class ClaimCheck:
    """One claim. `paused`: queues, and since when this broker may have known that they are.

    `rested`: the broker has looked at the store for this claim, so its order is exact.
    """

    ledger: Ledger
    request: ClaimRequest
    now: int
    paused: Mapping[str, int]
    rested: bool

    def check(self, claim: Claim) -> None:
        """Compare an answer with what it must be; the ledger is as it was before the claim."""
        assert claim.now == self.now
        keys = [message.key.pk for message in claim.messages]
        assert len(keys) == len(set(keys)), "one message was given out twice"
        for message in claim.messages:
            self._check_allowed(message)
        for want in self.request.wants:
            self._check_amount(want, claim)
            if self.rested:
                self._check_order(want, claim)
        if self.rested and not self._due(self.request.wants):
            assert claim.next_due == min(self._later(), default=None)

    def _check_allowed(self, message: StoredMessage) -> None:
        pk = message.key.pk or 0
        row = self.ledger.rows[pk]
        assert row.state is READY, "a message that was not ready was given out"
        assert row.run_at <= self.now, "a message was given out before it was due"
        assert self._serves(row), "a message was given out that nobody asked for"
        assert self.request.asks_for(row.topic), "another topic was asked for"
        assert message.state is RUNNING
        assert (message.key.lease, message.worker_id) == (row.lease + 1, self.request.worker_id)

    def _check_amount(self, want: Want, claim: Claim) -> None:
        found = len(_of(want, claim))
        assert found <= want.limit, "more was given out than was asked for"
        if self.rested or not self.request.busy:
            assert found >= min(want.limit, len(self._due([want]))), "something due was left behind"

    def _check_order(self, want: Want, claim: Claim) -> None:
        """Within a queue strictly by priority, then by due time; between queues in turns."""
        due, taken = self._due([want]), _of(want, claim)
        of_queue = {queue: sum(m.key.queue == queue for m in taken) for queue in due.values()}
        left = {}
        for queue, count in of_queue.items():
            ranked = sorted((pk for pk in due if due[pk] == queue), key=self._rank)
            mine = {message.key.pk for message in taken if message.key.queue == queue}
            assert mine == set(ranked[:count]), "the most urgent messages were not taken"
            left[queue] = len(ranked) - count
        starved = [count for queue, count in of_queue.items() if left[queue]]
        assert max(of_queue.values(), default=0) <= min(starved, default=want.limit) + 1, (
            "a queue was served beyond its turn"
        )

    def _due(self, wants) -> dict[int, str]:
        """Return the keys of what could be taken, with their queues."""
        return {pk: row.queue for pk, row in self._wanted(wants) if row.run_at <= self.now}

    def _later(self) -> list[int]:
        return [row.run_at for _, row in self._wanted(self.request.wants) if row.run_at > self.now]

    def _wanted(self, wants) -> list[tuple[int, Row]]:
        topics = {topic for want in wants for topic in want.topics}
        return [
            (pk, row)
            for pk, row in self.ledger.rows.items()
            if row.state is READY
            and row.topic in topics
            and row.queue not in self.paused
            and self.request.serves(row.queue)
        ]

    def _serves(self, row: Row) -> bool:
        """Whether a queue is served. Another process may learn of a pause a moment later."""
        since = self.paused.get(row.queue)
        known = since is not None and (self.rested or since <= self.now - LOOK_US)
        return self.request.serves(row.queue) and not known

    def _rank(self, pk: int) -> tuple[int, int, int]:
        row = self.ledger.rows[pk]
        return -row.priority, row.run_at, pk


def _of(want: Want, claim: Claim) -> list[StoredMessage]:
    return [message for message in claim.messages if message.key.topic in want.topics]
