"""What workers have done, by minute, in Redis."""

import json
from collections.abc import Sequence
from dataclasses import asdict

from django_repid.brokers.redis.access import guarded
from django_repid.brokers.redis.roster import RedisRoster
from django_repid.core.claims import Work, added_up

#: Values that one command carries.
_CHUNK = 1000


class RedisStatistics(RedisRoster):
    """The part of a message broker that knows what was done."""

    @guarded
    def record(self, worker_id: int, work: Sequence[Work]) -> None:
        """See `MessageBroker.record`."""
        if not work:
            return
        named = {f"{one.minute} {one.queue} {one.topic} {worker_id}": one for one in work}
        with self.place.client.pipeline(transaction=True) as pipe:
            pipe.zadd(self.place.key("worked"), {name: one.minute for name, one in named.items()})
            texts = {name: json.dumps(asdict(one)) for name, one in named.items()}
            pipe.hset(self.place.key("work"), mapping=texts)
            pipe.execute()

    @guarded
    def recorded(self, since: int) -> list[Work]:
        """See `MessageBroker.recorded`."""
        names = self.place.client.zrangebyscore(self.place.key("worked"), since, "+inf")
        texts: list[bytes | None] = []
        for start in range(0, len(names), _CHUNK):
            texts += self.place.client.hmget(self.place.key("work"), names[start : start + _CHUNK])
        return added_up(_work(text) for text in texts if text is not None)

    def _prune_statistics(self, before: int, limit: int, *, dry_run: bool) -> int:
        """Remove what was done before a moment; return how many rows. `dry_run`: only count."""
        client, worked = self.place.client, self.place.key("worked")
        end = f"({before // 60_000_000}"
        if dry_run:
            return int(client.zcount(worked, "-inf", end))
        names = client.zrangebyscore(worked, "-inf", end, start=0, num=limit)
        if names:
            with client.pipeline(transaction=True) as pipe:
                pipe.zrem(worked, *names)
                pipe.hdel(self.place.key("work"), *names)
                pipe.execute()
        return len(names)


def _work(text: bytes) -> Work:
    given = json.loads(text)
    return Work(**{**given, "histogram": tuple(given["histogram"])})
