"""Threads for the ORM calls of async actors.

Django sends what a coroutine does with the database through asgiref's thread-sensitive executor,
which is one thread for the whole process unless a context brings its own. Here each job brings a
`Lane`: at its first such call it takes one of a few threads and keeps it to its end, so that its
calls see one connection, and a thousand jobs in flight need no thousand connections.
"""

import queue
import threading
from collections import deque
from collections.abc import Callable
from concurrent.futures import Executor, Future
from typing import Any

from django_repid.core.host import host

_Work = tuple["Future[Any]", Callable[[], Any]]


class _Thread:
    """One thread with an inbox."""

    def __init__(self, name: str) -> None:
        self.inbox: queue.SimpleQueue[_Work | None] = queue.SimpleQueue()
        self._thread = threading.Thread(target=self._run, name=name, daemon=True)
        self._thread.start()

    def _run(self) -> None:
        with host().thread_scope():
            while (work := self.inbox.get()) is not None:
                _do(work)
                del work  # or it would keep the job's frames alive while it waits


def _do(work: _Work) -> None:
    future, call = work
    if not future.set_running_or_notify_cancel():
        return
    try:
        result = call()
    except BaseException as error:  # noqa: BLE001 - it belongs to whoever waits for the future
        future.set_exception(error)
    else:
        future.set_result(result)


class LanePool:
    """At most `size` threads, made when they are first needed."""

    def __init__(self, size: int) -> None:
        self._size = size
        self._lock = threading.Lock()
        self._made: list[_Thread] = []
        self._free: list[_Thread] = []
        self._waiting: deque[Lane] = deque()

    def lane(self) -> "Lane":
        """Return a lane for one job; it costs nothing until it is used."""
        return Lane(self)

    def take(self, lane: "Lane") -> _Thread | None:
        """Return a free thread, or None and remember who waits for one."""
        with self._lock:
            if self._free:
                return self._free.pop()
            if len(self._made) < self._size:
                thread = _Thread(f"repid-lane-{len(self._made)}")
                self._made.append(thread)
                return thread
            self._waiting.append(lane)
            return None

    def give_back(self, thread: _Thread) -> None:
        """Take a thread back, or hand it to the lane that has waited longest."""
        with self._lock:
            while self._waiting:
                if self._waiting.popleft().start_on(thread):
                    return
            self._free.append(thread)

    def close(self) -> None:
        """End the threads when they have done what was given to them."""
        with self._lock:
            for thread in self._made:
                thread.inbox.put(None)


class Lane(Executor):
    """An executor for one job: calls run one at a time, all on one thread of the pool."""

    def __init__(self, pool: LanePool) -> None:
        self._pool = pool
        self._lock = threading.Lock()
        self._thread: _Thread | None = None
        self._asked = False
        self._released = False
        self._early: list[_Work] = []

    def submit(self, fn: Callable[..., Any], /, *args: Any, **kwargs: Any) -> "Future[Any]":
        """Run a call on the lane's thread, as soon as it has one."""
        future: Future[Any] = Future()
        work = (future, lambda: fn(*args, **kwargs))
        with self._lock:
            if self._thread is None and not self._asked:
                self._asked = True
                self._thread = self._pool.take(self)
            if self._thread is None:
                self._early.append(work)
            else:
                self._thread.inbox.put(work)
        return future

    def start_on(self, thread: _Thread) -> bool:
        """Take a thread that has become free; False if the job is over and needs none."""
        with self._lock:
            if self._released:
                return False
            self._thread = thread
            for work in self._early:
                thread.inbox.put(work)
            self._early.clear()
            return True

    def release(self) -> None:
        """Give the thread back, once it has done this job's calls and tidied its connections."""
        with self._lock:
            self._released = True
            thread, self._thread = self._thread, None
        if thread is not None:
            done: Future[Any] = Future()
            done.add_done_callback(lambda _: self._pool.give_back(thread))
            thread.inbox.put((done, host().tidy))
