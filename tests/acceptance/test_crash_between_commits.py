"""Messages on another alias than the models: what a crash of the enqueuer loses, and what not."""

import subprocess
import sys

import pytest

from django_repid.models import Message
from tests.acceptance.kit import ROOT, environment
from tests.shop.models import Order

pytestmark = [
    pytest.mark.store,
    pytest.mark.django_db(transaction=True, databases=["default", "other"]),
]

ENQUEUE = """
import os, sys
import django
django.setup()
from django.db import transaction
from django_repid import Connection, DatabaseMessageBroker, Job
from tests.shop.models import Order

elsewhere = Connection(DatabaseMessageBroker("other", commit_with="default"))
with transaction.atomic():
    Order.objects.create(number=1)
    if sys.argv[1] == "between":
        transaction.on_commit(lambda: os._exit(9))
    Job("add", args={"a": 1, "b": 2}, connection=elsewhere).enqueue_sync()
    if sys.argv[1] == "before":
        os._exit(9)
if sys.argv[1] == "after":
    os._exit(9)
"""


def crash(when: str) -> tuple[int, int]:
    """Crash an enqueuer; return how many orders and how many jobs are there."""
    done = subprocess.run(
        [sys.executable, "-c", ENQUEUE, when],
        cwd=ROOT,
        env=environment(),
        timeout=60,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 9, done.stderr
    return Order.objects.count(), Message.objects.using("other").count()


def test_a_crash_before_the_commit_leaves_neither() -> None:
    assert crash("before") == (0, 0)


def test_a_crash_between_the_two_commits_loses_the_job_and_only_that() -> None:
    assert crash("between") == (1, 0)


def test_a_crash_after_both_commits_loses_nothing() -> None:
    assert crash("after") == (1, 1)
