"""What a worker does for all: the rescue of dead workers' jobs, pruning; and its statistics."""

import logging
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from django_repid.core.claims import Peer
from django_repid.core.connection import Connection
from django_repid.core.pruning import prune
from django_repid.core.serializer import printable
from django_repid.worker.beat import Heartbeat
from django_repid.worker.identity import lives
from django_repid.worker.schedules import Schedules
from django_repid.worker.statistics import Statistics

logger = logging.getLogger("django_repid.worker")

#: A sweep costs one small SELECT. With a beat each 5 s and a silence of 15 s, jobs of a worker
#: that vanished are free again within 25 s.
SWEEP_SECONDS = 5.0
_ORPHANS_SECONDS = 60.0
_PRUNE_SECONDS = 60.0
_STATISTICS_SECONDS = 10.0
_SCHEDULES_SECONDS = 60.0
#: The store is tended each time this worker has settled so many jobs: see `MessageBroker.tend`.
_TEND_EACH = 100_000


@dataclass(slots=True)
class _Silence:
    """Since when a peer's counter stands still, on this machine's monotonic clock."""

    beat: int
    since: float


class Janitor:
    """Sweeps for dead workers and prunes; every worker has one, and they may work side by side.

    No clock of another machine or of the database is compared. It counts how long a peer's
    counter stands still, and only while its own beats get through: after an outage of the
    database everybody's counter has stood still, and nobody is dead.
    """

    name = "janitor"

    def __init__(
        self,
        connection: Connection,
        heartbeat: Heartbeat,
        strangers: Mapping[str, str],
        schedules: Schedules,
        statistics: Statistics,
        *,
        processed: Callable[[], int] = lambda: 0,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._connection = connection
        self._broker = connection.message_broker
        self._heartbeat = heartbeat
        #: Actors that this worker does not know and that have due jobs, with the queue of one.
        self._strangers = strangers
        self._schedules = schedules
        self._statistics = statistics
        self._warned: set[str] = set()
        self._processed = processed
        self._tended_at = 0
        self._monotonic = monotonic
        self._silences: dict[int, _Silence] = {}
        self._next_orphans = monotonic() + _ORPHANS_SECONDS
        self._next_prune = monotonic() + _PRUNE_SECONDS
        self._next_statistics = monotonic() + _STATISTICS_SECONDS
        self._next_schedules = 0.0

    def run_once(self) -> float:
        """Sweep, and now and then prune."""
        self._sweep()
        now = self._monotonic()
        if now >= self._next_orphans:
            self._next_orphans = now + _ORPHANS_SECONDS
            self._report(self._broker.rescue_orphans(), "one that nobody knows")
        if now >= self._next_statistics:
            self._next_statistics = now + _STATISTICS_SECONDS
            self._statistics.write(self._broker, self._heartbeat.worker_id)
        if now >= self._next_prune:
            self._next_prune = now + _PRUNE_SECONDS
            prune(self._connection)
        if (processed := self._processed()) - self._tended_at >= _TEND_EACH:
            self._tended_at = processed
            self._broker.tend()
        self._broker.relay()
        return SWEEP_SECONDS

    def _sweep(self) -> None:
        worker_id = self._heartbeat.worker_id
        peers = self._broker.peers(worker_id)
        for peer in peers:
            if self._is_dead(peer):
                freed = self._broker.rescue(peer.worker_id, peer.beat)
                self._report(freed, f"{peer.info.name}, which is dead")
        known = {peer.worker_id for peer in peers}
        self._silences = {id_: s for id_, s in self._silences.items() if id_ in known}
        self._warn_of_strangers(peers)
        if (now := self._monotonic()) >= self._next_schedules:
            done = self._schedules.keep(peers, self._strangers, worker_id=worker_id)
            self._next_schedules = now + (_SCHEDULES_SECONDS if done else SWEEP_SECONDS)

    def _warn_of_strangers(self, peers: Sequence[Peer]) -> None:
        """Say once for each actor that jobs wait and no worker can run them."""
        known = {topic for peer in peers for topic in peer.info.topics}
        for topic, queue in list(self._strangers.items()):
            if topic not in known and topic not in self._warned:
                self._warned.add(topic)
                logger.warning(
                    "Jobs for the actor %r wait in queue %r, and no live worker knows it. They "
                    "stay until one does: is it in a tasks module, and is its worker running?",
                    topic,
                    queue,
                )

    def _is_dead(self, peer: Peer) -> bool:
        # A lock file may be held by a child of a worker that is gone: its process says more.
        if lives(peer.info) is False:
            return True
        if peer.alive is not None:
            return not peer.alive
        # It may be there and yet stand still for ever, so a process that exists proves nothing.
        now = self._monotonic()
        silence = self._silences.get(peer.worker_id)
        if silence is None or silence.beat != peer.beat:
            self._silences[peer.worker_id] = _Silence(peer.beat, now)
            return False
        options = self._connection.options
        if now - self._heartbeat.beaten_at > 2 * options.beat_seconds:
            return False  # my own beats don't get through: I cannot judge anybody
        # Nor did they before they did so again: after an outage everybody has been silent.
        since = max(silence.since, self._heartbeat.steady_since)
        return now - since >= options.silence_seconds

    @staticmethod
    def _report(freed: int, whose: str) -> None:
        if freed:
            jobs = "1 job runs" if freed == 1 else f"{freed} jobs run"
            # A worker's name is what its row says.
            logger.warning("%s again: their worker was %s.", jobs, printable(whose))
