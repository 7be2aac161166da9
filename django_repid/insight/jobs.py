"""Jobs as people see them: in lists, and one of them whole."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from django_repid.core.codec import Spec
from django_repid.core.message import MessageState
from django_repid.insight.search import Search
from django_repid.insight.state import JobState

#: No count of jobs goes on beyond this.
CAP = 10_000
#: Jobs that one page looks at where each must be looked at.
LOOKED_AT = 5000


@dataclass(frozen=True, slots=True, kw_only=True)
class Question:
    """What a list is asked for: a search whose moments are known.

    `state` None: all. `args_allowed`: whoever asks may see arguments.
    """

    search: Search = field(default_factory=Search)
    state: JobState | None = None
    since: int | None = None
    until: int | None = None
    args_allowed: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """A job in a list.

    `when`: of a waiting one since when it is due, of a later one when it will be, of a running one
    when it began, else when it ended. `payload`: its arguments as they are stored, with their
    secrets. `bucket`: of a job that has left only its result, that bucket's id. `recurs`: it comes
    again. `key`: its place in the store. `enqueued_at`: of one that has ended, when that was.
    """

    id: str
    topic: str
    queue: str
    state: JobState
    when: int
    payload: str | None = field(default=None, repr=False)
    args_id: str | None = None
    error: str = ""
    tries: int = 0
    retries: int = 0
    waited: int | None = None
    ran: int | None = None
    bucket: str = ""
    recurs: bool = False
    waits_for: str | None = None
    enqueued_at: int = 0
    key: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class JobPage:
    """A page of jobs.

    `after`: where the next page begins; empty if there is none. `looked_at`: how many were looked
    at, where the page is short because no more are looked at in one go.
    """

    lines: Sequence[Line] = ()
    after: str = ""
    looked_at: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Attempt:
    """One failing attempt of a job."""

    number: int
    lease: int
    at: int
    took: int
    worker: str
    exception: str
    fingerprint: str
    text: str
    traceback: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Ended:
    """What a bucket holds; of a result also what it says of the job that it came from.

    `spec`: its terms as they are stored; `terms`: the same, None if they cannot be read.
    """

    bucket_id: str
    is_result: bool
    data: str = field(repr=False)
    stored_at: int
    expires_at: int | None
    success: bool = True
    exception: str = ""
    started_ns: int = 0
    finished_ns: int = 0
    id: str = ""
    topic: str = ""
    queue: str = ""
    priority: int = 0
    tries: int = 0
    worker: str = ""
    payload: str | None = field(default=None, repr=False)
    args_id: str | None = None
    spec: str = ""
    terms: Spec | None = None
    headers: str = field(default="", repr=False)

    @property
    def state(self) -> JobState:
        """How the job ended."""
        if self.success:
            return JobState.DONE
        return JobState.CANCELLED if self.exception == CANCELLED else JobState.FAILED

    @property
    def took(self) -> int | None:
        """How long its last run was, in microseconds."""
        ran = self.finished_ns - self.started_ns
        return ran // 1000 if self.started_ns and ran > 0 else None


#: The exception that a bucket names whose job was cancelled.
CANCELLED = "Cancelled"


@dataclass(frozen=True, slots=True, kw_only=True)
class Standing:
    """A job as it stands in its store. `spec` None: its terms cannot be read by this version.

    The times and counters are a `StoredMessage`'s; `spec_text` and `headers` are stored texts.
    """

    id: str
    topic: str
    queue: str
    priority: int
    row_state: MessageState
    run_at: int
    due_at: int
    enqueued_at: int
    claimed_at: int | None
    tick: int | None
    worker_id: int | None
    lease: int
    tries: int
    crashes: int
    suspicion: int
    cancel_asked: bool
    args_id: str | None
    payload: str | None = field(repr=False)
    waits_for: str | None
    dead_reason: str
    spec_text: str
    headers: str = field(repr=False)
    spec: Spec | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Whole:
    """One job with all that is known of it.

    `standing`: None for one that has left only its result. `attempts`: those that failed, the
    newest first, at most a few. `args`: what the bucket of its arguments holds, if it has one.
    """

    id: str
    state: JobState
    standing: Standing | None = None
    ended: Ended | None = None
    attempts: Sequence[Attempt] = ()
    args: str | None = field(default=None, repr=False)


@dataclass(frozen=True, slots=True)
class Count:
    """How many there are; `more`: at least."""

    n: int = 0
    more: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class BucketLine:
    """A bucket in a list. `success` None: it holds arguments, or its kind is not known."""

    id: str
    is_result: bool
    job: str
    topic: str
    success: bool | None
    exception: str
    stored_at: int
    expires_at: int | None


@dataclass(frozen=True, slots=True)
class BucketPage:
    """A page of buckets; see `JobPage`."""

    lines: Sequence[BucketLine] = ()
    after: str = ""
    looked_at: int | None = None


class JobReader(Protocol):
    """The jobs of a store."""

    def counts(self, question: Question) -> Mapping[JobState, Count]:
        """Return how many jobs of each state there are, up to `CAP`.

        The part of a search that no index knows is left out.
        """

    def job_page(self, question: Question, *, after: str = "", limit: int = 50) -> JobPage:
        """Return a page of jobs; `after` as the page before has said.

        What waits or comes later is listed in the order in which it will run, all else the newest
        first.
        """

    def job(self, id_: str) -> Whole | None:
        """Return a job by its id, whole."""

    def ended(self, bucket_id: str) -> Whole | None:
        """Return a job by the id of its result, or an arguments bucket by its own."""

    def same_cause(self, attempt: Attempt, topic: str) -> int:
        """Return how many of the newest failures have the cause of this one."""

    def bucket_page(self, word: str = "", *, after: str = "", limit: int = 50) -> BucketPage:
        """Return a page of buckets, the newest first; with a word those of an id or an actor."""
