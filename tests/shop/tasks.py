"""Actors for the tests."""

import asyncio
import os
import re
import signal
import subprocess
import sys
import time
from datetime import timedelta
from pathlib import Path

from django.db import connection

from django_repid import MessageDependency, Router
from django_repid.models import Message
from tests.shop.models import Order

router = Router()


@router.actor
async def add(a: int, b: int) -> int:
    return a + b


@router.actor(queue="mail", retries=5, timeout=timedelta(seconds=30))
def send_receipt(order_id: int) -> str:
    order = Order.objects.get(pk=order_id)
    order.note = "sent"
    order.save()
    return order.note


@router.actor
async def count_orders() -> int:
    return await Order.objects.acount()


@router.actor
async def fail(text: str = "no") -> None:
    raise ValueError(text)


@router.actor
async def linger(seconds: float) -> str:
    await asyncio.sleep(seconds)
    return "done"


@router.actor(retries=3)
def note_when_released(order_id: int, folder: str) -> str:
    """Say that it runs, and wait for the test's word."""
    here = Path(folder)
    (here / f"started-{os.getpid()}").touch()
    while not (here / "release").exists():
        time.sleep(0.01)
    Order.objects.filter(pk=order_id).update(note=str(os.getpid()))
    return "released"


@router.actor
def note_pid() -> int:
    time.sleep(0.002)
    return os.getpid()


@router.actor
async def poison(how: str, folder: str, after: float = 0.0) -> None:
    """Kill the process that runs it, as a fault in C code, a memory hog or a rude exit would."""
    await asyncio.sleep(after)
    (Path(folder) / f"poisoned-{os.getpid()}-{time.monotonic_ns()}").touch()
    if how == "exit":
        os._exit(0)
    os.kill(os.getpid(), getattr(signal, how))


@router.actor
def poison_on_thread(how: str, folder: str) -> None:
    asyncio.run(poison(how, folder))


@router.actor(atomic=True, retries=1)
def place_order(number: int) -> int:
    return Order.objects.create(number=number).pk


@router.actor(atomic=True, retries=1)
def place_tick() -> None:
    """Note which occurrence of its job it is."""
    tick = Message.objects.get(message_id="tick").tick
    Order.objects.create(note=str(tick))


@router.actor(
    # As one version of a project's code declares it, and the next one does not any more.
    deferred_by=timedelta(seconds=1) if os.environ.get("REPID_TEST_DECLARES") else None,
)
def declared_tick() -> None:
    Order.objects.create(note="declared")


@router.actor(atomic=True)
def order_and_answer(number: int, verb: str, msg: MessageDependency) -> None:
    Order.objects.create(number=number)
    msg.set_result(number)
    getattr(msg, f"{verb}_sync")()


@router.actor(atomic=True)
def order_and_kill(number: int, how: str) -> None:
    """Write, and die before the commit."""
    Order.objects.create(number=number)
    os.kill(os.getpid(), getattr(signal, how))


@router.actor
async def block_the_loop(seconds: float, folder: str) -> int:
    """Keep the event loop busy with Python code, as a bad actor does."""
    (Path(folder) / f"started-{os.getpid()}").touch()
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        pass
    return os.getpid()


@router.actor
def obey(folder: str) -> int:
    """Run until this very process is told how to end."""
    here = Path(folder)
    (here / f"started-{os.getpid()}").touch()
    while not (word := here / f"word-{os.getpid()}").exists():
        time.sleep(0.01)
    if word.read_text() == "fail":
        raise ValueError("as told")
    return os.getpid()


@router.actor(run_in_process=True)
def hold_apart(folder: str) -> int:
    """Run until the test's word, in a process of its own."""
    here = Path(folder)
    (here / f"started-{os.getpid()}").touch()
    while not (here / "release").exists():
        time.sleep(0.01)
    return os.getpid()


@router.actor(run_in_process=True)
def crunch(folder: str) -> None:
    """Hold the GIL in C code for ages, beside a process that it has started."""
    other = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"])
    (Path(folder) / f"started-{os.getpid()}").touch()
    (Path(folder) / f"started-{other.pid}").touch()
    re.match(r"(a+)+$", "a" * 60 + "b")


@router.actor(run_in_process=True)
def was_connected() -> list[bool]:
    """Return whether this process had a connection, and whether it has a pool of them."""
    found = connection.connection is not None
    Order.objects.count()
    return [found, "pool" in connection.settings_dict["OPTIONS"]]


@router.actor(run_in_process=True, atomic=True)
def place_order_apart(number: int) -> int:
    Order.objects.create(number=number)
    return os.getpid()


@router.actor(run_in_process=True, atomic=True, timeout=timedelta(seconds=1))
def order_and_crunch(number: int) -> None:
    """Write, and overrun before the commit."""
    Order.objects.create(number=number)
    re.match(r"(a+)+$", "a" * 60 + "b")


@router.actor(run_in_process=True, atomic=True)
def order_apart_and_kill(number: int) -> None:
    """Write, and die before the commit."""
    Order.objects.create(number=number)
    os.kill(os.getpid(), signal.SIGKILL)
