"""Messages that are looked at, asked to stop and pruned: what people and the janitor do."""

import json
from collections.abc import Collection, Mapping, Sequence
from typing import Any

from django.db import connections

from django_repid.brokers.database import rows
from django_repid.brokers.database.access import guarded, transaction_on
from django_repid.brokers.database.retention import Retention
from django_repid.brokers.database.roster import DatabaseRoster
from django_repid.brokers.database.session import patiently
from django_repid.brokers.database.vendors import statements_for
from django_repid.core.claims import Work, added_up
from django_repid.core.message import MessageCategory, MessageState, StoredMessage
from django_repid.models import Message, Statistic

#: What a row of statistics is unique by.
_KEY = ("minute", "queue", "topic", "worker_id")


class DatabaseHandling(DatabaseRoster):
    """The part of a message broker that no claim and no settlement goes through."""

    @guarded
    def ask_cancel(self, id_: str) -> bool:
        """See `MessageBroker.ask_cancel`."""
        running = self._messages.filter(message_id=id_, state=MessageState.RUNNING)
        return bool(running.update(cancel_asked=True, renewal=None))

    @guarded
    def find(self, ids: Collection[str]) -> list[StoredMessage]:
        """See `MessageBroker.find`."""
        found = self._messages.filter(message_id__in=list(ids))
        return [rows.message(row) for row in found.values_list(*rows.MESSAGE_COLUMNS)]

    @guarded
    def browse(
        self,
        queue: str,
        category: MessageCategory,
        *,
        topics: Collection[str] | None = None,
        after: int = 0,
        limit: int = 100,
    ) -> list[StoredMessage]:
        """See `MessageBroker.browse`."""
        found = self._messages.filter(queue=queue, pk__gt=after)
        if category is MessageCategory.DEAD:
            found = found.filter(state=MessageState.DEAD)
        else:
            found = found.filter(state=MessageState.READY)
            now = self.now_us()
            delayed = category is MessageCategory.DELAYED
            found = found.filter(run_at__gt=now) if delayed else found.filter(run_at__lte=now)
        if topics is not None:
            found = found.filter(topic__in=topics)
        return [rows.message(row) for row in found.values_list(*rows.MESSAGE_COLUMNS)[:limit]]

    @guarded
    def flush(self, queue: str, limit: int = 500) -> int:
        """See `MessageBroker.flush`."""
        with transaction_on(self.alias):
            connection = connections[self.alias]
            statements = statements_for(connection)
            keys = statements.resting(connection, queue, limit)
            if keys:
                statements.remove(connection, keys)
            return len(keys)

    @guarded
    def prune(
        self,
        dead_before: int,
        statistics_before: int,
        limit: int = 500,
        *,
        dry_run: bool = False,
    ) -> Mapping[str, int]:
        """See `MessageBroker.prune`."""
        connection = connections[self.alias]
        dead, _ = statements_for(connection).heads(connection, MessageState.DEAD)
        rooms = Retention(self.alias, dead_before, statistics_before)
        return rooms.count() if dry_run else rooms.remove(dead, limit)

    def relay(self) -> int:
        """See `MessageBroker.relay`: there is nothing to do."""
        return 0

    @guarded
    def record(self, worker_id: int, work: Sequence[Work]) -> None:
        """See `MessageBroker.record`."""
        features: Any = connections[self.alias].features
        named = _KEY if features.supports_update_conflicts_with_target else None
        Statistic.objects.using(self.alias).bulk_create(
            [rows.statistic(worker_id, one) for one in work],
            update_conflicts=True,
            update_fields=["succeeded", "failed", "retried", "duration_us", "histogram"],
            unique_fields=named,
        )

    @guarded
    def recorded(self, since: int) -> list[Work]:
        """See `MessageBroker.recorded`."""
        found = Statistic.objects.using(self.alias).filter(minute__gte=since)
        return added_up(map(rows.work, found))

    @guarded
    def tend(self) -> None:
        """See `MessageBroker.tend`: PostgreSQL's own vacuum comes once a minute at best.

        Dead entries at the head of the claim's index took a run of a million jobs from 42k to 12k
        jobs/s; with a vacuum each 100k jobs it kept 35k to the end (measured). Whoever does not
        own the table is warned by the server, no more.
        """
        connection = connections[self.alias]
        if connection.vendor == "postgresql" and not connection.in_atomic_block:
            with patiently(connection), connection.cursor() as cursor:
                cursor.execute(f"VACUUM (SKIP_LOCKED) {Message._meta.db_table}")

    @guarded
    def referred(self, args_ids: Collection[str]) -> set[str]:
        """See `MessageBroker.referred`."""
        found = self._messages.filter(args_id__in=list(args_ids)).order_by()
        ids = set(found.values_list("args_id", flat=True).distinct())
        renewed = self._messages.filter(renewal__isnull=False).order_by()
        for renewal in renewed.values_list("renewal", flat=True):
            ids.add(json.loads(renewal or "{}").get("args_id"))
        return {args_id for args_id in ids if args_id is not None and args_id in args_ids}
