"""The page of workers."""

from typing import Any

from django.contrib import admin
from django.http import HttpRequest

from django_repid.admin.base import Page
from django_repid.insight.reader import Reader
from django_repid.insight.snapshot import Snapshot
from django_repid.insight.workers import Liveness
from django_repid.models import WorkerProcess

_GLYPHS = {
    Liveness.ALIVE: "done",
    Liveness.DRAINING: "later",
    Liveness.SILENT: "lost",
    Liveness.GONE: "failed",
}


@admin.register(WorkerProcess)
class WorkerAdmin(Page):
    """Workers: which live, which are leaving, which are silent or gone."""

    template = "workers.html"

    def content(self, request: HttpRequest, reader: Reader, seen: Snapshot) -> dict[str, Any]:
        """Return the workers, and how many jobs each runs."""
        counts: dict[int | None, int] = {}
        for one in reader.running():
            counts[one.worker_id] = counts.get(one.worker_id, 0) + one.count
        workers = [
            (worker, _GLYPHS[worker.state], counts.get(worker.id, 0)) for worker in seen.workers
        ]
        return {"workers": workers}
