"""A SQLite file that cannot be written for a while."""

import os
import sqlite3
import subprocess
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import pytest

from tests.outages.kit import (
    BACK_AT_WORK_SECONDS,
    BROKER_SAYS,
    eventually,
    on_sqlite,
    said_it_once,
)

pytestmark = [pytest.mark.harsh, pytest.mark.timeout(120)]

DISK_BYTES = 4 * 1024 * 1024
RESULT_BYTES = 500_000


@contextmanager
def small_disk(folder: Path) -> Iterator[Path]:
    """A disk of 4 MiB; only root may mount one."""
    disk = folder / "disk"
    disk.mkdir()
    size = f"size={DISK_BYTES}"
    subprocess.run(["mount", "-t", "tmpfs", "-o", size, "tmpfs", str(disk)], check=True)
    try:
        yield disk
    finally:
        subprocess.run(["umount", "--lazy", str(disk)], check=True)


@contextmanager
def full(disk: Path) -> Iterator[None]:
    """Fill what is free with something else, and remove that."""
    filler = disk / "filler"
    with filler.open("wb", buffering=0) as file:
        try:
            while file.write(b"x" * 4096):
                pass
        except OSError as error:
            assert error.errno == 28, error  # noqa: PT017 - no space left on device
    assert os.statvfs(disk).f_bavail == 0
    try:
        yield
    finally:
        filler.unlink()


def test_a_full_disk_is_waited_for_and_what_ended_meanwhile_is_settled(tmp_path: Path) -> None:
    with small_disk(tmp_path) as disk, on_sqlite(disk) as stage:
        stage.enqueue("bulky", 0, size=RESULT_BYTES)
        with stage.worker() as worker:
            eventually(lambda: stage.began(0))
            with full(disk):
                stage.release(0)
                eventually(lambda: BROKER_SAYS in worker.said)
                time.sleep(2)
                assert len(stage.messages()) == 1

            stage.all_is_done(BACK_AT_WORK_SECONDS)
            stage.enqueue("short", 1)
            stage.all_is_done(BACK_AT_WORK_SECONDS)
            worker.stop()
        stage.each_ran_once(2)
        said_it_once(worker)


@pytest.mark.parametrize("journal", ["WAL", "DELETE"])
def test_a_file_that_another_process_locks_for_longer_than_the_timeout_is_waited_for(
    tmp_path: Path, journal: str
) -> None:
    with on_sqlite(tmp_path, journal) as stage:
        stage.enqueue("held", 0)
        with stage.worker() as worker:
            eventually(lambda: stage.began(0))
            with closing(sqlite3.connect(stage.file, timeout=10, isolation_level=None)) as other:
                other.execute("BEGIN EXCLUSIVE")
                stage.release(0)
                eventually(lambda: BROKER_SAYS in worker.said)
                time.sleep(3)
                other.execute("COMMIT")

            stage.all_is_done(BACK_AT_WORK_SECONDS)
            stage.enqueue("short", 1)
            stage.all_is_done(BACK_AT_WORK_SECONDS)
            worker.stop()
        stage.each_ran_once(2)
        said_it_once(worker)


def test_a_file_that_is_locked_again_and_again_loses_no_job_and_runs_none_twice(
    tmp_path: Path,
) -> None:
    with on_sqlite(tmp_path) as stage:
        stage.enqueue("short", count=500)
        with stage.worker("w1") as one, stage.worker("w2") as two:
            eventually(lambda: len(stage.ledger("ended")) >= 20)
            with closing(sqlite3.connect(stage.file, timeout=10, isolation_level=None)) as other:
                for _ in range(3):
                    other.execute("BEGIN EXCLUSIVE")
                    time.sleep(1.5)
                    other.execute("COMMIT")
                    time.sleep(0.1)

            stage.all_is_done()
            one.stop()
            two.stop()
        stage.each_ran_once(500)
