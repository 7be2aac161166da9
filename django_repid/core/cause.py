"""Why an attempt failed, in words that can be stored, and sent from one process to another."""

import hashlib
import traceback as tracebacks
from collections.abc import Container
from dataclasses import dataclass, replace
from datetime import datetime

from django_repid.core import clock
from django_repid.core.config import Config
from django_repid.core.errors import RepidError
from django_repid.core.redaction import hide_arguments
from django_repid.core.retry import RetryAfter
from django_repid.core.retryable import ALL, Retryable
from django_repid.core.serializer import escaped, printable


@dataclass(frozen=True, slots=True)
class Cause:
    """What is kept of an exception: every text of it can be stored in any database.

    `fingerprint` is equal for failures with one cause. `final`: there is to be no other try.
    `again_in`, `again_at`: when the next try is, if the actor said so; microseconds from the
    verdict on, or since the epoch.
    """

    name: str
    text: str
    traceback: str
    fingerprint: str
    final: bool
    again_in: int | None = None
    again_at: int | None = None

    @classmethod
    def of(cls, exception: BaseException, retryable: Retryable = ALL) -> "Cause":
        """Return what is kept of an exception; one of another process was weighed up there."""
        if isinstance(exception, RemoteFailure):
            return exception.cause
        again_in, again_at = _asked(exception)
        return cls(
            name=type(exception).__name__,
            text=escaped(_text_of(exception)),
            traceback=escaped("".join(tracebacks.format_exception(exception))),
            fingerprint=_fingerprint(exception),
            final=exception not in retryable,
            again_in=again_in,
            again_at=again_at,
        )

    def hiding(self, payload: str | None, secrets: Container[str]) -> "Cause":
        """Return it without secret arguments: an HTTP error has the token in its URL."""
        text, traceback = (
            hide_arguments(one, payload or "", Config.SECRET_ARGUMENTS, secrets)
            for one in (self.text, self.traceback)
        )
        return replace(self, text=text, traceback=traceback)

    @property
    def line(self) -> str:
        """The exception in one line of at most 200 characters, as `dead_reason` holds it."""
        lines = self.text.strip().splitlines()
        return printable(f"{self.name}: {lines[0] if lines else ''}"[:200])[:200]


class RemoteFailure(RepidError):
    """An exception of another process, of which only the cause has come here."""

    def __init__(self, cause: Cause) -> None:
        super().__init__(cause.text)
        self.cause = cause


def _asked(exception: BaseException) -> tuple[int | None, int | None]:
    """Return when an exception asks for the next try: from now on, or at a moment."""
    if not isinstance(exception, RetryAfter):
        return None, None
    if isinstance(exception.delay, datetime):
        return None, clock.to_us(exception.delay)
    return clock.span_us(exception.delay), None


def _text_of(exception: BaseException) -> str:
    """Return what an exception says; its `__str__` is somebody's code too, and may raise."""
    try:
        return str(exception)
    except Exception as error:  # noqa: BLE001 - a failure can always be recorded
        return f"(its text cannot be had: {type(error).__name__})"


def _fingerprint(exception: BaseException) -> str:
    """Name a failure's cause: its class, and where it was raised (file and function, no line)."""
    frames = tracebacks.extract_tb(exception.__traceback__)
    place = f"{frames[-1].filename}:{frames[-1].name}" if frames else ""
    cause = f"{type(exception).__module__}.{type(exception).__qualname__}@{place}"
    return hashlib.blake2s(cause.encode("utf-8", "backslashreplace"), digest_size=8).hexdigest()
