"""Two attempts at one job, a janitor and a person, each step of theirs in any order.

A step is one call of the broker's, which is one transaction: between steps anything may come, in
the midst of one nothing does.
"""

from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from django_repid.core.claims import ClaimRequest, Want
from django_repid.core.message import MessageState, StoredMessage
from django_repid.core.settlement import Settlement
from django_repid.testing.contract.kit import ack, bury, new, record, retry, worker_info
from tests.model.ledger import Row
from tests.model.stores import StillClock, Store

#: Who does what: "A claim".
Step = str
#: What each of them does, one after the other.
Programs = Mapping[str, Sequence[str]]


def interleavings(programs: Programs) -> Iterator[tuple[Step, ...]]:
    """Yield every order of the steps of all that keeps the order of each."""
    if not any(programs.values()):
        yield ()
    for who, steps in programs.items():
        if steps:
            for rest in interleavings({**programs, who: steps[1:]}):
                yield (f"{who} {steps[0]}", *rest)


@dataclass(frozen=True)
class Lease:
    """The right to settle a job."""

    who: str
    pk: int
    number: int


class Play:
    """One order of steps on a store. It keeps its own account of who holds the lease.

    `effective`: the steps that had the right to change something; the store must end as if there
    had been no others. `violations`: what went against that, in words.
    """

    def __init__(self, store: Store, still: StillClock) -> None:
        store.open()
        self._store, self._still = store, still
        self._connection = store.connections[0]
        self._broker = self._connection.message_broker
        self._workers = {who: self._broker.register(worker_info(who)) for who in ("A", "B")}
        self._seen = self._beats = 0
        self._a_is_known = True
        self._attempts: dict[str, StoredMessage] = {}
        self._holder: Lease | None = None
        self._settled: Counter[tuple[int | None, int]] = Counter()
        self._verbs: dict[str, Callable[[str, str], bool]] = {
            "claim": self._claim,
            "seize": self._seize,
            "beat": self._beat,
            "look": self._look,
            "rescue": self._rescue,
            "enqueue again": self._enqueue,
        }
        self.effective: list[Step] = []
        self.violations: list[str] = []
        self._enqueue()

    def run(self, steps: Sequence[Step]) -> None:
        """Do all the steps."""
        for step in steps:
            who, verb = step.split(" ", 1)
            if self._verbs.get(verb, self._settle)(who, verb):
                self.effective.append(step)
        for worker_id in self._workers.values():
            self._broker.deregister(worker_id)

    def outcome(self) -> tuple[list[Row], dict[str, str]]:
        """Return what the store holds, by itself: neither keys nor workers' ids."""
        rows = [replace(Row.seen(message), worker_id=None) for message in self._store.rows()]
        return rows, self._store.results()

    def _complain(self, problem: str) -> None:
        self.violations.append(problem)

    def _enqueue(self, who: str = "", verb: str = "") -> bool:
        job = new(id_="one", result_id="result", run_at=self._still.now)
        (answer,) = self._connection.enqueue([job])
        return not answer.duplicate

    def _claim(self, who: str, verb: str) -> bool:
        request = ClaimRequest(worker_id=self._workers[who], wants=[Want(["work"], 1)])
        messages = self._broker.claim(request).messages
        for message in messages:
            if self._holder is not None:
                self._complain(f"{who} was given what {self._holder.who} holds")
            self._took(who, message)
        return bool(messages)

    def _seize(self, who: str, verb: str) -> bool:
        """Take the job from whoever has it."""
        message = self._broker.seize("one", [MessageState.READY, MessageState.RUNNING])
        if message is not None:
            self._took(who, message)
        return message is not None

    def _took(self, who: str, message: StoredMessage) -> None:
        self._attempts[who] = message
        self._holder = Lease(who, message.key.pk or 0, message.key.lease)

    def _beat(self, who: str, verb: str) -> bool:
        if self._broker.beat(self._workers[who]).known is not self._a_is_known:
            self._complain(f"{who} was told something wrong about itself")
        self._beats += self._store.counts_beats and self._a_is_known
        return self._a_is_known

    def _look(self, who: str, verb: str) -> bool:
        for peer in self._broker.peers(0):
            if peer.worker_id == self._workers["A"]:
                self._seen = peer.beat
        return True

    def _rescue(self, who: str, verb: str) -> bool:
        """Declare A dead by the counter that was seen."""
        dead = self._a_is_known and self._seen == self._beats
        held = self._holder is not None and self._holder.who == "A"
        if self._broker.rescue(self._workers["A"], self._seen) != (dead and held):
            self._complain(f"{who} rescued what it should not, or not what it should")
        if dead:
            self._a_is_known = False
            self._holder = None if held else self._holder
        return dead

    def _settle(self, who: str, verb: str) -> bool:
        """End an attempt, if there is one; `verb` says how."""
        if (message := self._attempts.get(who)) is None:
            return False
        key = message.key
        entitled = self._holder == Lease(who, key.pk or 0, key.lease)
        before = self._store.rows(), self._store.results()
        lost = self._connection.settle([self._end(who, verb, message)])
        changed = (self._store.rows(), self._store.results()) != before
        self._settled[key.pk, key.lease] += changed
        if changed is not entitled or bool(lost) is entitled:
            right = "with" if entitled else "without"
            did = "changed" if changed else "changed nothing of"
            told = "lost" if lost else "kept"
            self._complain(f"{who} {did} the job {right} the right to, and was told {told}")
        if self._settled[key.pk, key.lease] > 1:
            self._complain(f"lease {key.lease} was settled twice")
        if entitled:
            self._holder = None
        return entitled

    def _end(self, who: str, verb: str, message: StoredMessage) -> Settlement:
        now = self._still.now
        data = f"{who} under lease {message.key.lease}"
        result = replace(record("result", data, now=now), worker=who)
        if verb == "ack":
            return ack(message, result)
        return (
            bury(message, at=now, result=result) if verb == "bury" else retry(message, run_at=now)
        )


class Stage:
    """Every order of some programs on one store."""

    def __init__(self, store: Store, still: StillClock) -> None:
        self._store, self._still = store, still
        self._serial: dict[tuple[Step, ...], object] = {}
        self.count = 0

    def violations(self, programs: Programs) -> Iterator[str]:
        """Play every order; yield what went wrong in which."""
        for steps in interleavings(programs):
            self.count += 1
            play = Play(self._store, self._still)
            play.run(steps)
            outcome, effective = play.outcome(), tuple(play.effective)
            if outcome != self._outcome_of(effective):
                play.violations.append(f"it does not end as {', '.join(effective)}")
            for violation in play.violations:
                yield f"{', '.join(steps)}: {violation}"

    def _outcome_of(self, effective: tuple[Step, ...]) -> object:
        """Return what the effective steps alone lead to; many orders have the same."""
        if effective not in self._serial:
            play = Play(self._store, self._still)
            play.run(effective)
            self._serial[effective] = play.outcome()
        return self._serial[effective]
