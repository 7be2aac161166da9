"""A live worker keeps its jobs; one that was taken for dead changes nothing any more."""

import os
import signal
import time
from pathlib import Path

import pytest
from django.db import connection

from django_repid import Job
from django_repid.models import Bucket, Failure, Message, WorkerProcess
from tests.acceptance.kit import eventually, parent_of, worker
from tests.acceptance.processes import living, own_settings
from tests.acceptance.test_worker_command import started

pytestmark = [pytest.mark.harsh, pytest.mark.store, pytest.mark.django_db(transaction=True)]

SILENCE = 1.5
HASTY = (
    f'REPID = {{"default": {{"OPTIONS": {{"SILENCE_SECONDS": {SILENCE}, "BEAT_SECONDS": 0.3}}}}}}'
)


def say(folder: Path, pid: int, word: str) -> None:
    (folder / f"word-{pid}.new").write_text(word)
    (folder / f"word-{pid}.new").rename(folder / f"word-{pid}")


@pytest.mark.timeout(420)
@pytest.mark.parametrize(("settings", "seconds"), [(HASTY, 3 * SILENCE), ("", 300.0)])
def test_a_worker_whose_event_loop_is_blocked_keeps_its_jobs(
    tmp_path: Path, settings: str, seconds: float
) -> None:
    """Python code that never lets go of the loop, for long; also with the default silence."""
    own = own_settings(tmp_path, settings)
    with worker("--worker-id", "a", **own), worker("--worker-id", "b", **own):
        living(2)
        job = Job("block_the_loop", args={"seconds": seconds, "folder": str(tmp_path)})
        job.enqueue_sync()
        bucket = job.wait_sync(seconds + 30)

    assert [bucket.value] == started(tmp_path)
    assert Bucket.objects.get(bucket_id=job.result_id).tries == 0
    assert not Message.objects.exists()


def test_a_worker_that_is_stopped_for_less_than_the_silence_keeps_its_job(tmp_path: Path) -> None:
    hasty = own_settings(tmp_path, HASTY)
    job = Job("obey", args={"folder": str(tmp_path)})
    job.enqueue_sync()
    with worker("--worker-id", "a", **hasty), worker("--worker-id", "b", **hasty):
        living(2)
        (pid,) = eventually(lambda: started(tmp_path))
        for _ in range(4):
            os.kill(pid, signal.SIGSTOP)
            time.sleep(SILENCE / 3)
            os.kill(pid, signal.SIGCONT)
            time.sleep(SILENCE / 3)
        assert set(WorkerProcess.objects.values_list("name", flat=True)) == {"a", "b"}
        say(tmp_path, pid, "end")
        bucket = job.wait_sync(20)

    assert bucket.value == pid
    assert started(tmp_path) == [pid]


if connection.vendor != "sqlite":

    @pytest.mark.parametrize("word", ["end", "fail"])
    def test_one_that_wakes_while_the_second_run_goes_on_changes_nothing(
        tmp_path: Path, word: str
    ) -> None:
        hasty = own_settings(tmp_path, HASTY)
        job = Job("obey", args={"folder": str(tmp_path)}, retries=1)
        job.enqueue_sync()
        with worker("--worker-id", "a", **hasty) as a, worker("--worker-id", "b", **hasty) as b:
            living(2)
            (first,) = eventually(lambda: started(tmp_path))
            zombie, heir = (a, b) if first == a.pid else (b, a)
            os.kill(first, signal.SIGSTOP)
            before = time.monotonic()
            (second,) = eventually(lambda: [pid for pid in started(tmp_path) if pid != first])
            took = time.monotonic() - before
            assert parent_of(second) == heir.pid
            os.kill(first, signal.SIGCONT)
            say(tmp_path, first, word)
            living(2)  # the zombie has found that it was taken for dead, and registered anew
            held = Message.objects.get()
            assert (held.state, held.tries, held.lease) == (Message.State.RUNNING, 0, 2)
            say(tmp_path, second, "end")
            bucket = job.wait_sync(20)
            zombie.send(signal.SIGTERM)
            code, output = zombie.wait()

        assert took < SILENCE + 5 + 2  # the silence, one sweep, a start of a process
        assert bucket.value == second
        assert not Failure.objects.exists()
        assert output.count("LeaseLost") == 1
        assert "goes on under a new id" in output
        assert code == 0, output

else:

    def test_on_one_machine_a_stopped_worker_keeps_its_jobs_for_good(tmp_path: Path) -> None:
        """Its locked file says that it is there: nobody else may run what it has begun."""
        hasty = own_settings(tmp_path, HASTY)
        job = Job("obey", args={"folder": str(tmp_path)})
        job.enqueue_sync()
        with worker("--worker-id", "a", **hasty), worker("--worker-id", "b", **hasty):
            living(2)
            (pid,) = eventually(lambda: started(tmp_path))
            os.kill(pid, signal.SIGSTOP)
            time.sleep(SILENCE + 6)  # longer than the silence and a sweep
            os.kill(pid, signal.SIGCONT)
            say(tmp_path, pid, "end")
            bucket = job.wait_sync(20)

        assert bucket.value == pid
        assert started(tmp_path) == [pid]
