"""How much is measured: for the docs, for a look, or only to see that the benchmark works."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Scale:
    """The sizes of all measurements."""

    name: str
    rounds: int
    #: How long a drain shall last, and how many jobs it has at least.
    seconds: float
    least_jobs: int
    #: The trial that finds out how many jobs that is, as a share of the drain; 1: none is made.
    trial: float
    #: Samples of a latency, in each round.
    samples: int
    #: Single enqueues: turns, and how many of each kind in a turn.
    turns: int
    turn: int
    bulk: int
    #: Rows of each kind behind which the drained jobs wait, and how many those are.
    depth: int
    shallow: int
    age: int
    idle_seconds: float
    boots: int


SCALES = {
    scale.name: scale
    for scale in (
        Scale(
            name="smoke", rounds=1, seconds=0.2, least_jobs=100, trial=1, samples=3, turns=2,
            turn=20, bulk=200, depth=1_000, shallow=200, age=1_000, idle_seconds=2, boots=1,
        ),
        Scale(
            name="quick", rounds=1, seconds=1, least_jobs=200, trial=1, samples=7, turns=6,
            turn=50, bulk=10_000, depth=50_000, shallow=10_000, age=50_000, idle_seconds=3,
            boots=2,
        ),
        Scale(
            name="full", rounds=3, seconds=5, least_jobs=1_000, trial=0.2, samples=60, turns=20,
            turn=200, bulk=50_000, depth=1_000_000, shallow=10_000, age=200_000, idle_seconds=20,
            boots=5,
        ),
    )
}  # fmt: skip
