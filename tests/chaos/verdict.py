"""What a run has proved, read from its files and tables when everything has come to rest."""

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path

from tests.chaos import records
from tests.chaos.fleet import Harm
from tests.chaos.records import Note
from tests.chaos.store import DEAD, READY, Store

#: What a worker says that others took for dead.
WAS_SILENT = "was silent for so long"
#: The dead letters that a run expects, and the failed tries that each must show: a crash is none.
HOPELESS, HOPELESS_TRIES = "hopeless", 2
_EXAMPLES = 10


@dataclass(slots=True)
class Verdict:
    """The numbers of one run, and what in them breaks a promise."""

    store: str
    jobs: int = 0
    lost: int = 0
    stuck: int = 0
    duplicates: int = 0
    allowed: int = 0
    deeds: dict[str, int] = field(default_factory=dict)
    seconds: float = 0.0
    atomic: bool = False
    violations: list[str] = field(default_factory=list)
    suspects: set[str] = field(default_factory=set)

    def blame(self, what: str, jobs: Iterable[str]) -> int:
        """Note a broken promise, and the jobs that show it; return how many these are."""
        found = sorted(jobs)
        if found:
            some = ", ".join(found[:_EXAMPLES]) + (" …" if len(found) > _EXAMPLES else "")
            self.violations.append(f"{len(found)} {what}: {some}")
            self.suspects |= set(found)
        return len(found)


@dataclass(frozen=True, slots=True)
class _Row:
    state: int
    reason: str
    tries: int


class Facts:
    """Everything that the files and the tables say."""

    def __init__(self, store: Store) -> None:
        where = store.folder
        self.ledger = set(records.lines_of(where / records.LEDGER))
        self.rolled_back = set(records.lines_of(where / records.ROLLED_BACK))
        doubtful = [line.split() for line in records.lines_of(where / records.DOUBTFUL)]
        self.doubtful = {id_ for id_, _ in doubtful}
        self.doubtful_with_rows = {id_ for id_, how in doubtful if how == "rows"}
        self.notes = records.by_job(records.notes(where))
        self.began = _count(self.notes, "began")
        self.ended = _count(self.notes, "ended")
        messages = "SELECT message_id, state, dead_reason, tries FROM django_repid_message"
        self.messages = {id_: _Row(*row) for id_, *row in store.query(messages)}
        self.orders = _names(store, "SELECT job FROM chaos_order")
        self.rows = Counter(job for (job,) in store.query("SELECT job FROM chaos_effect"))
        self.results = _names(store, "SELECT message_id FROM django_repid_bucket WHERE success")
        self.dead = {id_ for id_, row in self.messages.items() if row.state == DEAD}

    def effects(self, job: str, *, atomic: bool) -> int:
        """How often a job has done its work."""
        return self.rows[job] if atomic and kind(job) == "atomic" else self.ended[job]


def kind(job: str) -> str:
    return job.rsplit("-", 1)[-1]


def _count(notes: dict[str, list[Note]], event: str) -> Counter[str]:
    return Counter({job: sum(one.event == event for one in some) for job, some in notes.items()})


def _names(store: Store, sql: str) -> set[str]:
    return {one for (one,) in store.query(sql)}


def judge(store: Store, harms: list[Harm], *, atomic: bool) -> Verdict:
    """Hold what was promised against what happened."""
    facts = Facts(store)
    verdict = Verdict(store.name, jobs=len(facts.ledger), atomic=atomic)
    _judge_the_lost(verdict, facts)
    _judge_the_dead(verdict, facts)
    _judge_transactions(verdict, facts)
    _judge_duplicates(verdict, facts, harms)
    return verdict


def _judge_the_lost(verdict: Verdict, facts: Facts) -> None:
    """Each acknowledged job has done its work and left a result, or is a dead letter."""
    rest = {id_ for id_, row in facts.messages.items() if row.state != DEAD}
    ready = {id_ for id_ in rest if facts.messages[id_].state == READY}
    done = {id_ for id_ in facts.ledger if facts.effects(id_, atomic=verdict.atomic)}
    verdict.lost = verdict.blame("lost", facts.ledger - done - facts.dead - rest)
    verdict.stuck = verdict.blame("never claimed", ready)
    verdict.stuck += verdict.blame("running, and nobody runs them", rest - ready)
    verdict.blame("done without a result", done - facts.results - rest - facts.dead)


def _judge_the_dead(verdict: Verdict, facts: Facts) -> None:
    hopeless = {id_ for id_ in facts.dead if kind(id_) == HOPELESS}
    reasons = {facts.messages[id_].reason for id_ in facts.dead - hopeless}
    verdict.blame(f"unexpected dead letters ({reasons})", facts.dead - hopeless)
    wrong = {id_ for id_ in hopeless if facts.messages[id_].tries != HOPELESS_TRIES}
    verdict.blame("dead letters with a wrong number of tries", wrong)
    alive = {id_ for id_ in facts.ledger if kind(id_) == HOPELESS} - set(facts.messages)
    verdict.blame("hopeless jobs that are no dead letter", alive)


def _judge_transactions(verdict: Verdict, facts: Facts) -> None:
    seen = set(facts.notes) | set(facts.messages) | facts.orders
    verdict.blame("rolled back, and yet there", facts.rolled_back & seen)
    with_job = set(facts.notes) | set(facts.messages)
    half = {id_ for id_ in facts.doubtful_with_rows if (id_ in facts.orders) != (id_ in with_job)}
    verdict.blame("half committed: a row without its job, or a job without its row", half)
    strangers = set(facts.notes) - facts.ledger - facts.doubtful
    verdict.blame("run, and neither acknowledged nor refused", strangers - _unwritten(facts))
    early = {id_ for id_ in facts.notes if kind(id_) == "second" and _too_early(id_, facts)}
    verdict.blame("run before the job whose result they take", early)


def _unwritten(facts: Facts) -> set[str]:
    """Jobs that a producer committed just before it was killed: the last of each producer."""
    last: dict[str, int] = {}
    for id_ in facts.ledger | facts.rolled_back | facts.doubtful:
        prefix, number, _ = id_.split("-")
        last[prefix] = max(last.get(prefix, 0), int(number))
    return {id_ for id_ in facts.notes if int(id_.split("-")[1]) > last.get(id_.split("-")[0], 0)}


def _too_early(job: str, facts: Facts) -> bool:
    began = min(one.at for one in facts.notes[job])
    before = facts.notes.get(job.replace("-second", "-first"), [])
    return not any(one.event == "ended" and one.at <= began for one in before)


def _judge_duplicates(verdict: Verdict, facts: Facts, harms: list[Harm]) -> None:
    """A job may have run once more for each harm in which its worker had claimed it."""
    claimed = Counter(id_ for harm in harms for id_ in harm.jobs)
    verdict.allowed = sum(claimed.values())
    extra = {
        id_: count - 1
        for id_ in facts.notes
        if (count := facts.effects(id_, atomic=verdict.atomic)) > 1
    }
    verdict.duplicates = sum(extra.values())
    unharmed = {id_ for id_, count in extra.items() if count > claimed[id_]}
    verdict.blame("run twice, and not claimed by any worker that was harmed", unharmed)
    if verdict.atomic:
        verdict.blame("atomic, and run twice", {id_ for id_ in extra if kind(id_) == "atomic"})


def false_deaths(folder: Path, names: Iterable[str], frozen: int) -> int:
    """How many workers were taken for dead that had not been frozen for long."""
    said = sum((folder / f"{name}.log").read_text().count(WAS_SILENT) for name in names)
    return max(0, said - frozen)
