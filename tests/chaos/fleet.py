"""The workers of a run: who they are, what they run, and what was done to them."""

import signal
import subprocess
import time
from collections import defaultdict
from collections.abc import Collection
from dataclasses import dataclass, field

from tests.chaos import records
from tests.chaos.processes import Child, Member, eventually, kill, lives, send
from tests.chaos.store import Store

#: How long a commit that is on its way to the store may take to arrive.
_ON_ITS_WAY_SECONDS = 0.05
#: For so long a worker that was frozen may still claim under the id it has lost.
_WAKING_SECONDS = 3.0
_STOP_SECONDS = 40.0
#: A supervisor waits up to half a minute before it starts a process again.
_READY_SECONDS = 60.0


@dataclass(slots=True)
class Harm:
    """Something after which jobs may run twice: those that the worker had claimed then."""

    what: str
    jobs: set[str] = field(default_factory=set)


@dataclass(slots=True)
class _Frozen:
    pids: list[int]
    harm: Harm | None
    until: float


class Fleet:
    """Keeps its members running, whatever happens to them."""

    def __init__(self, store: Store, sizes: Collection[int]) -> None:
        self.store = store
        where = store.folder
        names = "abcdefgh"
        self.members = [
            Member(name, store.environment, where, processes)
            for name, processes in zip(names, sizes, strict=False)
        ]
        self.harms: list[Harm] = []
        self.wrong: list[str] = []
        #: How often the server was away.
        self.outages = 0
        self._keys: defaultdict[int, set[int]] = defaultdict(set)
        self._frozen: list[_Frozen] = []
        self._waking: list[_Frozen] = []
        self._orphans: set[int] = set()

    def log(self, what: str) -> None:
        records.append(self.store.folder / records.EVENTS, [f"{records.clock(time.time())} {what}"])

    def start(self) -> None:
        for member in self.members:
            member.start()
        self.wait_until_ready()

    def wait_until_ready(self) -> None:
        """Wait until every member has registered all its workers."""
        eventually(self._all_ready, "every worker has registered", _READY_SECONDS)

    def _all_ready(self) -> bool:
        self.tick()
        return all(self.is_ready(member) for member in self.members)

    def is_ready(self, member: Member) -> bool:
        pids = member.workers()
        return len(pids) == member.processes and all(self._keys.get(pid) for pid in pids)

    def tick(self) -> None:
        """Look who there is, wake who has slept enough, start again who has ended."""
        for key, pid, _ in self.store.workers():
            self._keys[pid].add(key)
        self._wake(time.monotonic())
        for one in self._waking:
            self._note_running(one)
        for member in self.members:
            self._revive(member)
        self._orphans = set(filter(lives, self._orphans))

    def _wake(self, now: float) -> None:
        for one in [one for one in self._frozen if one.until <= now]:
            self._frozen.remove(one)
            self._note_running(one)
            send(one.pids, signal.SIGCONT)
            self.log(f"wake {one.pids}")
            one.until = now + _WAKING_SECONDS
            self._waking.append(one)
        self._waking = [one for one in self._waking if one.until > now]

    def _note_running(self, one: _Frozen) -> None:
        if one.harm is not None:
            one.harm.jobs |= self.running(one.pids)

    def _revive(self, member: Member) -> None:
        code = member.code
        if code is None:
            return
        if not member.killed and not (member.told and code == 0) and not self._met_outage(member):
            self.wrong.append(f"worker {member.name} (process {member.pid}) ended with {code}")
        self.log(f"{member.name} (process {member.pid}) has ended with {code}; it starts again")
        member.start()

    def _met_outage(self, member: Member) -> bool:
        """Whether it ended as the docs say it does when the store is away at its start."""
        return member.code == 1 and not self._keys.get(member.pid) and self.outages > 0

    # ---- Who can be harmed.

    def victims(self) -> list[tuple[Member, int]]:
        """The processes that run jobs and are not frozen, each with its member."""
        frozen = {pid for one in self._frozen for pid in one.pids}
        return [
            (member, pid)
            for member in self.members
            if not member.told and not member.killed
            for pid in member.workers()
            if pid not in frozen
        ]

    def running(self, pids: Collection[int]) -> set[str]:
        return self.store.running({key for pid in pids for key in self._keys.get(pid, ())})

    def has_frozen(self) -> bool:
        return bool(self._frozen)

    def wait_for_leaving(self) -> None:
        """Wait until nobody is on its way out: an outage then is another story."""

        def nobody() -> bool:
            self.tick()
            return not self._orphans and not any(member.told for member in self.members)

        eventually(nobody, "workers that were told to end have ended", _STOP_SECONDS)

    # ---- What is done to them.

    def hold(self, pids: list[int]) -> set[str]:
        """Stop processes for a moment; return what they run."""
        send(pids, signal.SIGSTOP)
        time.sleep(_ON_ITS_WAY_SECONDS)
        for key, pid, _ in self.store.workers():
            self._keys[pid].add(key)
        return self.running(pids)

    def kill(self, what: str, pids: list[int], held: set[str] | None = None) -> None:
        """SIGKILL processes, and note what they ran."""
        jobs = self.hold(pids) if held is None else held
        kill(pids)
        time.sleep(_ON_ITS_WAY_SECONDS)
        jobs |= self.running(pids)
        self.harms.append(Harm(what, jobs))
        self.log(f"{what} {pids}, which ran {len(jobs)}: {' '.join(sorted(jobs))}")

    def freeze(self, what: str, pids: list[int], seconds: float, *, harmful: bool) -> None:
        """SIGSTOP processes, to be woken after so many seconds."""
        jobs = self.hold(pids)
        harm = Harm(what, jobs) if harmful else None
        if harm is not None:
            self.harms.append(harm)
        self._frozen.append(_Frozen(pids, harm, time.monotonic() + seconds))
        self.log(f"{what} {pids} for {seconds:.1f} s, which ran {len(jobs)}")

    def orphan(self, member: Member) -> None:
        """SIGKILL a supervisor: its workers are to end by themselves, and gracefully."""
        self._orphans |= set(member.workers())
        member.killed = True
        kill([member.pid])
        self.log(f"kill supervisor {member.name} [{member.pid}]")

    def stop(self) -> list[int]:
        """Have all end as a deploy does; return their exit codes."""
        for one in self._frozen:
            one.until = 0.0
        self.wait_until_ready()
        self.wait_for_leaving()
        for member in self.members:
            member.send(signal.SIGTERM)
        codes = [_wait(member) for member in self.members]
        self.log(f"the end: exit codes {codes}")
        return codes

    def destroy(self) -> None:
        """Leave nothing behind."""
        for member in self.members:
            if member.code is None:
                kill([member.pid, *member.workers()])
        kill(self._orphans)


def _wait(member: Child) -> int:
    try:
        return member.wait(_STOP_SECONDS)
    except subprocess.TimeoutExpired:
        return -1
