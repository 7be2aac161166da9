"""Queues by the claim's index, and by what workers have written of their work."""

from collections.abc import Iterator, Sequence

from django.db import connections
from django.db.models import Count

from django_repid.brokers.database.heads import Head
from django_repid.brokers.database.vendors import statements_for
from django_repid.core.message import MessageState
from django_repid.insight.database.access import Access
from django_repid.insight.queues import CAP, Backlog, Pause, Running, Tally, tallied
from django_repid.models import Message, Queue

#: Counts in one statement. SQLite takes 500.
_CHUNK = 200

_MINUTE_US = 60_000_000


class DatabaseQueues(Access):
    """The part of a reader that sees queues."""

    def backlogs(self) -> list[Backlog]:
        """See `QueueReader.backlogs`: each head is counted along the index, up to the cap."""
        connection = connections[self.database]
        statements = statements_for(connection)
        ready, now = statements.heads(connection)
        dead, _ = statements.heads(connection, MessageState.DEAD)
        found: dict[tuple[str, str], Backlog] = {}
        for head in (*ready, *dead):
            found.setdefault((head.queue, head.topic), Backlog(queue=head.queue, topic=head.topic))
        due, later, failed = self._counted(
            (ready, f"state = {int(MessageState.READY)} AND run_at <= {now}"),
            (ready, f"state = {int(MessageState.READY)} AND run_at > {now}"),
            (dead, f"state = {int(MessageState.DEAD)}"),
        )
        oldest: dict[tuple[str, str], int] = {}
        for head in ready:
            if head.run_at <= now:
                place = (head.queue, head.topic)
                oldest[place] = min(head.run_at, oldest.get(place, head.run_at))
        return [
            Backlog(
                queue=queue,
                topic=topic,
                due=due.get((queue, topic), 0),
                oldest=oldest.get((queue, topic)),
                later=later.get((queue, topic), 0),
                failed=failed.get((queue, topic), 0),
            )
            for queue, topic in found
        ]

    def _counted(self, *asked: tuple[Sequence[Head], str]) -> list[dict[tuple[str, str], int]]:
        """Count messages of heads by queue and actor, for each condition of our own making."""
        counts: list[dict[tuple[str, str], int]] = [{} for _ in asked]
        parts = [(n, head, which) for n, (heads, which) in enumerate(asked) for head in heads]
        for start in range(0, len(parts), _CHUNK):
            some = parts[start : start + _CHUNK]
            for number, count in self._count([(head, which) for _, head, which in some]):
                n, head, _ = some[number]
                place = (head.queue, head.topic)
                counts[n][place] = counts[n].get(place, 0) + count
        return counts

    def _count(self, asked: Sequence[tuple[Head, str]]) -> Iterator[tuple[int, int]]:
        # In the order of the index: PostgreSQL would read the table where many rows match.
        table = Message._meta.db_table
        parts = [
            f"SELECT {number} AS head, COUNT(*) AS found FROM (SELECT 1 AS one FROM {table} "
            f"WHERE queue = %s AND topic = %s AND priority = %s "
            f"AND {which} ORDER BY run_at LIMIT {CAP + 1}) AS counted{number}"
            for number, (_, which) in enumerate(asked)
        ]
        values = [value for head, _ in asked for value in (head.queue, head.topic, head.priority)]
        with connections[self.database].cursor() as cursor:
            cursor.execute(" UNION ALL ".join(parts), values)
            yield from cursor.fetchall()

    def running(self) -> list[Running]:
        """See `QueueReader.running`: never more than workers run at once."""
        running = Message.objects.using(self.database).filter(state=MessageState.RUNNING)
        grouped = running.order_by().values_list("queue", "worker_id").annotate(n=Count("pk"))
        return [Running(*row) for row in grouped]

    def pauses(self) -> list[Pause]:
        """See `QueueReader.pauses`."""
        paused = Queue.objects.using(self.database).filter(paused_at__isnull=False)
        columns = ("name", "paused_at", "paused_by", "pause_reason")
        return [Pause(name, at or 0, by, why) for name, at, by, why in paused.values_list(*columns)]

    def tallies(self, minutes: int) -> list[Tally]:
        """See `QueueReader.tallies`."""
        first = self.now_us() // _MINUTE_US - minutes + 1
        return tallied(self.broker.recorded(first))
