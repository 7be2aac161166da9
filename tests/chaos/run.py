"""One run: a producer, a fleet and a monkey on one store; then the reckoning."""

import json
import random
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.chaos import evidence, records
from tests.chaos.fleet import Fleet
from tests.chaos.monkey import Monkey, plan
from tests.chaos.processes import Child, eventually, kill
from tests.chaos.store import Store, open_store
from tests.chaos.verdict import Verdict, false_deaths, judge

#: How long a run may take to come to rest: looks for orphaned jobs come once a minute.
REST_SECONDS = 90.0
_TICK_SECONDS = 0.2


@dataclass(frozen=True, slots=True)
class Terms:
    """How a run is to be. `pause`: seconds between two actions, on average."""

    jobs: int
    kills: int
    seed: int
    pause: float
    silence: float
    beat: float
    #: The worker processes of each member of the fleet.
    sizes: tuple[int, ...] = (1, 1, 2)

    @property
    def options(self) -> str:
        numbers = {
            "SILENCE_SECONDS": self.silence,
            "BEAT_SECONDS": self.beat,
            "THREADS": 4,
            "DATABASE_LANES": 4,
        }
        return json.dumps(numbers)


class Production:
    """The producer, started again with the rest of its jobs whenever it ends too early."""

    def __init__(self, store: Store, terms: Terms, seconds: float) -> None:
        self._store = store
        self._terms = terms
        self._ends = time.monotonic() + seconds
        self._count = 0
        self.child = Child("producer", (), store.environment, store.folder)

    def goes_on(self) -> bool:
        """Whether jobs are still to come; starts whoever makes them."""
        if self._count and self.child.code is None:
            return True
        left = self._terms.jobs - len(records.lines_of(self._store.folder / records.LEDGER))
        if left <= 0:
            return False
        self._count += 1
        seconds = max(1.0, self._ends - time.monotonic())
        what = (f"p{self._count}", str(left), f"{seconds:.1f}", str(self._terms.seed))
        self.child.arguments = ["tests.chaos.producer", *what]
        self.child.start()
        return True


def run(name: str, terms: Terms, folder: Path, *, atomic: bool) -> Verdict:
    """Run on one store; leave evidence in `folder` where a promise was broken."""
    started = time.monotonic()
    with open_store(name, folder, terms.options) as store:
        fleet = Fleet(store, terms.sizes)
        chance = random.Random(f"{terms.seed} {name}")
        actions = plan(chance, terms.kills, has_server=store.server is not None)
        production = Production(store, terms, terms.pause * (len(actions) + 1))
        monkey = Monkey(fleet, production.child, chance, terms.silence)
        pauses = [terms.pause * chance.uniform(0.5, 1.5) for _ in actions]
        troubles = []
        try:
            troubles = _story(fleet, production, monkey, actions, pauses)
        finally:
            fleet.destroy()
            if production.child.code is None:
                kill([production.child.pid])
        verdict = judge(store, fleet.harms, atomic=atomic)
        verdict.violations += troubles + fleet.wrong
        _judge_the_living(verdict, fleet, store, monkey)
        verdict.deeds = monkey.done
        verdict.seconds = time.monotonic() - started
        if verdict.violations:
            evidence.write(store, fleet, verdict)
    return verdict


def _story(
    fleet: Fleet, production: Production, monkey: Monkey, actions: list[str], pauses: list[float]
) -> list[str]:
    """Let everything happen, and wait until it has come to rest; return what went wrong."""
    try:
        production.goes_on()
        fleet.start()
        for action, pause in zip(actions, pauses, strict=True):
            _wait(fleet, production, pause)
            eventually(lambda: _somebody_left(fleet, production), "somebody can be harmed", 60)
            monkey.do(action)
        eventually(lambda: _at_rest(fleet, production), "all jobs are done", REST_SECONDS)
        codes = fleet.stop()
    except TimeoutError as error:
        return [str(error)]
    return [f"exit codes {codes}"] if any(codes) else []


def _wait(fleet: Fleet, production: Production, seconds: float) -> None:
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        _tick(fleet, production)


def _tick(fleet: Fleet, production: Production) -> bool:
    fleet.tick()
    time.sleep(_TICK_SECONDS)
    return production.goes_on()


def _somebody_left(fleet: Fleet, production: Production) -> bool:
    _tick(fleet, production)
    return len(fleet.victims()) >= 2


def _at_rest(fleet: Fleet, production: Production) -> bool:
    busy = _tick(fleet, production)
    return not busy and not fleet.has_frozen() and not fleet.store.waiting()


def _judge_the_living(verdict: Verdict, fleet: Fleet, store: Store, monkey: Monkey) -> None:
    names = [member.name for member in fleet.members]
    if wrongly := false_deaths(store.folder, names, monkey.done.get("freeze_long", 0)):
        verdict.violations.append(f"{wrongly} living workers were taken for dead")
    left: list[Any] = store.workers()
    if left and not verdict.violations:
        verdict.violations.append(f"workers that are still registered: {left}")
