"""What a measurement gives: figures, goals beside them, and the file they are kept in."""

import json
import math
import statistics
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

RESULTS = Path(__file__).parent / "results"
RECORDED = "recorded"


@dataclass
class Figure:
    """One measured thing of one system: a value from each round, the median of which counts."""

    label: str
    unit: str
    values: list[float] = field(default_factory=list)
    #: Further numbers of each round. RECORDED is the rate until the store had recorded the last.
    also: dict[str, list[float]] = field(default_factory=dict)
    #: Settings, counts, and other words beside the figure.
    note: str = ""
    #: The command that started what was measured.
    command: str = ""
    error: str = ""
    rival: bool = False

    @property
    def value(self) -> float:
        return statistics.median(self.values) if self.values else math.nan

    def median(self, name: str) -> float:
        """Return the median of one of the further numbers."""
        return statistics.median(self.also[name]) if self.also.get(name) else math.nan

    def add(self, name: str, value: float) -> None:
        """Add one of the further numbers."""
        self.also.setdefault(name, []).append(value)

    @property
    def counted(self) -> float:
        """The figure that is compared: recorded, where that was measured."""
        return self.median(RECORDED) if RECORDED in self.also else self.value


@dataclass
class Goal:
    """A goal and what was reached of it."""

    text: str
    result: float
    wanted: float
    unit: str = "×"
    at_least: bool = True

    @property
    def share(self) -> float:
        """How far the goal was reached; 1 or more is reached."""
        low, high = (self.wanted, self.result) if self.at_least else (self.result, self.wanted)
        return high / low if low else math.inf

    @property
    def met(self) -> bool:
        return self.share >= 1


@dataclass
class Outcome:
    """All that one row of the benchmark found."""

    name: str
    title: str = ""
    command: str = ""
    figures: list[Figure] = field(default_factory=list)
    goals: list[Goal] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    error: str = ""
    seconds: float = 0.0
    #: When and at which commit, since rows may be measured apart.
    date: str = ""
    commit: str = ""

    def figure(self, label: str) -> Figure:
        """Return the figure of this label; an empty one if there is none."""
        found = [one for one in self.figures if one.label == label]
        return found[0] if found else Figure(label, "")

    def compare(self, text: str, ours: str, theirs: str, wanted: float) -> None:
        """Add the goal that `ours` is `wanted` times `theirs`, if both were measured."""
        mine, other = self.figure(ours), self.figure(theirs)
        if mine.values and other.values:
            self.goals.append(Goal(text, mine.counted / other.counted, wanted))

    def limit(self, text: str, result: float, most: float, unit: str) -> None:
        """Add the goal that a number is at most so high."""
        if not math.isnan(result) and not math.isnan(most):
            self.goals.append(Goal(text, result, most, unit, at_least=False))


def save(path: Path, about: dict[str, Any], outcomes: list[Outcome]) -> None:
    """Write the raw results; rows that this run did not measure stay as they were."""
    kept = load(path)[1] if path.exists() else []
    fresh = {outcome.name: outcome for outcome in outcomes}
    merged = [fresh.pop(one.name, one) for one in kept] + list(fresh.values())
    path.parent.mkdir(parents=True, exist_ok=True)
    document = {"about": about, "rows": [_rounded(asdict(one)) for one in merged]}
    path.write_text(json.dumps(document, indent=1, ensure_ascii=False) + "\n")


def load(path: Path) -> tuple[dict[str, Any], list[Outcome]]:
    """Read what `save` wrote."""
    document = json.loads(path.read_text())
    return document["about"], [_outcome(row) for row in document["rows"]]


def _outcome(row: dict[str, Any]) -> Outcome:
    figures = [Figure(**one) for one in row.pop("figures")]
    goals = [Goal(**one) for one in row.pop("goals")]
    return Outcome(**row, figures=figures, goals=goals)


def _rounded(value: Any) -> Any:
    if isinstance(value, float):
        return float(f"{value:.4g}")
    if isinstance(value, dict):
        return {key: _rounded(one) for key, one in value.items()}
    if isinstance(value, list):
        return [_rounded(one) for one in value]
    return value


def percentile(values: list[float], percent: float) -> float:
    """Return the value below which `percent` of the values lie."""
    ordered = sorted(values)
    return ordered[min(int(len(ordered) * percent / 100), len(ordered) - 1)]
