"""A thread that does one small thing again and again."""

import logging
import threading
from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import Protocol

from django_repid.core.errors import BrokerUnavailable
from django_repid.core.host import host

logger = logging.getLogger("django_repid.worker")

#: Before the next round after the store could not be reached, and after an error of the duty's.
OUTAGE_PAUSE_SECONDS = 1.0
ERROR_PAUSE_SECONDS = 5.0


class Duty(Protocol):
    """Something a worker does beside running jobs."""

    name: str

    def run_once(self) -> float:
        """Do it once; return how many seconds to wait before the next time."""


class Service:
    """Runs a duty on a thread of its own until it is stopped.

    `session`: what the store wants around that thread, see `MessageBroker.own_session`.
    """

    def __init__(self, duty: Duty, session: Callable[[], AbstractContextManager[None]]) -> None:
        self._duty = duty
        self._session = session
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._work, name=f"repid-{duty.name}", daemon=True)

    def start(self) -> None:
        """Begin."""
        self._thread.start()

    def ask_to_stop(self) -> None:
        """End, after the round that is under way."""
        self._stop.set()

    def stop(self, seconds: float = 1.0) -> None:
        """End, after the round that is under way; wait for it for at most `seconds`."""
        self._stop.set()
        self._thread.join(seconds)

    def _work(self) -> None:
        pause = 0.0
        unavailable = False
        with host().thread_scope(), self._session():
            while not self._stop.wait(pause):
                try:
                    pause = self._duty.run_once()
                except BrokerUnavailable as error:
                    pause = OUTAGE_PAUSE_SECONDS
                    if not unavailable:  # once per outage
                        logger.warning("The %s cannot reach its store: %s", self._duty.name, error)
                    unavailable = True
                except Exception:
                    logger.exception("The %s met an error.", self._duty.name)
                    pause = ERROR_PAUSE_SECONDS
                else:
                    unavailable = False
