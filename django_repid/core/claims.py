"""What a worker and its store say to each other: claims, who the workers are, what they did."""

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import zip_longest

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
class Work:
    """What was done of one actor in a queue in one minute since the epoch: runs, by their ends.

    `retried` runs failed and are tried again. `histogram`: how many took less than 1 ms, less than
    2, less than 4 and so on; it ends with the longest.
    """

    minute: int
    queue: str
    topic: str
    succeeded: int = 0
    failed: int = 0
    retried: int = 0
    duration_us: int = 0
    histogram: Sequence[int] = ()

    def __add__(self, other: "Work") -> "Work":
        pairs = zip_longest(self.histogram, other.histogram, fillvalue=0)
        return replace(
            self,
            succeeded=self.succeeded + other.succeeded,
            failed=self.failed + other.failed,
            retried=self.retried + other.retried,
            duration_us=self.duration_us + other.duration_us,
            histogram=tuple(one + two for one, two in pairs),
        )


def added_up(work: Iterable[Work]) -> list[Work]:
    """Add up what several workers did of one actor in one minute; return it in order."""
    found: dict[tuple[int, str, str], Work] = {}
    for one in work:
        key = (one.minute, one.queue, one.topic)
        found[key] = found[key] + one if key in found else one
    return [found[key] for key in sorted(found)]


@dataclass(frozen=True, slots=True, kw_only=True)
class Peer:
    """Another worker as this one sees it.

    `beat` is a counter; only that it stands still means something. `alive` is what the operating
    system says (None: it cannot tell from here). `draining`: it takes no more.
    """

    worker_id: int
    beat: int
    info: WorkerInfo
    alive: bool | None = None
    draining: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Beat:
    """The answer to a beat. Not `known`: this worker was declared dead and must register anew."""

    known: bool
    cancelled: frozenset[int] = frozenset()
