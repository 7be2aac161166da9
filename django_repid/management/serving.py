"""The worker process: a worker on the main thread, or on a thread that is reloaded."""

import asyncio
import contextlib
import logging
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from django.apps import apps
from django.core.management.base import CommandError
from django.utils import autoreload

from django_repid.core.errors import RepidError
from django_repid.worker.signals import REPEAT_SECONDS
from django_repid.worker.worker import Worker

logger = logging.getLogger("django_repid.worker")

#: How much longer than its grace a worker may take to end.
_MARGIN_SECONDS = 5.0
#: Exit code: something that the user must mend, as settings, missing tables or a wrong flag.
USAGE = 2
#: The code with which Django's reloader ends a process whose files have changed.
CHANGED = 3
#: The code of a supervised process that has nothing more to do. Not 0: a job can say `os._exit(0)`.
DONE = 4


def serve(worker: Worker) -> int:
    """Run a worker to its end on this thread; return how many jobs it processed."""
    return asyncio.run(worker.run()).processed


def supervise() -> int:
    """Run this command in a child process, anew each time its code has changed; for development.

    Django's own supervisor kills the child a quarter of a second after Ctrl-C, and its jobs with
    it. This one lets it end. The terminal sends Ctrl-C to both; SIGTERM is passed on.
    """
    environment = {**os.environ, autoreload.DJANGO_AUTORELOAD_ENV: "true"}
    signal.signal(signal.SIGINT, lambda *_: None)
    while True:
        child = subprocess.Popen(autoreload.get_child_arguments(), env=environment)  # noqa: S603 - this command
        signal.signal(signal.SIGTERM, lambda *_, child=child: child.terminate())
        code = child.wait()
        if code != CHANGED:
            return code


def is_supervised() -> bool:
    """Whether this process is the child of `supervise`."""
    return os.environ.get(autoreload.DJANGO_AUTORELOAD_ENV) == "true"


def serve_with_reload(make: Callable[[], Worker]) -> None:
    """Run a worker until a file of the project changes; in the child of `supervise`.

    Django's reloader runs the program on a thread of its own and ends the process when a file
    changes. So the worker is drained first: before a reload, and before Ctrl-C or SIGTERM ends it.
    """
    stage = _Stage(make)
    autoreload.file_changed.connect(stage.drain, dispatch_uid="django_repid.reload")
    autoreload.autoreload_started.connect(_watch_apps, dispatch_uid="django_repid.reload")
    try:
        autoreload.run_with_reloader(stage.play)
    finally:
        for one in (signal.SIGINT, signal.SIGTERM):
            signal.signal(one, stage.hurry)
        stage.drain()


def _watch_apps(sender: Any, **_: Any) -> None:
    """Watch the project's apps whole: a module that does not import is else not looked at again."""
    for app in apps.get_app_configs():
        if "site-packages" not in Path(app.path).parts:
            sender.watch_dir(app.path, "**/*.py")


class _Stage:
    """The worker that runs now, if one does."""

    def __init__(self, make: Callable[[], Worker]) -> None:
        self._make = make
        self._worker: Worker | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        self._stopped_at = float("-inf")
        self._over = threading.Event()
        self._over.set()

    def play(self) -> None:
        """Run a worker to its end; called by the reloader, on its thread."""
        try:
            self._worker = self._make()
        except (RepidError, CommandError) as error:
            # What was right when the command began is wrong now: the next change may mend it.
            sys.stderr.write(f"{error}\nWaiting for a change of the code.\n")
            return
        self._over.clear()
        try:
            asyncio.run(self._run(self._worker))
        except RepidError as error:
            sys.stderr.write(f"{error}\nWaiting for a change of the code.\n")
        finally:
            self._over.set()

    async def _run(self, worker: Worker) -> None:
        self._loop = asyncio.get_running_loop()
        await worker.run()

    def hurry(self, *_: Any) -> None:
        """Stop at once: a signal handler, for the signals that come while the worker drains."""
        again = time.monotonic() - self._stopped_at >= REPEAT_SECONDS
        if again and self._worker is not None and self._loop is not None:
            with contextlib.suppress(RuntimeError):  # the loop has been closed meanwhile
                self._loop.call_soon_threadsafe(self._worker.stop)

    def drain(self, **_: Any) -> None:
        """Stop the worker and wait for it; a receiver of `file_changed` that lets Django reload."""
        worker, loop = self._worker, self._loop
        if worker is None or loop is None or self._over.is_set():
            return
        logger.info("Finishing what runs, then ending; Ctrl-C again stops at once.")
        self._stopped_at = time.monotonic()
        try:
            loop.call_soon_threadsafe(worker.stop)
        except RuntimeError:
            return  # the loop has been closed meanwhile
        if not self._over.wait(worker.graceful_shutdown_time + _MARGIN_SECONDS):
            logger.warning("The worker did not end in time.")
