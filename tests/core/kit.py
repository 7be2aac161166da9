"""What the tests of core share: connections in memory, made-up messages, and scripts."""

import os
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from django_repid import Connection, InMemoryBucketBroker, InMemoryMessageBroker
from django_repid.core import clock
from django_repid.core.codec import Spec
from django_repid.core.message import MessageState, RoutingKey, StoredMessage
from django_repid.core.options import Options

ROOT = Path(__file__).resolve().parents[2]
MOMENT = datetime(2024, 5, 17, 12, 0, tzinfo=UTC)


def in_memory(*, args: bool = False, results: bool = True, **options: Any) -> Any:
    """Return a `Connection` in memory, by default without an args bucket broker."""
    return Connection(
        InMemoryMessageBroker(),
        InMemoryBucketBroker() if args else None,
        InMemoryBucketBroker(use_result_bucket=True) if results else None,
        options=Options(**options),
        alias="memory",
    )


def stored(**fields: Any) -> StoredMessage:
    """Return a message as a claim hands it out."""
    given: dict[str, Any] = {
        "key": RoutingKey("greet", id_="the-id", pk=7, lease=3),
        "spec": Spec.write(clock.to_us(MOMENT)),
        "state": MessageState.RUNNING,
        "run_at": 1_000,
        "due_at": 1_000,
        "tick": None,
        "enqueued_at": 900,
        "claimed_at": 1_100,
        "worker_id": 1,
        "tries": 0,
        "crashes": 0,
        "suspicion": 0,
        "cancel_asked": False,
        "payload": "{}",
        "args_id": None,
        "args_generated": False,
        "waits_for": None,
        "dead_reason": "",
        "headers": {},
    }
    return StoredMessage(**{**given, **fields})


def run_script(text: str, *arguments: str) -> str:
    """Run a script without Django's settings, and return what it printed."""
    environment = {
        name: value for name, value in os.environ.items() if name != "DJANGO_SETTINGS_MODULE"
    }
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", text, *arguments],
        cwd=ROOT,
        env={**environment, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert "Traceback" not in done.stderr, done.stderr
    return done.stdout


BLOCK_IMPORTS = """
import sys

class Blocker:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in BLOCKED:
            raise ImportError(f"{name} is blocked", name=name)
        return None

sys.meta_path.insert(0, Blocker())
"""


def blocking(*packages: str) -> str:
    """Return the beginning of a script in which these packages cannot be imported."""
    return f"BLOCKED = {set(packages)!r}{BLOCK_IMPORTS}"
