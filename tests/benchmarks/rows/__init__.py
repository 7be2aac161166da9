"""The rows of the benchmark: each measures a goal, and says how far it was reached."""

from collections.abc import Callable
from dataclasses import dataclass
from importlib import import_module

from tests.benchmarks.figures import Outcome
from tests.benchmarks.scales import Scale
from tests.benchmarks.systems import System

MODULES = ("drains", "workers", "waits", "enqueues", "latencies", "costs", "states", "rest")


@dataclass
class Bench:
    """What a row is told."""

    scale: Scale
    rivals: bool = True

    def chosen(self, systems: list[System]) -> list[System]:
        """Leave the rivals out, if they are not wanted."""
        return [one for one in systems if self.rivals or not one.rival]


Measure = Callable[[Bench, Outcome], None]


@dataclass
class Row:
    """One row: its name on the command line, its title in the docs, and what measures it."""

    name: str
    title: str
    measure: Measure
    #: Whether it runs only when it is asked for.
    long: bool = False


ROWS: dict[str, Row] = {}


def row(name: str, title: str, *, long: bool = False) -> Callable[[Measure], Measure]:
    """Register a row."""

    def register(measure: Measure) -> Measure:
        ROWS[name] = Row(name, title, measure, long)
        return measure

    return register


def all_rows() -> dict[str, Row]:
    """Return the rows in the order in which they are measured and shown."""
    for module in MODULES:  # they register themselves
        import_module(f"{__name__}.{module}")
    return ROWS
