"""Workers in Redis: their beats, and the rescue of what the dead ones ran."""

import json
from collections.abc import Collection
from dataclasses import asdict, fields

from django_repid.brokers.redis import wire
from django_repid.brokers.redis.access import Place, guarded
from django_repid.brokers.redis.scripts import run
from django_repid.core.claims import Beat, Peer, WorkerInfo
from django_repid.core.suspicion import ISOLATED, floor_after_crash

#: A message seized by its id (to cancel it, say) is settled at once. After this long its seizer
#: is dead.
_SEIZED_US = 60_000_000
#: Whoever seizes a message by its id.
_NOBODY = 0
#: Messages that one script frees. It holds up everybody else meanwhile.
_CHUNK = 1000
_DAY_SECONDS = 86_400

_INFO = {field.name for field in fields(WorkerInfo)}


class RedisRoster:
    """The part of a message broker that knows its workers."""

    def __init__(self, place: Place) -> None:
        self.place = place

    @guarded
    def now_us(self) -> int:
        """See `MessageBroker.now_us`."""
        return self.place.now_us()

    @guarded
    def register(self, info: WorkerInfo) -> int:
        """See `MessageBroker.register`."""
        return int(run(self.place, "register", json.dumps(asdict(info))))

    @guarded
    def beat(self, worker_id: int) -> Beat:
        """See `MessageBroker.beat`."""
        known, cancelled = run(self.place, "beat", worker_id)
        return Beat(known=bool(known), cancelled=frozenset(map(int, cancelled)))

    @guarded
    def deregister(self, worker_id: int) -> None:
        """See `MessageBroker.deregister`."""
        run(self.place, "deregister", worker_id)
        self.place.client.srem(self.place.key("draining"), worker_id)

    @guarded
    def drain(self, worker_id: int) -> None:
        """See `MessageBroker.drain`. One that is killed before its end is forgotten in a day."""
        with self.place.client.pipeline(transaction=True) as pipe:
            pipe.sadd(self.place.key("draining"), worker_id)
            pipe.expire(self.place.key("draining"), _DAY_SECONDS)
            pipe.execute()

    @guarded
    def peers(self, worker_id: int) -> list[Peer]:
        """See `MessageBroker.peers`."""
        with self.place.client.pipeline(transaction=True) as pipe:
            pipe.hgetall(self.place.key("workers"))
            pipe.hgetall(self.place.key("beats"))
            pipe.smembers(self.place.key("draining"))
            infos, beats, draining = pipe.execute()
        return [
            Peer(
                worker_id=int(id_),
                beat=int(beats.get(id_, 0)),
                info=_info(text),
                draining=id_ in draining,
            )
            for id_, text in sorted(infos.items(), key=lambda item: int(item[0]))
            if int(id_) != worker_id
        ]

    @guarded
    def rescue(self, worker_id: int, beat: int) -> int:
        """See `MessageBroker.rescue`."""
        in_flight = self.place.client.scard(self.place.key(f"run:{worker_id}"))
        return self._free(worker_id, str(beat), floor_after_crash(in_flight), self.now_us() + 1)

    @guarded
    def rescue_orphans(self) -> int:
        """See `MessageBroker.rescue_orphans`."""
        now = self.now_us()
        found = list(map(int, run(self.place, "orphans", now - _SEIZED_US)))
        floor = floor_after_crash(sum(found[1::2]))
        return sum(
            self._free(worker_id, "", floor, now - _SEIZED_US if worker_id == _NOBODY else now + 1)
            for worker_id in found[::2]
        )

    def _free(self, worker_id: int, beat: str, floor: int, before: int) -> int:
        """Free what a dead worker ran. After the first script it is unknown, so the rest goes on.

        Should this process die in between, `rescue_orphans` of another finds what is left.
        """
        total = 0
        while True:
            freed: int = run(self.place, "rescue", worker_id, beat, floor, ISOLATED, before, _CHUNK)
            total += max(freed, 0)
            if freed < _CHUNK:
                return total
            beat = ""

    @guarded
    def give_back(self, worker_id: int, in_hand: Collection[int]) -> int:
        """See `MessageBroker.give_back`."""
        freed: int = run(self.place, "give_back", worker_id, *map(wire.pk, in_hand))
        return freed


def _info(text: bytes) -> WorkerInfo:
    given = json.loads(text)
    return WorkerInfo(**{name: value for name, value in given.items() if name in _INFO})
