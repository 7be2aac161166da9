"""The seam: what a store of messages, and a store of buckets, must be able to do.

Every method is synchronous and speaks of jobs, never of SQL. A broker is shared by all threads of
a process; each method works on the calling thread's own connection and never waits for a lock that
a stranger's transaction holds, except `enqueue` of a chosen id. The contract suite in
`django_repid.testing.contract` says in tests what the sentences here promise.

Time is the store's own clock, in microseconds since the epoch.
"""

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from contextlib import AbstractContextManager
from typing import Protocol

from django_repid.core.bucket import ArgsBucket, BucketRecord
from django_repid.core.claims import Beat, Claim, ClaimRequest, Peer, Work, WorkerInfo
from django_repid.core.message import (
    Enqueued,
    MessageCategory,
    MessageState,
    NewMessage,
    StoredMessage,
)
from django_repid.core.settlement import Settlement


class BellListener(Protocol):
    """Hears a bell, on a thread of its own, from `start` to `stop`."""

    hears_all: bool

    def start(self) -> None:
        """Begin."""

    def stop(self) -> None:
        """End, and give everything back."""


class FarBell(Protocol):
    """A bell that stands elsewhere than the messages, such as `RedisBell`."""

    def ring(self) -> None:
        """Wake the workers, wherever they are. It must not raise, nor wait for long."""

    def listener(self, heard: Callable[[], None]) -> BellListener:
        """Return who calls `heard`, from any thread, at each ring that is heard."""


class BucketBroker(Protocol):
    """A store of buckets: arguments and results in one namespace."""

    use_result_bucket: bool
    #: Whether a call may block, so that coroutines must make it on another thread.
    blocking: bool

    def store(self, records: Sequence[BucketRecord]) -> None:
        """Write buckets; what stands under one of the ids is replaced. The last of equals wins."""

    def get(self, ids: Iterable[str]) -> Mapping[str, ArgsBucket]:
        """Return the buckets that are there; expired ones are not, pruned or not."""

    def delete(self, ids: Iterable[str]) -> int:
        """Remove buckets; return how many there were."""

    def prune(self, limit: int = 500, *, dry_run: bool = False) -> int:
        """Remove up to `limit` expired buckets; return how many. `dry_run`: only count them all."""

    def generated(self, stored_before: int, after: str, limit: int) -> list[str]:
        """Return ids of args buckets that were generated and are older, in order, after one."""

    def shares(self, other: "BucketBroker") -> bool:
        """Whether another broker reads and writes the same buckets."""


class MessageBroker(Protocol):
    """A store of messages."""

    blocking: bool

    @property
    def rings(self) -> bool:
        """Whether `bell` rings for every message now, so that idle workers may poll more rarely."""

    @property
    def courtesy_seconds(self) -> float:
        """How long a busy worker leaves the store alone after a write, for others to get in."""

    def now_us(self) -> int:
        """Return the store's time."""

    def stores(self, buckets: BucketBroker) -> bool:
        """Whether this broker writes buckets of that broker itself, in its own transactions."""

    def enqueue(
        self, messages: Sequence[NewMessage], args: BucketBroker | None = None
    ) -> list[Enqueued]:
        """Write messages, all or none, in the caller's transaction where there is one.

        With `args`, a broker that `stores` says yes to, their args buckets are written with them;
        a message that is skipped as a duplicate leaves its bucket untouched. A dead message never
        blocks: it is replaced.

        One that `renews` takes the place of a recurring message that stands under its id, and is
        no duplicate: of one that runs from its next occurrence on. Where the schedule is the same,
        the occurrence that it stands for stays. A dead one stays dead if a declaration renews it
        that has not changed.

        Raises:
            DuplicateJob: one with on_duplicate RAISE waits or runs already.

        """

    def claim(
        self,
        request: ClaimRequest,
        ends: Sequence[Settlement] = (),
        results: BucketBroker | None = None,
    ) -> Claim:
        """Take messages that are due: no message is ever given to two claims.

        `ends` are settled first, as by `settle`, in the same transaction: a busy worker pays one
        round trip for both. What it raises means that none of them was written.
        """

    def seize(self, id_: str, states: Collection[MessageState]) -> StoredMessage | None:
        """Claim one message by its id, for nobody's worker, if it is in one of `states`.

        The caller must settle it. Should it die before that, the message is rescued as an orphan.
        """

    def find(self, ids: Collection[str]) -> list[StoredMessage]:
        """Look at messages by their ids, whatever their state."""

    def ask_cancel(self, id_: str) -> bool:
        """Ask the worker that runs this message to stop; False if none does.

        A recurring one does not come again either.
        """

    def settle(
        self, settlements: Sequence[Settlement], results: BucketBroker | None = None
    ) -> frozenset[int]:
        """Write the ends of claims in one transaction; return the keys (pk) of lost leases.

        With `results`, a broker that `stores` says yes to, result buckets belong to it (of equal
        ids the one that ended last stays), and every message that waits for one of them is made
        due. Of a lost lease nothing is written.
        """

    def free(self, bucket_ids: Collection[str]) -> None:
        """Make the messages due that wait for one of these buckets, which another store holds."""

    def browse(
        self,
        queue: str,
        category: MessageCategory,
        *,
        topics: Collection[str] | None = None,
        after: int = 0,
        limit: int = 100,
    ) -> list[StoredMessage]:
        """Look at messages in the order of their keys, from the one after `after` on."""

    def flush(self, queue: str, limit: int = 500) -> int:
        """Remove up to `limit` messages of a queue that wait or are dead; return how many.

        Running ones stay, and so does, until the next call, what another transaction holds.
        """

    def register(self, info: WorkerInfo) -> int:
        """Make a worker known; return its id, which is never used again."""

    def beat(self, worker_id: int) -> Beat:
        """Give a sign of life."""

    def drain(self, worker_id: int) -> None:
        """Let others see that a worker takes no more, and ends when what it runs has ended."""

    def deregister(self, worker_id: int) -> None:
        """Forget a worker that has settled or handed back everything it claimed."""

    def peers(self, worker_id: int) -> list[Peer]:
        """Return the other workers of this store."""

    def rescue(self, worker_id: int, beat: int) -> int:
        """Declare a worker dead if its counter still stands at `beat`, and free what it ran.

        One transaction; returns how many messages were freed.
        """

    def rescue_orphans(self) -> int:
        """Free running messages of workers that are not known (any more); return how many."""

    def prune(
        self,
        dead_before: int,
        statistics_before: int,
        limit: int = 500,
        *,
        dry_run: bool = False,
    ) -> Mapping[str, int]:
        """Remove up to `limit` rows of each kind that are older; return how many of each.

        Dead messages and failures count from `dead_before`, statistics from the other. `dry_run`:
        only count them all.
        """

    def record(self, worker_id: int, work: Sequence[Work]) -> None:
        """Keep what a worker has done; what it said before of a minute and an actor is replaced."""

    def recorded(self, since: int) -> list[Work]:
        """Return what all workers did from a minute on, added up, in order."""

    def relay(self) -> int:
        """Take over what transactions have left for this store elsewhere; return how many.

        Workers call it every few seconds. Most stores have no outbox, and nothing to do.
        """

    def tend(self) -> None:
        """Do what the store needs after many settlements; others go on meanwhile."""

    def referred(self, args_ids: Collection[str]) -> set[str]:
        """Return those of the ids whose bucket holds a message's arguments."""

    def pause(self, queue: str, *, by: str = "", reason: str = "") -> None:
        """Let no worker claim from `queue` until it is resumed."""

    def resume(self, queue: str) -> None:
        """Let workers claim from `queue` again."""

    def give_back(self, worker_id: int, in_hand: Collection[int]) -> int:
        """Free what a live worker holds besides those keys, counters as they were; say how many.

        It has not got the others in hand if the answer to a claim was lost on its way.
        """

    @property
    def is_transactional(self) -> bool:
        """Whether `atomically` is there: messages are rows beside the actors' own."""

    def atomically(self) -> AbstractContextManager[None]:
        """Run the block in one transaction with what it settles, on the calling thread.

        What fails, also at the commit, undoes everything. Writes to other databases are refused
        inside, since they would stay.
        """

    def own_session(self) -> AbstractContextManager[None]:
        """Wrap a thread of the worker's own, which must not wait long for anything in the store.

        What a stranger's lock keeps it from raises `RowLocked` there, and can be tried again.
        """

    def bell(self, ring: Callable[[], None]) -> AbstractContextManager[None]:
        """Call `ring`, from any thread, when a message may have become due, while entered."""
