"""The work that every system runs: nothing at all, or a wait as of a call over the network."""

import asyncio
import time

from tests.benchmarks import tally

PAUSE = 0.05


def arguments(number: int) -> dict[str, object]:
    """Return the three small arguments of a job."""
    return {"number": number, "text": "x", "flag": True}


async def noop(number: int, text: str, flag: bool) -> None:
    tally.ran(number)


def noop_sync(number: int, text: str, flag: bool) -> None:
    tally.ran(number)


async def pause(number: int, text: str, flag: bool) -> None:
    tally.started(number)
    await asyncio.sleep(PAUSE)
    tally.ended()


def pause_sync(number: int, text: str, flag: bool) -> None:
    tally.started(number)
    time.sleep(PAUSE)
    tally.ended()


ACTORS = {"noop": noop, "noop_sync": noop_sync, "pause": pause, "pause_sync": pause_sync}
