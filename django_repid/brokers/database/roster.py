"""Workers in a table: their beats, and the rescue of what the dead ones ran."""

from collections.abc import Collection
from typing import Any

from django.db import connections
from django.db.models import Case, F, QuerySet, When
from django.db.models.functions import Greatest, Least

from django_repid.brokers.database import rows
from django_repid.brokers.database.access import guarded, transaction_on
from django_repid.brokers.database.liveness import LockFiles
from django_repid.core.claims import Beat, Peer, WorkerInfo
from django_repid.core.message import MessageState
from django_repid.core.suspicion import ISOLATED, floor_after_crash
from django_repid.models import Message, WorkerProcess

#: A message seized by its id (to cancel it, say) is settled at once. After this long its seizer
#: is dead.
_SEIZED_US = 60_000_000

_RESCUE_CHUNK = 500


class DatabaseRoster:
    """The part of a message broker that knows its workers.

    On SQLite a worker holds a locked file and never writes a beat: a write would make views fail
    that read first and write later in one transaction (Django's default mode).
    """

    def __init__(self) -> None:
        self._locks = LockFiles()

    @property
    def alias(self) -> str:
        """The database alias that its rows are written to."""
        raise NotImplementedError

    def now_us(self) -> int:
        """Return the store's time."""
        raise NotImplementedError

    @property
    def _messages(self) -> "QuerySet[Message]":
        return Message.objects.using(self.alias).order_by("pk")

    @property
    def _workers(self) -> "QuerySet[WorkerProcess]":
        return WorkerProcess.objects.using(self.alias)

    @property
    def _locked(self) -> bool:
        """Whether liveness is a locked file here."""
        return connections[self.alias].vendor == "sqlite" and LockFiles.available

    @guarded
    def register(self, info: WorkerInfo) -> int:
        """See `MessageBroker.register`."""
        now = self.now_us()
        with transaction_on(self.alias):
            row = self._workers.create(
                name=info.name[:255],
                beat=0,
                beat_at=now,
                started_at=now,
                draining=False,
                host=info.host[:255],
                boot_id=info.boot_id,
                pid=info.pid,
                pid_started=info.pid_started,
                queues=" ".join(info.queues),
                topics=" ".join(info.topics),
                version=info.version,
                schedules=" ".join(info.schedules),
            )
            if self._locked:  # before anybody can see the row
                self._locks.acquire(self._database_name, row.pk)
        return row.pk

    @guarded
    def beat(self, worker_id: int) -> Beat:
        """See `MessageBroker.beat`."""
        me = self._workers.filter(pk=worker_id)
        if self._locked:
            known = me.exists()
        else:
            known = bool(me.update(beat=F("beat") + 1, beat_at=self.now_us()))
        if not known:  # declared dead, it goes on under another id, with another lock
            self._locks.release(self._database_name, worker_id)
        mine = self._messages.filter(worker_id=worker_id, cancel_asked=True)
        asked = mine.filter(state=MessageState.RUNNING).values_list("pk", flat=True)
        return Beat(known=known, cancelled=frozenset(asked))

    @guarded
    def drain(self, worker_id: int) -> None:
        """See `MessageBroker.drain`."""
        self._workers.filter(pk=worker_id).update(draining=True)

    @guarded
    def deregister(self, worker_id: int) -> None:
        """See `MessageBroker.deregister`."""
        self._workers.filter(pk=worker_id).delete()
        self._locks.release(self._database_name, worker_id)

    @guarded
    def peers(self, worker_id: int) -> list[Peer]:
        """See `MessageBroker.peers`."""
        return [
            Peer(
                worker_id=row.pk,
                beat=row.beat,
                info=rows.worker_info(row),
                draining=row.draining,
                alive=self._locks.held(self._database_name, row.pk) if self._locked else None,
            )
            for row in self._workers.exclude(pk=worker_id)
        ]

    @guarded
    def rescue(self, worker_id: int, beat: int) -> int:
        """See `MessageBroker.rescue`."""
        with transaction_on(self.alias):
            if not self._workers.filter(pk=worker_id, beat=beat).delete()[0]:
                return 0  # it has beaten since, or another sweeper was faster
            freed = 0
            lost = self._messages.filter(state=MessageState.RUNNING, worker_id=worker_id)
            floor = floor_after_crash(lost.order_by().count())
            lost = self._not_held(lost)
            while keys := list(lost.values_list("pk", flat=True)[:_RESCUE_CHUNK]):
                # By key alone: they are locked, and SQLite might go by the state instead.
                freed += self._free(self._messages.filter(pk__in=keys), floor)
        self._locks.forget(self._database_name, worker_id)
        return freed

    @guarded
    def rescue_orphans(self) -> int:
        """See `MessageBroker.rescue_orphans`."""
        # Messages first, workers second: a worker is registered before it claims, so whoever
        # owns a message seen here is seen below, unless it is gone. The lease guards the rest.
        # In no order: by their keys, SQLite and PostgreSQL would read the whole table for it.
        running = self._messages.filter(state=MessageState.RUNNING).order_by()
        seen = list(running.values_list("pk", "lease", "worker_id", "claimed_at"))
        known = set(self._workers.values_list("pk", flat=True))
        seized_before = self.now_us() - _SEIZED_US
        orphans = [
            (pk, lease)
            for pk, lease, worker_id, claimed_at in seen
            if worker_id not in known
            and not (worker_id is None and (claimed_at or 0) >= seized_before)
        ]
        floor = floor_after_crash(len(orphans))
        freed = 0
        for pk, lease in orphans:
            with transaction_on(self.alias):
                mine = self._not_held(running.filter(pk=pk, lease=lease))
                keys = list(mine.values_list("pk", flat=True))
                freed += self._free(self._messages.filter(pk__in=keys), floor) if keys else 0
        return freed

    @guarded
    def give_back(self, worker_id: int, in_hand: Collection[int]) -> int:
        """See `MessageBroker.give_back`."""
        running = self._messages.filter(state=MessageState.RUNNING, worker_id=worker_id)
        held = running.order_by().values_list("pk", "lease")
        lost = [(pk, lease) for pk, lease in held if pk not in in_hand]
        return sum(
            running.filter(pk=pk, lease=lease).update(
                state=MessageState.READY, worker_id=None, claimed_at=None
            )
            for pk, lease in lost
        )

    def _not_held(self, messages: "QuerySet[Message]") -> "QuerySet[Message]":
        """Lock messages, but for those that a stranger's transaction holds: they come later."""
        if connections[self.alias].features.has_select_for_update_skip_locked:
            return messages.select_for_update(skip_locked=True)
        return messages

    @staticmethod
    def _free(messages: "QuerySet[Message]", floor: int) -> int:
        """Free running messages, as `after_crash` says. Whoever calls it knows that they still are.

        `floor`: the level of suspicion that they have at least.
        """
        raised = Least(Greatest(F("suspicion") + 1, floor), ISOLATED)
        return messages.update(
            state=MessageState.READY,
            worker_id=None,
            claimed_at=None,
            crashes=F("crashes") + 1,
            suspicion=Case(When(suspicion__gte=ISOLATED, then=F("suspicion")), default=raised),
        )

    @property
    def _database_name(self) -> str:
        settings: Any = connections[self.alias].settings_dict
        return str(settings["NAME"])
