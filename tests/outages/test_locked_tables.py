"""Somebody locks the queue's tables for longer than the silence, as a migration does."""

import time
from collections.abc import Iterator
from contextlib import closing, contextmanager

import pytest

from tests.outages.kit import BACK_AT_WORK_SECONDS, Stage, eventually

pytestmark = [pytest.mark.harsh, pytest.mark.timeout(120)]

LOCKED_SECONDS = 6.0
UNTIL_SWEPT_SECONDS = 6.0


@contextmanager
def locked(stage: Stage, table: str) -> Iterator[None]:
    with closing(stage.server.connect("outage")) as other:
        cursor = other.cursor()
        if stage.kind == "postgres":
            cursor.execute("BEGIN")
            cursor.execute(f"LOCK TABLE {table} IN ACCESS EXCLUSIVE MODE")
        else:
            cursor.execute(f"LOCK TABLES {table} WRITE")
        yield


@pytest.mark.parametrize(
    "table", ["django_repid_message", "django_repid_workerprocess", "django_repid_bucket"]
)
def test_two_workers_keep_their_jobs_while_a_table_is_locked_for_longer_than_the_silence(
    stage: Stage, table: str
) -> None:
    stage.enqueue("held", 0)
    stage.enqueue("held_async", 1)
    with stage.worker("w1") as one, stage.worker("w2") as two:
        eventually(lambda: stage.began(0, 1))
        with locked(stage, table):
            stage.release(0)
            time.sleep(LOCKED_SECONDS)
        eventually(lambda: len(stage.messages()) == 1, BACK_AT_WORK_SECONDS)
        time.sleep(UNTIL_SWEPT_SECONDS)
        stage.release(1)
        stage.all_is_done(BACK_AT_WORK_SECONDS)
        one.stop()
        two.stop()

    stage.each_ran_once(2)
    assert "dead" not in one.said + two.said
    assert "Traceback" not in one.said + two.said
