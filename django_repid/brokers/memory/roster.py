"""The workers that are known to a memory broker."""

import itertools
from dataclasses import replace

from django_repid.core.claims import Peer, WorkerInfo


class Roster:
    """Ids are counted up and never used again. The broker's lock guards it."""

    def __init__(self) -> None:
        self._ids = itertools.count(1)
        self._peers: dict[int, Peer] = {}

    def add(self, info: WorkerInfo) -> int:
        """Make a worker known."""
        worker_id = next(self._ids)
        self._peers[worker_id] = Peer(worker_id=worker_id, beat=0, info=info)
        return worker_id

    def beat(self, worker_id: int) -> bool:
        """Count a worker's beat up; False if it is not known."""
        peer = self._peers.get(worker_id)
        if peer is None:
            return False
        self._peers[worker_id] = replace(peer, beat=peer.beat + 1)
        return True

    def drain(self, worker_id: int) -> None:
        """Take note that a worker takes no more."""
        peer = self._peers.get(worker_id)
        if peer is not None:
            self._peers[worker_id] = replace(peer, draining=True)

    def remove(self, worker_id: int, beat: int | None = None) -> bool:
        """Forget a worker; with `beat` only if its counter still stands there."""
        peer = self._peers.get(worker_id)
        if peer is None or (beat is not None and peer.beat != beat):
            return False
        del self._peers[worker_id]
        return True

    def others(self, worker_id: int) -> list[Peer]:
        """Return every worker but one."""
        return [peer for id_, peer in self._peers.items() if id_ != worker_id]

    def ids(self) -> set[int]:
        """Return the ids of the workers that are known."""
        return set(self._peers)
