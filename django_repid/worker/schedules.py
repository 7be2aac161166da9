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
from django_repid.core.message import MessageState, StoredMessage
from django_repid.core.outcome import Bench
from django_repid.core.verdict import cancelled

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
        self._written = False

    def keep(self, peers: Sequence[Peer], strangers: Collection[str]) -> None:
        """Write what the actors declare, once, and end what no live worker declares.

        `strangers`: actors that this worker does not know, and that have jobs which are due.
        """
        if not self._written:
            self._declare()
            self._written = True
        self._end_undeclared(peers, strangers)

    def _declare(self) -> None:
        """Write what the actors declare; what is there and the same keeps its next occurrence."""
        orders = [
            _terms(actor, self._connection).order()
            for actor in self._actors.values()
            if actor.schedule is not None
        ]
        if orders:
            self._connection.enqueue([order.message for order in orders])

    def _end_undeclared(self, peers: Sequence[Peer], strangers: Collection[str]) -> None:
        broker = self._connection.message_broker
        live = self._declared.union(*(peer.info.schedules for peer in peers))
        known = {*self._actors, *(topic for peer in peers for topic in peer.info.topics)}
        ids = {schedule_id(topic) for topic in (*known, *strangers)} - live
        for found in broker.find(sorted(ids)) if ids else ():
            again = found.spec.again
            if again is None or not again.declared or found.state is MessageState.RUNNING:
                continue
            overdue = broker.now_us() - found.due_at
            if found.key.topic in known or overdue > _FORGOTTEN_US:
                self._end(found)

    def _end(self, found: StoredMessage) -> None:
        broker = self._connection.message_broker
        seized = broker.seize(found.key.id_, [found.state])
        if seized is not None:
            logger.info("The schedule of %s ends: nobody declares it.", found.key.topic)
            bench = Bench(worker="", now=broker.now_us())
            self._connection.settle([cancelled(seized, bench)])


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
