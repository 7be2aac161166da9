"""Declared schedules: the recurring jobs that actors bring along, `@router.actor(cron=…)`.

Each live worker says in its own row which ones its code declares. One that no live worker declares
any more ends: at once if a live worker knows the actor (its schedule was taken away), and after a
day if none does (a whole service may be down, and its missed occurrence is to come when it is
back).
"""

import hashlib
import logging
from collections.abc import Collection, Iterable, Mapping, Sequence

from django_repid.core import names
from django_repid.core.actor import Actor
from django_repid.core.claims import Peer
from django_repid.core.connection import Connection
from django_repid.core.errors import InvalidJob
from django_repid.core.job_terms import JobTerms
from django_repid.core.message import MessageState, NewMessage, StoredMessage
from django_repid.core.outcome import Bench
from django_repid.core.settlement import same_schedule
from django_repid.core.verdict import cancelled, hand_back

logger = logging.getLogger("django_repid.worker")

_FORGOTTEN_US = 24 * 3600 * 1_000_000


def schedule_id(name: str) -> str:
    """Return the id of the recurring job that the actor of this name declares: the name itself.

    Names may hold what ids must not, and be longer: there a digest makes the id unique.
    """
    try:
        return names.check_id(name)
    except InvalidJob:
        digest = hashlib.blake2s(name.encode(), digest_size=6).hexdigest()
        plain = "".join(c if c.isalnum() or c in "_-" else "-" for c in name)
        return f"{plain[: names.ID_LENGTH - len(digest) - 1]}-{digest}"


def declared(actors: Iterable[Actor]) -> list[str]:
    """Return the ids of the recurring jobs that actors declare."""
    return sorted(schedule_id(actor.name) for actor in actors if actor.schedule is not None)


class Schedules:
    """Writes the declared schedules of a worker's actors, and ends those that nobody declares."""

    def __init__(self, connection: Connection, actors: Mapping[str, Actor]) -> None:
        self._connection = connection
        self._actors = actors
        self._declared = frozenset(declared(actors.values()))
        self._written_by: int | None = None

    def keep(self, peers: Sequence[Peer], strangers: Collection[str], *, worker_id: int) -> bool:
        """Write what the actors declare, and end what no live worker declares.

        Returns whether all of that is done: one that runs comes to its end undisturbed first, also
        if its run has begun while it was looked at.

        `strangers`: actors that this worker does not know, and that have jobs which are due.
        `worker_id`: of this worker. Under a new one everything is written again: before that it
        was taken for dead, and others may have ended what it declares.
        """
        if worker_id == self._written_by:
            self._write_changed(peers, worker_id)
        else:
            self._write(self._messages())
            self._written_by = worker_id
        return self._end_undeclared(peers, strangers, worker_id)

    def _messages(self) -> list[NewMessage]:
        return [
            _terms(actor, self._connection).order().message
            for actor in self._actors.values()
            if actor.schedule is not None
        ]

    def _write(self, messages: Sequence[NewMessage]) -> None:
        """Write what the actors declare; what is there and the same keeps its next occurrence."""
        if messages:
            self._connection.enqueue(messages)

    def _write_changed(self, peers: Sequence[Peer], worker_id: int) -> None:
        """Write again what has another schedule by now, unless a younger worker declares it.

        While a release is rolled out, a worker with the old code may start once more, and its word
        would stay when it is gone. What was taken away by hand stays away.
        """
        younger = {id_ for p in peers if p.worker_id > worker_id for id_ in p.info.schedules}
        mine = self._declared - younger
        if not mine:
            return
        found = {one.key.id_: one.spec for one in self._connection.message_broker.find(mine)}
        self._write(
            [
                message
                for message in self._messages()
                if (spec := found.get(message.key.id_)) is not None
                and message.key.id_ in mine
                and spec.again is not None
                and spec.again.declared
                and not same_schedule(spec, message.spec)
            ]
        )

    def _end_undeclared(
        self, peers: Sequence[Peer], strangers: Collection[str], worker_id: int
    ) -> bool:
        broker = self._connection.message_broker
        known = {*self._actors, *(topic for peer in peers for topic in peer.info.topics)}
        ids = {schedule_id(topic) for topic in (*known, *strangers)} - self._live(peers)
        done = True
        for found in broker.find(sorted(ids)) if ids else ():
            again = found.spec.again
            if again is None or not again.declared:
                continue
            if found.state is MessageState.RUNNING:
                done = False
                continue
            overdue = broker.now_us() - found.due_at
            if found.key.topic not in known and overdue <= _FORGOTTEN_US:
                continue
            # A worker is registered before it declares: whoever wrote what was found is seen now.
            if found.key.id_ not in self._live(broker.peers(worker_id)):
                done = self._end(found) and done
        return done

    def _live(self, peers: Sequence[Peer]) -> frozenset[str]:
        """Return the ids of what live workers declare."""
        return self._declared.union(*(peer.info.schedules for peer in peers))

    def _end(self, found: StoredMessage) -> bool:
        broker = self._connection.message_broker
        seized = broker.seize(found.key.id_, [found.state])
        if seized is None:  # it is gone, or a worker has just claimed it
            return False
        if seized.enqueued_at != found.enqueued_at:  # it has just been declared again
            self._connection.settle([hand_back(seized)])
            return True
        logger.info("The schedule of %s ends: nobody declares it.", found.key.topic)
        bench = Bench(worker="", now=broker.now_us())
        self._connection.settle([cancelled(seized, bench)])
        return True


def _terms(actor: Actor, connection: Connection) -> JobTerms:
    id_ = schedule_id(actor.name)
    terms = JobTerms(
        actor.name,
        actor.queue,
        id_=id_,
        retries=actor.retries,
        timeout=actor.timeout,
        # The same at each start, so that the newest result is always found under it.
        result_id=schedule_id(f"schedule-{id_}"),
        connection=connection,
    )
    terms.schedule = actor.schedule
    return terms
