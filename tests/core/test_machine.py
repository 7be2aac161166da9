"""How many CPUs a process may use: what it may run on, and what its container has of it."""

import os
from pathlib import Path

import pytest

from django_repid.core import machine


@pytest.fixture
def quota(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(machine, "_CGROUP_QUOTA", tmp_path / "cpu.max")
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: set(range(6)), raising=False)
    return tmp_path / "cpu.max"


@pytest.mark.parametrize(
    ("text", "count"),
    [("max 100000", 6), ("200000 100000", 2), ("150000 100000", 2), ("5000 100000", 1), ("", 6)],
)
def test_the_quota_of_a_container_is_heeded(quota: Path, text: str, count: int) -> None:
    quota.write_text(text + "\n")

    assert machine.cpus() == count


def test_without_a_container_it_is_what_the_process_may_run_on(quota: Path) -> None:
    assert not quota.exists()
    assert machine.cpus() == 6


def test_where_that_cannot_be_asked_it_is_what_the_machine_has(
    quota: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delattr(os, "sched_getaffinity")
    monkeypatch.setattr(os, "cpu_count", lambda: 3)

    assert machine.cpus() == 3
