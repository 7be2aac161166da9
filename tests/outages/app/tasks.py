"""Actors that write what they do into a file: no database can undo or forget it."""

import asyncio
import os
import time
from pathlib import Path

from django_repid import Router

router = Router()
_FOLDER = Path(os.environ["OUTAGE_FOLDER"])


def note(event: str, number: int) -> None:
    """Append a line; short appends of several processes never mix."""
    line = f"{event} {number} {os.getpid()} {time.time()}\n"
    file = os.open(_FOLDER / "ledger", os.O_WRONLY | os.O_APPEND | os.O_CREAT)
    try:
        os.write(file, line.encode())
    finally:
        os.close(file)


@router.actor
def short(number: int, seconds: float = 0.05) -> int:
    """Take a moment."""
    note("began", number)
    time.sleep(seconds)
    note("ended", number)
    return number


@router.actor
async def short_async(number: int, seconds: float = 0.05) -> int:
    """Take a moment, without a thread."""
    note("began", number)
    await asyncio.sleep(seconds)
    note("ended", number)
    return number


def _hold(number: int) -> None:
    note("began", number)
    while not (_FOLDER / f"release-{number}").exists():
        time.sleep(0.01)
    note("ended", number)


@router.actor
def held(number: int) -> int:
    """Run until the test lets it go."""
    _hold(number)
    return number


@router.actor
async def held_async(number: int) -> int:
    """Run until the test lets it go, without a thread."""
    note("began", number)
    while not (_FOLDER / f"release-{number}").exists():  # noqa: ASYNC110 - of another process
        await asyncio.sleep(0.01)
    note("ended", number)
    return number


@router.actor
def bulky(number: int, size: int) -> str:
    """Run until the test lets it go, and return much."""
    _hold(number)
    return "x" * size
