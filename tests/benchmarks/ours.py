"""django_repid, by its public interface only."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from tests.benchmarks.work import arguments

CHUNK = 10_000


def prepare() -> None:
    """Make the tables."""
    from django.core.management import call_command

    call_command("migrate", verbosity=0, run_syncdb=True)


def enqueue(count: int, actor: str) -> None:
    """Enqueue `count` jobs."""
    from django_repid import Job

    for begin in range(0, count, CHUNK):
        numbers = range(begin, min(begin + CHUNK, count))
        Job.enqueue_many_sync([Job(actor, args=arguments(number)) for number in numbers])


@contextmanager
def client(actor: str) -> Iterator[Callable[[int], None]]:
    """Give what enqueues one job of this number."""
    from django_repid import Job

    def one(number: int) -> None:
        Job(actor, args=arguments(number)).enqueue_sync()

    yield one
