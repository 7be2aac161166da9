"""What a worker and its store say to each other: claims, and who the workers are."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field

from django_repid.core.message import StoredMessage


@dataclass(frozen=True, slots=True)
class Want:
    """At most `limit` messages for these topics."""

    topics: Collection[str]
    limit: int


@dataclass(frozen=True, slots=True, kw_only=True)
class ClaimRequest:
    """Which messages a worker can take, for each kind of actor that it has room for.

    `queues` None means every queue; `excluded` are left out either way. Within a queue strictly by
    priority, then by due time; between queues in turns, so that none starves. `busy`: this worker
    has work anyway, so that what has come within the last moments may be left to the next claim.
    """

    worker_id: int
    wants: Sequence[Want]
    queues: Collection[str] | None = None
    excluded: Collection[str] = ()
    busy: bool = False

    def serves(self, queue: str) -> bool:
        """Whether this request takes messages of `queue`."""
        return (self.queues is None or queue in self.queues) and queue not in self.excluded

    def asks_for(self, topic: str) -> bool:
        """Whether this request takes messages for `topic`."""
        return any(topic in want.topics for want in self.wants)


@dataclass(frozen=True, slots=True, kw_only=True)
class Claim:
    """What a claim brought: messages, now RUNNING under a raised lease, and the store's time.

    `next_due`: when the next message that the request would take becomes due (None: none is
    known). `others`: topics that have ready messages and were not asked for, with the queue of one.
    `lost`: the keys (pk) of the settlements that came with it and whose lease was lost.
    `cut_short`: the store was lost on the way; it may have given more than has arrived.
    """

    messages: Sequence[StoredMessage]
    now: int
    next_due: int | None
    others: Mapping[str, str] = field(default_factory=dict)
    lost: frozenset[int] = frozenset()
    cut_short: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkerInfo:
    """Who a worker is. `boot_id`, `pid` and `pid_started` tell on its host whether it lives.

    `queues`: the names of those that it serves; with "*" among them it serves all, but for those
    that have a minus before their name. `schedules`: the ids of the recurring jobs that its code
    declares.
    """

    name: str
    host: str
    boot_id: str
    pid: int
    pid_started: str
    queues: Sequence[str]
    topics: Sequence[str]
    version: str
    schedules: Sequence[str] = ()

    @property
    def named_queues(self) -> list[str]:
        """The names of queues that it serves for sure."""
        return [name for name in self.queues if name != "*" and not name.startswith("-")]

    def serves(self, queue: str) -> bool:
        """Whether it takes jobs from a queue."""
        if f"-{queue}" in self.queues:
            return False
        return "*" in self.queues or queue in self.queues


@dataclass(frozen=True, slots=True, kw_only=True)
class Peer:
    """Another worker as this one sees it.

    `beat` is a counter; only that it stands still means something. `alive` is what the operating
    system says (None: it cannot tell from here).
    """

    worker_id: int
    beat: int
    info: WorkerInfo
    alive: bool | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Beat:
    """The answer to a beat. Not `known`: this worker was declared dead and must register anew."""

    known: bool
    cancelled: frozenset[int] = frozenset()
