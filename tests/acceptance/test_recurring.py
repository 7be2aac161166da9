"""Recurring jobs under real kills: each occurrence once, none lost."""

import os
import signal
from datetime import timedelta
from pathlib import Path

import pytest

from django_repid import Job
from django_repid.models import Message
from tests.acceptance.kit import eventually, worker
from tests.acceptance.processes import living, processes
from tests.shop.models import Order

pytestmark = [pytest.mark.store, pytest.mark.django_db(transaction=True)]

SECOND = 1_000_000


@pytest.mark.timeout(180)
def test_an_atomic_one_whose_workers_are_killed_runs_each_occurrence_once(tmp_path: Path) -> None:
    Job("place_tick", id_="tick", deferred_by=timedelta(seconds=1)).enqueue_sync()
    first = Message.objects.get().tick or 0
    with processes(tmp_path, "--processes", "2") as fleet:
        victims: set[int] = set()
        for _ in range(3):
            before = Order.objects.count()
            eventually(lambda: Order.objects.count() > before, 60)  # noqa: B023 - called at once
            victim = max(living(2, but=victims).values())
            victims.add(victim)
            os.kill(victim, signal.SIGKILL)
        before = Order.objects.count()
        eventually(lambda: Order.objects.count() > before + 1, 60)
        fleet.send(signal.SIGTERM)
        assert fleet.ends() == 0, fleet.log()

    ticks = list(Order.objects.order_by("pk").values_list("note", flat=True))
    assert len(ticks) == len(set(ticks))
    assert ticks == sorted(ticks, key=int)
    assert all((int(tick) - first) % SECOND == 0 for tick in ticks)
    message = Message.objects.get()
    assert message.state == Message.State.READY
    assert (message.tick or 0) > int(ticks[-1])


def test_workers_keep_the_schedule_that_the_code_declares() -> None:
    with worker(REPID_TEST_DECLARES="1") as one:
        eventually(lambda: Order.objects.filter(note="declared").count() >= 2)
        one.send(signal.SIGTERM)
        code, output = one.wait()
    assert code == 0, output
    assert Message.objects.get().message_id == "declared_tick"

    with worker() as one:  # the next version of the code, without the declaration
        eventually(lambda: not Message.objects.exists(), 60)
        one.send(signal.SIGTERM)
        code, output = one.wait()

    assert code == 0, output
