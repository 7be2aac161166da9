"""Other processes for dependencies: `Depends(fn, run_in_process=True)`.

A pool is made at its first use in a run of a worker, and gone with that run. What passes between
them is pickled; what is stored never is.
"""

import multiprocessing
import os
import signal
import threading
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from contextvars import ContextVar
from multiprocessing.context import SpawnContext, SpawnProcess
from typing import Any

from django_repid.core.host import host
from django_repid.worker.child_setup import set_up


class _Process(SpawnProcess):
    """A process that leaves signals to its worker, so that it can only be killed."""

    def terminate(self) -> None:
        """End it: the pool's own word."""
        self.kill()


class _Context(SpawnContext):
    """Starts processes for a pool, and remembers them."""

    def __init__(self) -> None:
        super().__init__()
        self.made: list[_Process] = []

    def Process(self, *args: Any, **kwargs: Any) -> _Process:  # type: ignore[override]  # noqa: N802 - the name of the class in its place
        """Make a process."""
        process = _Process(*args, **kwargs)
        self.made.append(process)
        return process


class DependencyPool:
    """As many processes as there are processors, each made when it is first needed."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._context = _Context()
        self._executor: ProcessPoolExecutor | None = None
        self._closed = False

    def submit(self, fn: Callable[..., Any], given: Mapping[str, Any]) -> "Future[Any]":
        """Have a function called, from any thread.

        The future raises BrokenProcessPool if its process dies; so do those of all other calls that
        are under way. The next call gets new processes.
        """
        with self._lock:
            try:
                return self._made().submit(fn, **given)
            except BrokenProcessPool:
                self._executor = None
                return self._made().submit(fn, **given)

    def _made(self) -> ProcessPoolExecutor:
        if self._closed:
            message = "The worker has ended, and its other processes with it."
            raise RuntimeError(message)
        if self._executor is None:
            setup = host().child_setup
            self._executor = ProcessPoolExecutor(
                mp_context=self._context, initializer=_begin, initargs=(setup,)
            )
        return self._executor

    def close(self) -> None:
        """End the processes, whatever they do: nobody waits for it any more."""
        with self._lock:
            self._closed = True
            executor, self._executor = self._executor, None
        if executor is not None:
            executor.shutdown(wait=False, cancel_futures=True)
        for process in self._context.made:
            process.kill()


_current: ContextVar[DependencyPool | None] = ContextVar(
    "django_repid_dependency_pool", default=None
)


def current_pool() -> DependencyPool | None:
    """Return the pool of the worker's run; None in a process that runs a single job anyway."""
    return _current.get()


@contextmanager
def dependency_pool() -> Iterator[None]:
    """Give the jobs of a run a pool."""
    pool = DependencyPool()
    token = _current.set(pool)
    try:
        yield
    finally:
        _current.reset(token)
        pool.close()


def _begin(setup: str | None) -> None:
    """Begin a process of the pool."""
    # Signals to a whole group, of a terminal or a supervisor, are the worker's to answer.
    for one in (signal.SIGINT, signal.SIGTERM):
        signal.signal(one, lambda *_: None)
    threading.Thread(target=_follow, daemon=True).start()
    set_up(setup)


def _follow() -> None:
    """End when the worker has died."""
    worker = multiprocessing.parent_process()
    if worker is not None:
        worker.join()
        os._exit(1)
