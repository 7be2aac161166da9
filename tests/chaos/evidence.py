"""What is kept of a run in which a promise was broken, beside its logs and files."""

from pathlib import Path

from tests.chaos import records
from tests.chaos.fleet import Fleet
from tests.chaos.store import Store
from tests.chaos.verdict import Verdict

_COLUMNS = (
    "id", "message_id", "topic", "state", "lease", "worker_id", "tries", "crashes", "waits_for",
    "run_at", "claimed_at", "dead_reason",
)  # fmt: skip


def write(store: Store, fleet: Fleet, verdict: Verdict) -> Path:
    """Write what is known of every job under suspicion, and all that is left in the tables."""
    lines = [f"Violations on {store.name}", *verdict.violations, "", "Jobs under suspicion"]
    notes = records.by_job(records.notes(store.folder))
    for job in sorted(verdict.suspects):
        lines += ["", job, *(f"  {one}" for one in notes.get(job, []))]
        lines += [f"  claimed at: {one.what}" for one in fleet.harms if job in one.jobs]
    columns = ", ".join(_COLUMNS)
    lines += ["", "Messages", " | ".join(_COLUMNS)]
    found = store.query(f"SELECT {columns} FROM django_repid_message ORDER BY id")
    lines += [" | ".join(map(str, row)) for row in found]
    lines += ["", "Workers", *map(str, store.workers())]
    lines += ["", "Events", *records.lines_of(store.folder / records.EVENTS)]
    path = store.folder / "evidence.txt"
    path.write_text("\n".join(lines) + "\n")
    return path
