"""Enqueueing beside the ORM, in turns, and in bulk."""

import asyncio
import contextlib
import time
import uuid
from collections.abc import Awaitable, Callable
from typing import Any

from tests.benchmarks.work import arguments

KINDS = ("plain", "atomic", "bucket", "awaited")


def single(system: Any, turns: str, turn: str) -> dict[str, list[list[float]]]:
    """Measure each kind of enqueue against the ORM; return [ours, theirs] of each turn, jobs/s."""
    from django.db import transaction

    create, acreate = _creators()
    rates: dict[str, list[list[float]]] = {kind: [] for kind in KINDS}
    count = int(turn)
    for number in range(int(turns) + 1):
        for kind in KINDS:
            around = transaction.atomic if kind == "atomic" else contextlib.nullcontext
            if kind == "awaited":
                pair = [_awaited(count, _enqueue_awaited), _awaited(count, acreate)]
            else:
                ours = _enqueue_bucket if kind == "bucket" else _enqueue
                first, second = (ours, create) if number % 2 else (create, ours)
                pair = [_timed(count, first, around), _timed(count, second, around)]
                pair = pair if number % 2 else pair[::-1]
            if number:  # the first turn only warms up
                rates[kind].append(pair)
    return rates


def _creators() -> tuple[Callable[[int], Any], Callable[[int], Awaitable[Any]]]:
    """Return what creates a row like a job's through the ORM, and what awaits that."""
    from django_repid.models import Message
    from tests.benchmarks.project.models import LikeJob

    _enqueue(0)
    row: dict[str, Any] = dict(Message.objects.values()[0])
    row.pop("id")

    def values() -> dict[str, Any]:
        return {**row, "message_id": uuid.uuid4().hex}

    async def acreate(number: int) -> None:
        await LikeJob.objects.acreate(**values())

    return lambda number: LikeJob.objects.create(**values()), acreate


def _enqueue(number: int) -> None:
    from django_repid import Job

    Job("noop", args=arguments(number)).enqueue_sync()


def _enqueue_bucket(number: int) -> None:
    from django_repid import Job

    Job("noop", args=arguments(number), connection="bucketed").enqueue_sync()


async def _enqueue_awaited(number: int) -> None:
    from django_repid import Job

    await Job("noop", args=arguments(number)).enqueue()


def _timed(count: int, work: Callable[[int], Any], around: Callable[[], Any]) -> float:
    started = time.perf_counter()
    with around():
        for number in range(count):
            work(number)
    return count / (time.perf_counter() - started)


def _awaited(count: int, work: Callable[[int], Awaitable[Any]]) -> float:
    async def run() -> float:
        await work(0)  # a loop's first call starts its thread
        started = time.perf_counter()
        for number in range(count):
            await work(number)
        return count / (time.perf_counter() - started)

    return asyncio.run(run())


def many(system: Any, count: str, chunk: str) -> dict[str, float]:
    """Enqueue in bulk; return jobs/s with the Job objects made before, and with making them."""
    from django_repid import Job

    def make() -> list[list[Job]]:
        return [
            [Job("noop", args=arguments(number)) for number in range(begin, begin + int(chunk))]
            for begin in range(0, int(count), int(chunk))
        ]

    Job.enqueue_many_sync(make()[0])  # warm up
    started = time.perf_counter()
    chunks = make()
    made = time.perf_counter()
    for one in chunks:
        Job.enqueue_many_sync(one)
    ended = time.perf_counter()
    return {"made": int(count) / (ended - made), "making": int(count) / (ended - started)}


def many_of_rival(system: Any, count: str, actor: str) -> float:
    """Return the rate of a rival's bulk enqueue, making its jobs included."""
    system.enqueue(min(int(count), 1_000), actor)  # warm up
    started = time.perf_counter()
    system.enqueue(int(count), actor)
    return int(count) / (time.perf_counter() - started)
