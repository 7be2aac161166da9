"""Actors of every kind. Each writes down that it began, and at the end of its work that it ended.

The kind of a job is the last part of its id, so that whoever checks knows what to expect of it.
"""

import asyncio
import ctypes
import os
import time
from pathlib import Path
from typing import Any, get_overloads

from django_repid import Router, default_retry_policy_factory
from tests.chaos import records
from tests.chaos.app.models import Effect

router = Router()
#: Whether actors can be run in one transaction with their settlement.
HAS_ATOMIC = any("atomic" in one.__annotations__ for one in get_overloads(Router.actor))
_ATOMIC: dict[str, Any] = {"atomic": True} if HAS_ATOMIC else {}
_SOON = default_retry_policy_factory(min_backoff=0.2, multiplier=0.1, max_backoff=2)
#: Actors that use the ORM meet outages, as those of a project do.
_PATIENT: dict[str, Any] = {"retries": 100, "retry_policy": _SOON}
EXPECTED_REASON = "RuntimeError: fails on purpose"


@router.actor(name="async")
async def async_(job: str) -> None:
    records.note("began", job)
    await asyncio.sleep(0.005)
    records.note("ended", job)


@router.actor(name="sync", **_PATIENT)
def sync(job: str) -> None:
    records.note("began", job)
    Effect.objects.create(job=job, pid=os.getpid())
    records.note("ended", job)


@router.actor(**_PATIENT)
async def row(job: str) -> None:
    records.note("began", job)
    await Effect.objects.acreate(job=job, pid=os.getpid())
    records.note("ended", job)


@router.actor
async def slow(job: str, seconds: float) -> None:
    records.note("began", job)
    await asyncio.sleep(seconds)
    records.note("ended", job)


@router.actor
def busy(job: str, seconds: float) -> None:
    records.note("began", job)
    time.sleep(seconds)
    records.note("ended", job)


@router.actor(retries=3, retry_policy=_SOON)
def flaky(job: str) -> None:
    """Fail the first time, and succeed the second."""
    records.note("began", job)
    _fail_at_first(job)
    records.note("ended", job)


@router.actor(retries=1, retry_policy=_SOON)
async def hopeless(job: str) -> None:
    records.note("began", job)
    raise RuntimeError("fails on purpose")


@router.actor
async def first(job: str) -> dict[str, str]:
    """Return the arguments of the job that waits for this one."""
    records.note("began", job)
    records.note("ended", job)
    return {"job": job.replace("-first", "-second"), "upstream": job}


@router.actor
def second(job: str, upstream: str) -> str:
    records.note("began", job)
    records.note("ended", job)
    return upstream


@router.actor(**_PATIENT, **_ATOMIC)
def atomic(job: str) -> None:
    """Write a row in one transaction with the settlement, where that is possible."""
    records.note("began", job)
    Effect.objects.create(job=job, pid=os.getpid())
    records.note("ended", job)


# ---- For single faults.


@router.actor
def work(job: str, seconds: float) -> None:
    records.note("began", job)
    time.sleep(seconds)
    records.note("ended", job)


@router.actor
async def held(job: str) -> int:
    """Run until released, and return which run this is; a run may be told to fail instead."""
    records.note("began", job)
    run = sum(one.job == job and one.event == "began" for one in records.notes(records.folder()))
    words = await _release(records.folder() / f"release-{job}-{run}")
    records.note("ended", job)
    if words == "fail":
        raise RuntimeError("fails on purpose")
    return run


@router.actor
def exits(job: str) -> None:
    """Take the whole process along, as the OOM killer would."""
    records.note("began", job)
    os._exit(77)


@router.actor
def segfaults(job: str) -> None:
    """Take the whole process along, as a faulty C extension would."""
    records.note("began", job)
    ctypes.string_at(0)


# ---- For the soak.


@router.actor
async def tick(at: float) -> None:
    records.append(records.folder() / "picked-up", [f"{1000 * (time.time() - at):.2f}"])


@router.actor
def tock(at: float) -> str:
    records.append(records.folder() / "picked-up", [f"{1000 * (time.time() - at):.2f}"])
    return "x" * 100


async def _release(path: Path) -> str:
    while (words := _words(path)) is None:  # noqa: ASYNC110 - of another process
        await asyncio.sleep(0.01)
    return words


def _words(path: Path) -> str | None:
    return path.read_text() if path.exists() else None


def _fail_at_first(job: str) -> None:
    marker = records.folder() / "failed"
    marker.mkdir(exist_ok=True)
    try:
        (marker / job).touch(exist_ok=False)
    except FileExistsError:
        return
    raise RuntimeError("fails the first time")
