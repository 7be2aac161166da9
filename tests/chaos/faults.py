"""Single faults, one after the other, each with a number that other queues publish or should.

`python -m tests.chaos --faults --store postgres`: no fault, five kill -9, a restart of the server,
a zombie that wakes beside its successor, and one that fails then. With `--poison` also jobs that
kill their worker.
"""

import shutil
import sys
import time
import traceback
from collections.abc import Callable, Collection, Sequence
from pathlib import Path

from tests.chaos.stage import Broken, Stage, expect, on_stage
from tests.chaos.store import TITLES

JOBS = 1000
KILLS = 5
DOWN_SECONDS = 3.0
BACK_AT_WORK_SECONDS = 5.0
#: The promise for another machine. On the same one a look each 5 s is enough, and a new worker's.
RESCUE_SECONDS = 30.0
#: Jobs that run beside a poison.
BYSTANDERS = 50


def no_fault(stage: Stage) -> str:
    """Each of 1,000 jobs runs exactly once."""
    started = time.monotonic()
    stage.enqueue("work", JOBS, seconds=0.02)
    stage.rest()
    stage.ran_once(JOBS)
    return f"{JOBS} jobs, each once, in {time.monotonic() - started:.1f} s"


def five_kills(stage: Stage) -> str:
    """No job is lost or stuck; only what was in flight runs twice; the rest soon, elsewhere."""
    stage.enqueue("work", JOBS, seconds=0.1)
    waits = []
    in_flight: set[str] = set()
    for _ in range(KILLS):
        stage.ended_more(JOBS // 10)
        member = stage.fleet.members[0]
        at = time.time()
        member.killed = True
        stage.fleet.kill(f"kill -9 worker {member.name}", [member.pid])
        jobs = stage.fleet.harms[-1].jobs
        in_flight |= jobs
        waits += stage.began_again(jobs, at)
    stage.rest()
    twice = stage.twice()
    expect(stage.done() == JOBS, f"{JOBS - stage.done()} jobs are lost")
    expect(twice <= in_flight, f"twice, and not in flight: {sorted(twice - in_flight)}")
    expect(max(waits, default=0) <= RESCUE_SECONDS, f"rescued only after {max(waits):.1f} s")
    rescued = f"{min(waits):.1f} to {max(waits):.1f} s" if waits else "none was to be rescued"
    return f"0 lost, 0 stuck, {len(twice)} twice of {len(in_flight)} in flight; rescue {rescued}"


def server_restart(stage: Stage) -> str:
    """Three seconds without a server: the same processes are at work soon, and nothing is twice."""
    stage.enqueue("work", JOBS, seconds=0.1)
    stage.ended_more(JOBS // 5)
    pids = {member.pid for member in stage.fleet.members}
    stage.store.server.stop("fast")
    time.sleep(DOWN_SECONDS)
    stage.store.server.start()
    back = time.time()
    stage.until(lambda: stage.at_work_since(back) >= pids, "both workers are at work")
    took = time.time() - back
    stage.rest()
    stage.ran_once(JOBS)
    expect(took <= BACK_AT_WORK_SECONDS, f"at work only after {took:.1f} s")
    expect({member.pid for member in stage.fleet.members} == pids, "a worker ended")
    return f"0 stuck, 0 lost, 0 twice; same processes, at work after {took:.2f} s"


def zombie(stage: Stage) -> str:
    """A frozen worker wakes while its job runs elsewhere, and ends first: the second run counts."""
    return _zombie(stage, "")


def zombie_that_fails(stage: Stage) -> str:
    """As before, and the first run fails: that neither ends nor retries the second."""
    return _zombie(stage, "fail")


def _zombie(stage: Stage, words: str) -> str:
    stage.enqueue("held", 1)
    [job] = stage.jobs
    one = stage.until(lambda: stage.runs_of(job), "the first run begins")[0]
    seconds = stage.silence + 11
    stage.fleet.freeze("freeze", [one.pid], seconds, harmful=True)
    two = stage.until(lambda: stage.runs_of(job)[1:], "the second run begins")[0]
    stage.until(lambda: not stage.fleet.has_frozen(), "the zombie wakes")
    (stage.store.folder / f"release-{job}-1").write_text(words)
    stage.until(lambda: stage.said_of(one.pid, "LeaseLost"), "the zombie has lost its lease")
    running = stage.store.query("SELECT state, tries FROM django_repid_message")
    expect(list(map(tuple, running)) == [(1, 0)], f"the second run was disturbed: {running}")
    (stage.store.folder / f"release-{job}-2").write_text("")
    stage.rest()
    results = stage.store.query("SELECT data, success FROM django_repid_bucket")
    expect([(data, bool(ok)) for data, ok in results] == [("2", True)], f"results: {results}")
    failures = stage.store.query("SELECT exception FROM django_repid_failure")
    expect(not failures, f"the zombie left failures: {failures}")
    return f"second run after {two.at - one.at:.1f} s; the first changed nothing, the second counts"


def frozen_on_sqlite(stage: Stage) -> str:
    """A frozen worker holds its locked file: its job waits for it, and runs once."""
    stage.enqueue("held", 1)
    [job] = stage.jobs
    one = stage.until(lambda: stage.runs_of(job), "the job begins")[0]
    stage.fleet.freeze("freeze", [one.pid], stage.silence + 11, harmful=False)
    stage.until(lambda: not stage.fleet.has_frozen(), "the worker wakes")
    (stage.store.folder / f"release-{job}-1").write_text("")
    stage.rest()
    stage.ran_once(1)
    return f"not run elsewhere while frozen for {stage.silence + 11:.0f} s"


def poison_exit(stage: Stage) -> str:
    return _poison(stage, "exits")


def poison_segfault(stage: Stage) -> str:
    return _poison(stage, "segfaults")


def _poison(stage: Stage, how: str) -> str:
    """Only the poison ends as a dead letter, however many ran beside it; the fleet recovers."""
    started = time.monotonic()
    half = BYSTANDERS // 2
    stage.enqueue("work", half, seconds=0.2)
    stage.enqueue("work", 1, seconds=0.001)
    stage.enqueue(how, 1)
    poison = stage.jobs[-1]
    stage.enqueue("work", half - 1, seconds=0.2)
    stage.rest(seconds=240)
    expect(stage.done() == BYSTANDERS, f"only {stage.done()} of {BYSTANDERS} bystanders are done")
    columns = "message_id, state, dead_reason, crashes"
    dead = stage.store.query(f"SELECT {columns} FROM django_repid_message")
    expect([row[0] for row in dead] == [poison], f"left in the queue: {dead}")
    [(_, _, reason, crashes)] = dead
    expect("Quarantined" in reason, f"its reason is {reason!r}")
    deaths = len(stage.runs_of(poison))
    took = time.monotonic() - started
    return f"quarantined after {deaths} runs ({crashes} crashes) in {took:.0f} s; {BYSTANDERS} done"


Fault = Callable[[Stage], str]
FAULTS: Sequence[tuple[Fault, Collection[str]]] = (
    (no_fault, ("sqlite", "postgres", "mariadb")),
    (five_kills, ("sqlite", "postgres", "mariadb")),
    (server_restart, ("postgres", "mariadb")),
    (zombie, ("postgres", "mariadb")),
    (zombie_that_fails, ("postgres", "mariadb")),
    (frozen_on_sqlite, ("sqlite",)),
)
POISONS: Sequence[tuple[Fault, Collection[str]]] = (
    (poison_exit, ("sqlite", "postgres", "mariadb")),
    (poison_segfault, ("sqlite", "postgres", "mariadb")),
)


def run_all(stores: Sequence[str], where: Path, *, faults: bool, poison: bool) -> int:
    """Run each fault on each store; return 1 if a promise was broken."""
    broken = 0
    for name in stores:
        print(TITLES[name], flush=True)
        chosen = [*(FAULTS if faults else ()), *(POISONS if poison else ())]
        for fault in [fault for fault, on in chosen if name in on]:
            broken += not _run(fault, name, where / f"{name}-{fault.__name__}")
    return int(broken > 0)


def _run(fault: Fault, name: str, folder: Path) -> bool:
    shutil.rmtree(folder, ignore_errors=True)
    try:
        with on_stage(name, folder) as stage:
            said = fault(stage)
    except (Broken, TimeoutError) as error:
        print(f"  {fault.__name__:<20}BROKEN: {error} (evidence: {folder})", flush=True)
        return False
    except Exception:
        traceback.print_exc(file=sys.stdout)
        return False
    print(f"  {fault.__name__:<20}{said}", flush=True)
    shutil.rmtree(folder)
    return True
