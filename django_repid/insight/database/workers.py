"""Workers by their rows."""

from django_repid.brokers.database import rows
from django_repid.insight.database.access import Access
from django_repid.insight.workers import WorkerState, liveness
from django_repid.models import WorkerProcess
from django_repid.worker.identity import lives


class DatabaseWorkers(Access):
    """The part of a reader that sees workers."""

    def workers(self) -> list[WorkerState]:
        """See `WorkerReader.workers`.

        What the operating system says counts more than beats: on SQLite none are written.
        """
        alive = {peer.worker_id: peer.alive for peer in self.broker.peers(0)}
        now, beat = self.now_us(), round(self.connection.options.beat_seconds * 1_000_000)
        found = []
        for row in WorkerProcess.objects.using(self.database).order_by("pk"):
            if row.pk not in alive:
                continue
            info, locked = rows.worker_info(row), alive[row.pk]
            state = liveness(
                silence=now - row.beat_at if locked is None else None,
                beat=beat,
                alive=locked,
                there=lives(info),
                draining=row.draining,
            )
            found.append(
                WorkerState(
                    id=row.pk,
                    info=info,
                    state=state,
                    started_at=row.started_at,
                    beat_at=row.beat_at if locked is None else None,
                )
            )
        return found
