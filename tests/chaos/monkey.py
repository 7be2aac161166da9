"""What goes wrong in a run, drawn by lot: the same seed makes the same plan."""

import random
import signal
import time
from collections.abc import Callable
from dataclasses import dataclass

from tests.chaos.fleet import Fleet
from tests.chaos.processes import Child, kill, send

#: How often workers look for dead ones: a frozen one is found after the silence, at a look.
SWEEP_SECONDS = 5.0


@dataclass(frozen=True, slots=True)
class Share:
    """How many of one kind of action come with so many kills; at least one."""

    of: str
    each: float
    needs_server: bool = False


SHARES = (
    Share("freeze_long", 5),
    Share("freeze_short", 3),
    Share("deploy", 4),
    Share("kill_supervisor", 10),
    Share("kill_group", 10),
    Share("kill_producer", 10),
    Share("restart_fast", 8, needs_server=True),
    Share("restart_immediate", 8, needs_server=True),
    Share("kill_server", 8, needs_server=True),
    Share("kill_in_outage", 10, needs_server=True),
)


def plan(chance: random.Random, kills: int, *, has_server: bool) -> list[str]:
    """Return the names of the actions, in their order; `kills` counts all SIGKILLs of workers."""
    actions: list[str] = []
    for share in SHARES:
        if has_server or not share.needs_server:
            actions += [share.of] * max(1, round(kills / share.each))
    of_others = sum(one in ("kill_group", "kill_in_outage") for one in actions)
    actions += ["kill_worker"] * max(1, kills - of_others)
    chance.shuffle(actions)
    return actions


class Monkey:
    """Does what the plan says to a fleet, its producer and its server."""

    def __init__(
        self, fleet: Fleet, producer: Child, chance: random.Random, silence: float
    ) -> None:
        self._fleet = fleet
        self._producer = producer
        self._chance = chance
        self._silence = silence
        self.done: dict[str, int] = {}

    def do(self, action: str) -> None:
        deed: Callable[[], None] = getattr(self, f"_{action}")
        deed()
        self.done[action] = self.done.get(action, 0) + 1

    def _victim(self) -> int:
        return self._chance.choice([pid for _, pid in self._fleet.victims()])

    # ---- Workers.

    def _kill_worker(self) -> None:
        member, pid = self._chance.choice(self._fleet.victims())
        member.killed = member.processes == 1
        self._fleet.kill(f"kill -9 worker {member.name}", [pid])

    def _kill_group(self) -> None:
        """A supervisor and all its processes, as when a machine is taken away."""
        member = self._chance.choice([m for m in self._fleet.members if m.processes > 1])
        member.killed = True
        self._fleet.kill(f"kill -9 group {member.name}", [member.pid, *member.workers()])

    def _kill_supervisor(self) -> None:
        member = self._chance.choice([m for m in self._fleet.members if m.processes > 1])
        self._fleet.orphan(member)

    def _freeze_long(self) -> None:
        """Long enough to be taken for dead."""
        seconds = self._silence + SWEEP_SECONDS + self._chance.uniform(1, 4)
        self._fleet.freeze("freeze beyond the silence", [self._victim()], seconds, harmful=True)

    def _freeze_short(self) -> None:
        """Not long enough: a busy machine, a page fault, a debugger."""
        seconds = self._silence * self._chance.uniform(0.1, 0.4)
        self._fleet.freeze("freeze a moment", [self._victim()], seconds, harmful=False)

    def _deploy(self) -> None:
        ready = [m for m, _ in self._fleet.victims() if self._fleet.is_ready(m)]
        if not ready:
            return
        member = self._chance.choice(ready)
        member.told = True
        member.send(signal.SIGTERM)
        self._fleet.log(f"SIGTERM {member.name} [{member.pid}]")

    def _kill_producer(self) -> None:
        self._fleet.log(f"kill -9 producer [{self._producer.pid}]")
        kill([self._producer.pid])

    # ---- The server.

    def _restart_fast(self) -> None:
        self._outage("fast")

    def _restart_immediate(self) -> None:
        self._outage("immediate")

    def _kill_server(self) -> None:
        self._outage("kill")

    def _kill_in_outage(self) -> None:
        """A worker that dies while the store is away, with ends that nobody has taken."""
        member, pid = self._chance.choice(self._fleet.victims())
        member.killed = member.processes == 1
        held = self._fleet.hold([pid])
        self._fleet.outages += 1
        self._fleet.store.server.stop("fast")
        self._fleet.log("server stopped (fast), for a kill meanwhile")
        send([pid], signal.SIGCONT)
        time.sleep(1.0)
        kill([pid])
        self._fleet.store.server.start()
        self._fleet.kill(f"kill -9 worker {member.name} while the server was down", [pid], held)

    def _outage(self, how: str) -> None:
        self._fleet.wait_for_leaving()
        self._fleet.outages += 1
        server = self._fleet.store.server
        self._fleet.log(f"server: {how}")
        server.kill() if how == "kill" else server.stop(how)
        time.sleep(self._chance.choice((0.0, 0.5, 3.0)))
        server.start()
        self._fleet.log("server: back")
