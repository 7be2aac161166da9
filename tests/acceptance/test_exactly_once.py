"""Atomic actors under real kills: each effect exactly once."""

import os
import signal
import time
from pathlib import Path

import pytest

from django_repid import Job
from django_repid.models import Bucket, Message
from tests.acceptance.kit import eventually, worker
from tests.acceptance.processes import living, processes
from tests.shop.models import Order

pytestmark = [pytest.mark.store, pytest.mark.django_db(transaction=True)]


@pytest.mark.harsh
@pytest.mark.timeout(180)
def test_workers_that_are_killed_again_and_again_place_each_order_once(tmp_path: Path) -> None:
    count = 2000
    Job.enqueue_many_sync([Job("place_order", args={"number": n}) for n in range(count)])
    with processes(tmp_path, "--processes", "2") as fleet:
        victims: set[int] = set()
        for kill in range(4):
            victim = max(living(2, but=victims).values())
            eventually(lambda: Order.objects.count() > (kill + 1) * 50)  # noqa: B023 - called at once
            time.sleep(0.003 * kill)  # at another instruction each time
            victims.add(victim)
            os.kill(victim, signal.SIGKILL)
        eventually(lambda: not Message.objects.exists(), 120)
        living(2, but=victims)
        fleet.send(signal.SIGTERM)
        assert fleet.ends() == 0, fleet.log()

    numbers = list(Order.objects.values_list("number", flat=True))
    assert sorted(numbers) == list(range(count))
    assert Bucket.objects.filter(success=True).count() == count


def test_one_that_dies_before_its_commit_leaves_nothing() -> None:
    Job("order_and_kill", args={"number": 1, "how": "SIGKILL"}).enqueue_sync()

    with worker() as one:
        code, _ = one.wait()

    assert code == -signal.SIGKILL
    assert not Order.objects.exists()
    assert Message.objects.get().state == Message.State.RUNNING  # until somebody finds it


def test_one_that_runs_alone_is_as_atomic(tmp_path: Path) -> None:
    """Suspects run in a process of their own, which settles them in the actor's transaction."""
    for n in range(3):
        Job("place_order", args={"number": n}).enqueue_sync()
    Message.objects.update(suspicion=3)

    with worker() as one:
        eventually(lambda: Order.objects.count() == 3)
        eventually(lambda: not Message.objects.exists())
        one.send(signal.SIGTERM)
        code, output = one.wait()

    assert code == 0, output
    assert "processed 3 jobs" in output
    assert Bucket.objects.filter(success=True, worker__isnull=False).count() == 3
    assert "LeaseLost" not in output


def test_one_that_runs_alone_answers_as_atomically() -> None:
    """The answer travels with the outcome from the process that runs suspects."""
    for number, verb in enumerate(["ack", "nack", "force_retry"]):
        order = Job("order_and_answer", args={"number": number, "verb": verb}, id_=verb)
        order.using(result_id=f"r-{verb}").enqueue_sync()
    Message.objects.update(suspicion=3)

    def answered() -> bool:
        left = {m.message_id: (m.state, m.tries) for m in Message.objects.all()}
        return left == {"nack": (Message.State.DEAD, 1), "force_retry": (Message.State.READY, 1)}

    with worker() as one:
        eventually(answered)
        one.send(signal.SIGTERM)
        code, log = one.wait()

    assert code == 0, log
    assert list(Order.objects.values_list("number", flat=True)) == [0]
    assert dict(Bucket.objects.values_list("bucket_id", "data")) == {"r-ack": "0", "r-nack": "1"}
