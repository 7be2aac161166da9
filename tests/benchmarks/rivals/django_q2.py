"""django-q2 with its ORM broker."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from django.core.management import call_command
from django_q.tasks import async_task

from tests.benchmarks import work


def prepare() -> None:
    call_command("migrate", verbosity=0)


def enqueue(count: int, actor: str) -> None:
    for number in range(count):
        async_task(f"{work.__name__}.{actor}", **work.arguments(number))


@contextmanager
def client(actor: str) -> Iterator[Callable[[int], None]]:
    yield lambda number: async_task(f"{work.__name__}.{actor}", **work.arguments(number))
