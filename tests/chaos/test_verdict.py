"""The reckoning itself: whatever goes wrong is found, and a run in which nothing does is clean."""

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from tests.chaos import records
from tests.chaos.fleet import Harm
from tests.chaos.samples import METRICS, trends
from tests.chaos.store import DEAD, READY, RUNNING
from tests.chaos.verdict import Verdict, judge

HOPELESS = ("p1-000003-hopeless", DEAD, "RuntimeError: fails on purpose", 2)


class Run:
    """A run that went well, to be spoiled by a test."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.ledger = ["p1-000001-sync", "p1-000002-atomic", "p1-000003-hopeless"]
        self.ended = ["p1-000001-sync", "p1-000002-atomic"]
        self.messages: list[tuple[str, int, str, int]] = [HOPELESS]
        self.orders = list(self.ledger)
        self.rows = ["p1-000001-sync", "p1-000002-atomic"]
        self.results = ["p1-000001-sync", "p1-000002-atomic"]
        self.rolled_back: list[str] = []
        self.doubtful: list[str] = []
        self.harms: list[Harm] = []

    def verdict(self) -> Verdict:
        def write(name: str, lines: list[str]) -> None:
            records.append(self.folder / name, lines)

        write(records.LEDGER, self.ledger)
        write(records.ROLLED_BACK, self.rolled_back)
        write(records.DOUBTFUL, self.doubtful)
        lines = [f"{event} {job} 7 1.5" for job in self.ended for event in ("began", "ended")]
        write(records.EFFECTS, lines)
        store: Any = SimpleNamespace(name="sqlite", folder=self.folder, query=self._query)
        return judge(store, self.harms, atomic=True)

    def _query(self, sql: str) -> list[Any]:
        tables: dict[str, list[Any]] = {
            "django_repid_message": list(self.messages),
            "chaos_order": [(job,) for job in self.orders],
            "chaos_effect": [(job,) for job in self.rows],
            "django_repid_bucket": [(job,) for job in self.results],
        }
        return next(found for table, found in tables.items() if table in sql)


@pytest.fixture
def run(tmp_path: Path) -> Run:
    return Run(tmp_path)


def test_a_run_in_which_nothing_went_wrong_is_clean(run: Run) -> None:
    verdict = run.verdict()

    assert verdict.violations == []
    assert (verdict.jobs, verdict.lost, verdict.stuck, verdict.duplicates) == (3, 0, 0, 0)


def test_an_acknowledged_job_that_is_nowhere_is_lost(run: Run) -> None:
    run.ledger.append("p1-000004-async")

    verdict = run.verdict()

    assert verdict.violations == ["1 lost: p1-000004-async"]
    assert verdict.lost == 1


@pytest.mark.parametrize(
    ("state", "says"), [(READY, "never claimed"), (RUNNING, "running, and nobody runs them")]
)
def test_what_is_left_in_the_queue_is_stuck(run: Run, state: int, says: str) -> None:
    run.ledger.append("p1-000004-async")
    run.messages.append(("p1-000004-async", state, "", 0))

    verdict = run.verdict()

    assert verdict.violations == [f"1 {says}: p1-000004-async"]
    assert (verdict.lost, verdict.stuck) == (0, 1)


def test_a_second_effect_is_allowed_once_for_each_harm_that_met_the_job(run: Run) -> None:
    run.ended += ["p1-000001-sync"] * 2
    run.harms = [Harm("kill", {"p1-000001-sync"}), Harm("kill", {"p1-000001-sync"})]

    verdict = run.verdict()

    assert verdict.violations == []
    assert (verdict.duplicates, verdict.allowed) == (2, 2)


def test_a_second_effect_beyond_the_harms_is_a_broken_promise(run: Run) -> None:
    run.ended += ["p1-000001-sync"] * 2
    run.harms = [Harm("kill", {"p1-000001-sync"}), Harm("kill", {"p1-000002-atomic"})]

    [text] = run.verdict().violations

    assert text.startswith("1 run twice, and not claimed by any worker that was harmed")


def test_an_atomic_job_runs_twice_and_has_one_effect_whatever_was_harmed(run: Run) -> None:
    run.ended.append("p1-000002-atomic")  # it ran again, and that was rolled back

    assert run.verdict().violations == []


def test_a_second_effect_of_an_atomic_job_is_allowed_by_no_harm(run: Run) -> None:
    run.rows.append("p1-000002-atomic")
    run.harms = [Harm("kill", {"p1-000002-atomic"})]

    assert run.verdict().violations == ["1 atomic, and run twice: p1-000002-atomic"]


def test_a_job_of_a_transaction_that_was_rolled_back_must_not_be_seen(run: Run) -> None:
    run.rolled_back.append("p1-000004-sync")
    run.messages.append(("p1-000004-sync", READY, "", 0))

    assert "1 rolled back, and yet there: p1-000004-sync" in run.verdict().violations


def test_a_row_without_its_job_is_half_a_commit(run: Run) -> None:
    run.doubtful.append("p1-000004-sync rows")
    run.orders.append("p1-000004-sync")

    [text] = run.verdict().violations

    assert text.startswith("1 half committed")


def test_work_without_a_result_is_a_broken_promise(run: Run) -> None:
    run.results.remove("p1-000001-sync")

    assert run.verdict().violations == ["1 done without a result: p1-000001-sync"]


def test_a_dead_letter_is_expected_of_hopeless_jobs_after_their_tries_only(run: Run) -> None:
    run.ledger.append("p1-000004-sync")
    run.messages = [
        (*HOPELESS[:3], 1),
        ("p1-000004-sync", DEAD, "Quarantined: no", 0),
    ]

    assert run.verdict().violations == [
        "1 unexpected dead letters ({'Quarantined: no'}): p1-000004-sync",
        "1 dead letters with a wrong number of tries: p1-000003-hopeless",
    ]


def test_a_line_is_flat_if_its_last_quarter_is_not_far_above_the_second() -> None:
    def rising_to(last: float) -> bool:
        samples = [{metric.name: 100.0 for metric in METRICS} for _ in range(8)]
        samples[-2:] = [{**one, "rss_mb": last} for one in samples[-2:]]
        return {one.metric.name: one.is_flat for one in trends(samples)}["rss_mb"]

    assert rising_to(129)
    assert not rising_to(131)
