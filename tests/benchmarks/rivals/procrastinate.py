"""procrastinate with its Django app."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from django.core.management import call_command
from procrastinate.contrib.django import app

from tests.benchmarks import work

TASKS = {name: app.task(name=name)(function) for name, function in work.ACTORS.items()}
CHUNK = 1_000


def prepare() -> None:
    call_command("migrate", verbosity=0)


def enqueue(count: int, actor: str) -> None:
    for begin in range(0, count, CHUNK):
        numbers = range(begin, min(begin + CHUNK, count))
        TASKS[actor].batch_defer(*(work.arguments(number) for number in numbers))


@contextmanager
def client(actor: str) -> Iterator[Callable[[int], None]]:
    yield lambda number: TASKS[actor].defer(**work.arguments(number))
