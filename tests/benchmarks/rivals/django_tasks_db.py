"""django-tasks-db: the database backend of Django's own task interface."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from django.core.management import call_command
from django.tasks import task

from tests.benchmarks import work

TASKS: dict[str, Any] = {}


@task
def noop_sync(number: int, text: str, flag: bool) -> None:
    work.noop_sync(number, text, flag)


TASKS["noop_sync"] = noop_sync


def prepare() -> None:
    call_command("migrate", verbosity=0)


def enqueue(count: int, actor: str) -> None:
    for number in range(count):
        TASKS[actor].enqueue(**work.arguments(number))


@contextmanager
def client(actor: str) -> Iterator[Callable[[int], None]]:
    yield lambda number: TASKS[actor].enqueue(**work.arguments(number))
