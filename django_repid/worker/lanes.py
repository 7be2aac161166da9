"""Threads for the ORM calls of async actors.

Django sends what a coroutine does with the database through asgiref's thread-sensitive executor,
which is one thread for the whole process unless a context brings its own. The worker's context
brings a `LanePool`: at its first such call a job takes one of a few threads and keeps it to its
end, so that its calls see one connection, and a thousand jobs in flight need no thousand
connections. A job that makes no such call costs nothing.
"""

import queue
import threading
import time
from collections import deque
from collections.abc import Callable
from concurrent.futures import Executor, Future
from contextvars import ContextVar
from functools import partial
from typing import Any

from django_repid.core.host import host
from django_repid.worker.threads import FRESH_SECONDS

_Work = tuple["Future[Any]", Callable[[], Any]]


class _Thread:
    """One thread with an inbox."""

    def __init__(self, name: str) -> None:
        self.freed = 0.0  # monotonic seconds: when its last job gave it back
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


class Lane:
    """What one job has of the pool: a thread, or calls that wait for one."""

    __slots__ = ("early", "released", "thread")

    def __init__(self) -> None:
        self.thread: _Thread | None = None
        self.early: list[_Work] = []
        self.released = False


#: The lane of the job that runs in this context, and in the tasks that it starts.
_current: ContextVar[Lane | None] = ContextVar("django_repid_lane", default=None)


class LanePool(Executor):
    """At most `size` threads, made when they are first needed.

    An executor for one `ThreadSensitiveContext` around all jobs: entering one for each job took
    9 of the 60 µs that it cost (measured). Calls of one job run one at a time, on one thread.
    """

    def __init__(self, size: int) -> None:
        self._size = size
        self._lock = threading.Lock()
        self._made: list[_Thread] = []
        self._free: list[_Thread] = []
        self._waiting: deque[Lane] = deque()

    def open(self) -> Lane:
        """Give the job that runs in this context a lane; it is to be released at its end."""
        lane = Lane()
        _current.set(lane)
        return lane

    def submit(self, fn: Callable[..., Any], /, *args: Any, **kwargs: Any) -> "Future[Any]":
        """Run a call on the thread of the job that makes it, as soon as it has one.

        Raises:
            RuntimeError: the job has ended; a task that it started has outlived it.

        """
        future: Future[Any] = Future()
        lane = _current.get()
        if lane is None:  # a call that no job makes gets a lane for itself
            lane = Lane()
            future.add_done_callback(lambda _: self.release(lane))
        work = (future, partial(fn, *args, **kwargs))
        with self._lock:
            if lane.released:
                message = "The job has ended: a task that outlives it has no database connection."
                raise RuntimeError(message)
            if lane.thread is None and not lane.early:
                lane.thread = self._take(lane)
            if lane.thread is None:
                lane.early.append(work)
            else:
                lane.thread.inbox.put(work)
        return future

    def _take(self, lane: Lane) -> _Thread | None:
        """Return a free thread, or None and remember who waits for one."""
        if self._free:
            thread = self._free.pop()
            if time.monotonic() - thread.freed > FRESH_SECONDS:
                thread.inbox.put((Future(), host().tidy))
            return thread
        if len(self._made) < self._size:
            thread = _Thread(f"repid-lane-{len(self._made)}")
            self._made.append(thread)
            return thread
        self._waiting.append(lane)
        return None

    def release(self, lane: Lane) -> None:
        """Take a job's thread back, once it has done its calls and tidied its connections."""
        if lane.thread is None and not lane.early:
            lane.released = True
            return
        with self._lock:
            lane.released = True
            thread, lane.thread = lane.thread, None
            never, lane.early = lane.early, []
        for future, _ in never:
            future.cancel()
        if thread is not None:
            done: Future[Any] = Future()
            done.add_done_callback(lambda _: self._give_back(thread))
            thread.inbox.put((done, partial(host().tidy, check=False)))

    def _give_back(self, thread: _Thread) -> None:
        """Hand a thread to the lane that has waited longest, or keep it."""
        with self._lock:
            while self._waiting:
                lane = self._waiting.popleft()
                if lane.released:
                    continue
                lane.thread = thread
                for work in lane.early:
                    thread.inbox.put(work)
                lane.early = []
                return
            thread.freed = time.monotonic()
            self._free.append(thread)

    def close(self) -> None:
        """End the threads when they have done what was given to them."""
        with self._lock:
            for thread in self._made:
                thread.inbox.put(None)
