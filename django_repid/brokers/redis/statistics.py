"""What workers did, in Redis: a hash for each minute, and the minutes in order."""

import json
from collections.abc import Sequence
from dataclasses import asdict

from django_repid.brokers.redis.access import Place
from django_repid.core.claims import Work, added_up


def record(place: Place, worker_id: int, work: Sequence[Work]) -> None:
    """Keep what a worker did; see `MessageBroker.record`."""
    with place.client.pipeline(transaction=True) as pipe:
        for one in work:
            field = json.dumps([one.queue, one.topic, worker_id])
            pipe.hset(place.key(f"work:{one.minute}"), field, json.dumps(asdict(one)))
            pipe.zadd(place.key("minutes"), {str(one.minute): one.minute})
        pipe.execute()


def recorded(place: Place, since: int) -> list[Work]:
    """Return what all workers did from a minute on; see `MessageBroker.recorded`."""
    minutes = place.client.zrangebyscore(place.key("minutes"), since, "+inf")
    with place.client.pipeline(transaction=False) as pipe:
        for minute in minutes:
            pipe.hvals(place.key(f"work:{int(minute)}"))
        found = pipe.execute()
    return added_up(_work(text) for texts in found for text in texts)


def prune(place: Place, before: int, limit: int, *, dry_run: bool) -> int:
    """Remove up to `limit` minutes before one; return how many there were (are, if `dry_run`)."""
    minutes = place.key("minutes")
    if dry_run:
        return int(place.client.zcount(minutes, "-inf", f"({before}"))
    old = place.client.zrangebyscore(minutes, "-inf", f"({before}", start=0, num=limit)
    if old:
        with place.client.pipeline(transaction=True) as pipe:
            pipe.delete(*(place.key(f"work:{int(minute)}") for minute in old))
            pipe.zrem(minutes, *old)
            pipe.execute()
    return len(old)


def _work(text: bytes) -> Work:
    given = json.loads(text)
    return Work(**{**given, "histogram": tuple(given["histogram"])})
