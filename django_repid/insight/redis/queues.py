"""Queues, workers and schedules by their keys."""

import json
from collections import Counter
from collections.abc import Collection, Mapping

from django_repid.core.bucket import ResultBucket
from django_repid.core.clock import to_us
from django_repid.insight.queues import CAP, Backlog, Pause, Running, Tally, tallied
from django_repid.insight.redis.access import Access
from django_repid.insight.redis.sources import scored
from django_repid.insight.schedules import LIMIT, Outcome, ScheduleState
from django_repid.insight.state import state_of
from django_repid.insight.workers import WorkerState, liveness
from django_repid.worker.identity import lives

_MINUTE_US = 60_000_000


class RedisQueues(Access):
    """The part of a reader that sees queues, workers and schedules."""

    def heads(self) -> list[str]:
        """Return what something waits under, each "queue topic priority"."""
        (found,) = self.ask(("SMEMBERS", self.key("heads")))
        return sorted(head.decode() for head in found)

    def dead_heads(self) -> Counter[str]:
        """Count the newest dead letters by what they waited under."""
        (newest,) = self.ask(("ZREVRANGE", self.key("died"), 0, CAP))
        found = self.ask(*(("HGET", self.key(f"m:{pk.decode()}"), "h") for pk in newest))
        return Counter(head.decode() for head in found if head is not None)

    def running_keys(self) -> dict[bytes, list[bytes]]:
        """Return the messages that run, by worker."""
        (workers,) = self.ask(("SMEMBERS", self.key("runners")))
        asked = (("SMEMBERS", self.key(f"run:{worker.decode()}")) for worker in workers)
        return dict(zip(workers, map(list, self.ask(*asked)), strict=True))

    def backlogs(self) -> list[Backlog]:
        """See `QueueReader.backlogs`."""
        now, heads = self.now_us(), self.heads()
        keys = [self.key(f"ready:{head}") for head in heads]
        due = self.ask(*(("ZCOUNT", key, "-inf", now) for key in keys))
        later = self.ask(*(("ZCOUNT", key, f"({now}", "+inf") for key in keys))
        first = self.ask(*(("ZRANGE", key, 0, 0, "WITHSCORES") for key in keys))
        found: dict[tuple[str, str], Backlog] = {}
        for head, n, m, pair in zip(heads, due, later, first, strict=True):
            oldest = scored(pair)[0][0] if pair and n else None
            _add(found, head, due=n, later=m, oldest=oldest)
        for head, n in self.dead_heads().items():
            _add(found, head, failed=n)
        return list(found.values())

    def running(self) -> list[Running]:
        """See `QueueReader.running`."""
        found = []
        for worker, pks in self.running_keys().items():
            heads = self.ask(*(("HGET", self.key(f"m:{pk.decode()}"), "h") for pk in pks))
            counts = Counter(head.decode().split()[0] for head in heads if head is not None)
            found += [Running(queue, int(worker) or None, n) for queue, n in counts.items()]
        return found

    def pauses(self) -> list[Pause]:
        """See `QueueReader.pauses`."""
        (found,) = self.ask(("HGETALL", self.key("paused")))
        said = {queue.decode(): json.loads(why) for queue, why in found.items()}
        return [Pause(queue, why["at"], why["by"], why["reason"]) for queue, why in said.items()]

    def tallies(self, minutes: int) -> list[Tally]:
        """See `QueueReader.tallies`."""
        return tallied(self.broker.recorded(self.now_us() // _MINUTE_US - minutes + 1))

    def workers(self) -> list[WorkerState]:
        """See `WorkerReader.workers`."""
        (seen,) = self.ask(("HGETALL", self.key("seen")))
        now, beat = self.now_us(), round(self.connection.options.beat_seconds * 1_000_000)
        found = []
        for peer in self.broker.peers(0):
            times = seen.get(str(peer.worker_id).encode())
            started, beat_at = map(int, times.split()) if times else (now, now)
            state = liveness(
                silence=now - beat_at, beat=beat, there=lives(peer.info), draining=peer.draining
            )
            found.append(
                WorkerState(
                    id=peer.worker_id,
                    info=peer.info,
                    state=state,
                    started_at=started,
                    beat_at=beat_at,
                )
            )
        return found

    def schedules(self) -> list[ScheduleState]:
        """See `ScheduleReader.schedules`."""
        (pks,) = self.ask(("SMEMBERS", self.key("recurring")))
        now, found = self.now_us(), []
        for message in self.messages(sorted(pks)[:LIMIT]):
            spec, key = message.spec, message.key
            if spec.again is None:
                continue
            found.append(
                ScheduleState(
                    id=key.id_,
                    topic=key.topic,
                    queue=key.queue,
                    schedule=spec.again,
                    state=state_of(message.state, message.run_at, now=now, tries=message.tries),
                    run_at=message.run_at,
                    result_id=spec.result_id,
                    dead_reason=message.dead_reason,
                )
            )
        return sorted(found, key=lambda one: (one.topic, one.id))

    def outcomes(self, result_ids: Collection[str]) -> Mapping[str, Outcome]:
        """See `ScheduleReader.outcomes`."""
        buckets = self.connection.results_bucket_broker
        found = {} if buckets is None else buckets.get(result_ids)
        return {
            id_: Outcome(bucket.success, to_us(bucket.timestamp), bucket.exception)
            for id_, bucket in found.items()
            if isinstance(bucket, ResultBucket)
        }


def _add(
    found: dict[tuple[str, str], Backlog],
    head: str,
    *,
    due: int = 0,
    later: int = 0,
    failed: int = 0,
    oldest: int | None = None,
) -> None:
    queue, topic, _ = head.split()
    before = found.get((queue, topic), Backlog(queue=queue, topic=topic))
    times = [one for one in (before.oldest, oldest) if one is not None]
    found[queue, topic] = Backlog(
        queue=queue,
        topic=topic,
        due=before.due + due,
        oldest=min(times, default=None),
        later=before.later + later,
        failed=before.failed + failed,
    )
