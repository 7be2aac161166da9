"""Messages in Redis that are looked at, asked to stop and pruned: what people and janitors do."""

import json
from collections.abc import Collection, Mapping, Sequence

from django_repid.brokers.redis import statistics, wire
from django_repid.brokers.redis.access import guarded
from django_repid.brokers.redis.roster import RedisRoster
from django_repid.brokers.redis.scripts import run
from django_repid.core.claims import Work
from django_repid.core.message import MessageCategory, MessageState, StoredMessage


class RedisHandling(RedisRoster):
    """The part of a message broker that no claim and no settlement goes through."""

    @guarded
    def seize(self, id_: str, states: Collection[MessageState]) -> StoredMessage | None:
        """See `MessageBroker.seize`."""
        found = run(self.place, "seize", id_, *map(int, states))
        return None if found is None else wire.message(found)

    @guarded
    def find(self, ids: Collection[str]) -> list[StoredMessage]:
        """See `MessageBroker.find`."""
        return [wire.message(text) for text in run(self.place, "find", *ids)]

    @guarded
    def ask_cancel(self, id_: str) -> bool:
        """See `MessageBroker.ask_cancel`."""
        return bool(run(self.place, "cancel", id_))

    @guarded
    def free(self, bucket_ids: Collection[str]) -> None:
        """See `MessageBroker.free`."""
        run(self.place, "free", *bucket_ids)

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
        found: list[StoredMessage] = []
        place = str(after)
        if topics is not None and not topics:
            return found
        while place and len(found) < limit:
            left = limit - len(found)
            reached, texts = run(
                self.place, "browse", queue, category.value, place, left, *(topics or ())
            )
            found += map(wire.message, texts)
            place = reached.decode()
        return found

    @guarded
    def flush(self, queue: str, limit: int = 500) -> int:
        """See `MessageBroker.flush`."""
        removed: int = run(self.place, "flush", queue, limit)
        return removed

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
        if dry_run:
            client, old_ones = self.place.client, ("-inf", f"({dead_before}")
            count = client.zcount(self.place.key("died"), *old_ones)
            failures = client.zcount(self.place.key("failures"), *old_ones)
        else:
            count = run(self.place, "prune", dead_before, limit)
            failures = run(self.place, "prune_failures", dead_before, limit)
        old = statistics.prune(self.place, statistics_before // 60_000_000, limit, dry_run=dry_run)
        return {"dead jobs": count, "failures": failures, "statistics": old}

    @guarded
    def record(self, worker_id: int, work: Sequence[Work]) -> None:
        """See `MessageBroker.record`."""
        statistics.record(self.place, worker_id, work)

    @guarded
    def recorded(self, since: int) -> list[Work]:
        """See `MessageBroker.recorded`."""
        return statistics.recorded(self.place, since)

    def tend(self) -> None:
        """See `MessageBroker.tend`: there is nothing to do."""

    @guarded
    def referred(self, args_ids: Collection[str]) -> set[str]:
        """See `MessageBroker.referred`."""
        ids = list(args_ids)
        if not ids:
            return set()
        counts = self.place.client.hmget(self.place.key("args"), ids)
        return {id_ for id_, count in zip(ids, counts, strict=True) if count is not None}

    @guarded
    def pause(self, queue: str, *, by: str = "", reason: str = "") -> None:
        """See `MessageBroker.pause`."""
        why = json.dumps({"at": self.place.now_us(), "by": by, "reason": reason})
        self.place.client.hset(self.place.key("paused"), queue, why)

    @guarded
    def resume(self, queue: str) -> None:
        """See `MessageBroker.resume`."""
        self.place.client.hdel(self.place.key("paused"), queue)
        self.place.client.publish(self.place.key("bell"), "")
