"""Enqueue jobs from a process of its own, and write down which were acknowledged.

`python -m tests.chaos.producer PREFIX JOBS SECONDS SEED` spreads so many jobs over so many seconds:
single ones in a transaction with a row, many at once, chains in both orders, and transactions
that are rolled back. An id goes into the ledger only after its commit.
"""

import random
import sys
import time
from collections.abc import Callable, Sequence

import django

#: The kinds of jobs, and how often they come.
WEIGHTS = {
    "async": 28,
    "sync": 16,
    "row": 10,
    "slow": 8,
    "busy": 4,
    "flaky": 10,
    "hopeless": 2,
    "atomic": 10,
    "first": 6,
}
_PAUSE = 0.1


class _Undo(Exception):
    """Rolls a transaction back."""


def main() -> None:
    django.setup()
    prefix, jobs, seconds, seed = sys.argv[1:]
    Producer(prefix, random.Random(f"{seed} {prefix}")).produce(int(jobs), float(seconds))


class Producer:
    """Makes jobs of all kinds, in all the ways in which they can be enqueued."""

    def __init__(self, prefix: str, chance: random.Random) -> None:
        from tests.chaos import records

        self._prefix = prefix
        self._chance = chance
        self._made = 0
        self._folder = records.folder()

    def produce(self, jobs: int, seconds: float) -> None:
        started = time.monotonic()
        while self._made < jobs:
            ways: Sequence[Callable[[], None]] = (self._single, self._many, self._undone)
            [way] = self._chance.choices(ways, weights=(10, 1, 2))
            way()
            due = started + seconds * self._made / jobs
            time.sleep(max(0.0, due - time.monotonic()))

    # ---- The ways of enqueueing.

    def _single(self) -> None:
        """Enqueue one job, or a chain of two, in a transaction with a row for each."""
        made = self._jobs()
        self._in_transaction(made, lambda: [job.enqueue_sync() for job in made.values()])

    def _many(self) -> None:
        """Enqueue some dozens at once, with rows or without."""
        from django_repid import Job

        made: dict[str, Job] = {}
        for _ in range(self._chance.randint(5, 40)):
            made |= self._jobs()
        if self._chance.random() < 0.5:
            self._in_transaction(made, lambda: Job.enqueue_many_sync(list(made.values())))
        else:
            self._acknowledge(list(made), lambda: Job.enqueue_many_sync(list(made.values())))

    def _undone(self) -> None:
        """Enqueue jobs in a transaction that is rolled back."""
        from tests.chaos import records

        made = self._jobs()
        records.append(self._folder / records.ROLLED_BACK, made, sync=True)

        def enqueue_and_undo() -> None:
            for job in made.values():
                job.enqueue_sync()
            raise _Undo

        self._in_transaction(made, enqueue_and_undo)

    def _in_transaction(self, made: dict, enqueue: Callable[[], object]) -> None:
        from django.db import transaction

        from tests.chaos.app.models import Order

        def all_or_nothing() -> None:
            with transaction.atomic():
                Order.objects.bulk_create([Order(job=id_) for id_ in made])
                enqueue()

        self._acknowledge(list(made), all_or_nothing, with_rows=True)

    def _acknowledge(
        self, ids: list[str], enqueue: Callable[[], object], *, with_rows: bool = False
    ) -> None:
        """Enqueue, and write down what is known of it afterwards."""
        from django.db import Error, connection

        from django_repid import BrokerUnavailable
        from tests.chaos import records

        try:
            enqueue()
        except _Undo:
            return
        except (BrokerUnavailable, Error) as error:
            connection.close()
            print(f"{type(error).__name__}: {error}", flush=True)
            how = "rows" if with_rows else "bare"
            lines = [f"{id_} {how}" for id_ in ids]
            records.append(self._folder / records.DOUBTFUL, lines, sync=True)
            time.sleep(_PAUSE)
        else:
            records.append(self._folder / records.LEDGER, ids, sync=True)

    # ---- The jobs.

    def _jobs(self) -> dict:
        """Return one job by its id, or the two of a chain in some order."""
        from django_repid import Job

        [kind] = self._chance.choices(list(WEIGHTS), weights=list(WEIGHTS.values()))
        id_ = self._id(kind)
        arguments: dict[str, object] = {"job": id_}
        if kind in ("slow", "busy"):
            arguments["seconds"] = round(self._chance.uniform(0.2, 1), 2)
        if kind != "first":
            return {id_: Job(kind, id_=id_, args=arguments)}
        after = id_.replace("-first", "-second")
        self._made += 1
        chain = {
            id_: Job("first", id_=id_, args=arguments, result_id=f"result-{id_}"),
            after: Job("second", id_=after, args_id=f"result-{id_}"),
        }
        return chain if self._chance.random() < 0.5 else dict(reversed(chain.items()))

    def _id(self, kind: str) -> str:
        self._made += 1
        return f"{self._prefix}-{self._made:06d}-{kind}"


if __name__ == "__main__":
    main()
