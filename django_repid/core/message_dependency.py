"""The message inside an actor: what it says, and the actor's answers to it."""

import asyncio
import inspect
import sys
from collections.abc import Callable, Coroutine, Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any, NoReturn

from asgiref.sync import markcoroutinefunction

from django_repid.core import clock
from django_repid.core.answer import Answer, Answered, Verb
from django_repid.core.host import host
from django_repid.core.loud import Loud
from django_repid.core.message import MessageCategory, Parameters, RoutingKey, StoredMessage
from django_repid.core.retry import LONGEST_WAIT


@dataclass(slots=True, eq=False)
class Said:
    """What an actor has said so far in one attempt.

    `data` and `exception`: the result it gave, the one or the other. `handled`: the exception that
    it was handling when it answered. `outside`: what was being handled when the attempt began.
    `over`: the attempt has ended.
    """

    answer: Answer | None = None
    data: str | None = field(default=None, repr=False)  # it may hold secrets
    exception: Exception | None = None
    callbacks: list[Callable[[], Any]] = field(default_factory=list)
    handled: Exception | None = None
    outside: BaseException | None = field(default_factory=sys.exception)
    over: bool = False


class MessageDependency:
    """The message of the job that runs: annotate a parameter of an actor with it.

    An answer (`ack`, `nack`, …) leaves the actor at once, through whatever `except Exception` is
    around it, and the first one counts. It is carried out, as the end of any attempt is, when the
    attempt ends. Async code awaits answers; sync code calls the twins (`ack_sync`, …).

    What it says of the message is read-only: a job with other arguments is another job.
    """

    __slots__ = ("__message", "__said", "__store")

    def __init__(self, message: StoredMessage, said: Said, store: Callable[[Any], str]) -> None:
        self.__message = message
        self.__said = said
        self.__store = store

    def __repr__(self) -> str:
        return f"<MessageDependency {self.key.topic} {self.key.id_}>"

    @property
    def key(self) -> RoutingKey:
        """Its address."""
        return self.__message.key

    @property
    def parameters(self) -> Parameters:
        """Its terms."""
        return self.__message.parameters

    @property
    def raw_payload(self) -> str:
        """The serialized arguments, also where they came from a bucket; empty if there are none."""
        return self.__message.payload or ""

    @property
    def headers(self) -> Mapping[str, str]:
        """The small texts that travel with it."""
        return self.__message.headers

    @property
    def category(self) -> MessageCategory:
        """NORMAL: what runs is neither delayed nor dead."""
        return MessageCategory.NORMAL

    @property
    def read_only(self) -> bool:
        """Whether no answer is taken any more: one was given, or the attempt has ended."""
        return self.__said.over or self.__said.answer is not None

    @markcoroutinefunction
    def ack(self) -> Coroutine[Any, Any, NoReturn]:
        """Leave: the job has come to its end. No result is stored unless one was set."""
        return self.__awaited(Verb.ACK)

    def ack_sync(self) -> NoReturn:
        """Leave; see `ack`."""
        self.__called(Verb.ACK)

    @markcoroutinefunction
    def nack(self) -> Coroutine[Any, Any, NoReturn]:
        """Leave: the message becomes a dead letter, whatever tries are left.

        Its reason is the exception that was set, or else the one that is being handled.
        """
        return self.__awaited(Verb.NACK)

    def nack_sync(self) -> NoReturn:
        """Leave; see `nack`."""
        self.__called(Verb.NACK)

    @markcoroutinefunction
    def reject(self) -> Coroutine[Any, Any, NoReturn]:
        """Leave: the message goes back to its queue as it was, and can be claimed at once."""
        return self.__awaited(Verb.REJECT)

    def reject_sync(self) -> NoReturn:
        """Leave; see `reject`."""
        self.__called(Verb.REJECT)

    @markcoroutinefunction
    def retry(self, next_retry: timedelta | None = None) -> Coroutine[Any, Any, NoReturn]:
        """Leave: the job is tried again after `next_retry`, or else its actor's back-off.

        Raises:
            ValueError: its retries are used up, or `next_retry` is no time to wait.

        """
        return self.__awaited(Verb.RETRY, next_retry)

    def retry_sync(self, next_retry: timedelta | None = None) -> NoReturn:
        """Leave; see `retry`."""
        self.__called(Verb.RETRY, next_retry)

    @markcoroutinefunction
    def force_retry(self, next_retry: timedelta | None = None) -> Coroutine[Any, Any, NoReturn]:
        """Leave as by `retry`, also if the retries are used up."""
        return self.__awaited(Verb.FORCE_RETRY, next_retry)

    def force_retry_sync(self, next_retry: timedelta | None = None) -> NoReturn:
        """Leave; see `force_retry`."""
        self.__called(Verb.FORCE_RETRY, next_retry)

    @markcoroutinefunction
    def reschedule(self) -> Coroutine[Any, Any, NoReturn]:
        """Leave: the job starts over now, with all its tries."""
        return self.__awaited(Verb.RESCHEDULE)

    def reschedule_sync(self) -> NoReturn:
        """Leave; see `reschedule`."""
        self.__called(Verb.RESCHEDULE)

    def set_result(self, result: Any) -> None:
        """Give the result that an answer stores; of several, the last one counts.

        Without an answer after it, what the actor returns counts. A try that is to be followed by
        another (`retry`, `force_retry`, `reject`) stores nothing.

        Raises:
            ResultInvalid: it cannot be stored.
            ValueError: the job stores no result, or an answer was given already.

        """
        self.__require_result()
        self.__said.data, self.__said.exception = self.__store(result), None

    def set_exception(self, exc: Exception) -> None:
        """Give the exception that an answer stores as the result; see `set_result`.

        Raises:
            ValueError: it is none, the job stores no result, or an answer was given already.

        """
        given: Any = exc
        if not isinstance(given, Exception):
            message = f"set_exception takes an exception, not {exc!r}."
            raise ValueError(message)  # noqa: TRY004 - what all of them raise
        self.__require_result()
        self.__said.data, self.__said.exception = None, exc

    def add_callback(self, fn: Callable[[], Any]) -> None:
        """Have a function called, sync or async, after an answer and before the attempt ends.

        They are called in the order they were added. What one raises is logged and changes nothing.
        Without an answer none is called. In an atomic actor they are part of its transaction.

        Raises:
            ValueError: it cannot be called without arguments, or an answer was given already.

        """
        self.__require_open()
        self.__said.callbacks.append(_checked_callback(fn))

    def __awaited(
        self, verb: Verb, next_retry: timedelta | None = None
    ) -> Coroutine[Any, Any, NoReturn]:
        try:
            asyncio.get_running_loop()
        except RuntimeError:
            message = (
                f"{verb}() is awaited, and this thread runs no event loop, so nothing would "
                f"happen. In a sync actor call {verb}_sync()."
            )
            raise RuntimeError(message) from None
        return Loud(self.__leave_later(verb, next_retry), f"{self!r}.{verb}()", depth=3)

    async def __leave_later(self, verb: Verb, next_retry: timedelta | None) -> NoReturn:
        self.__leave(verb, next_retry)

    def __called(self, verb: Verb, next_retry: timedelta | None = None) -> NoReturn:
        host().guard_sync(f"message.{verb}_sync")
        self.__leave(verb, next_retry)

    def __leave(self, verb: Verb, next_retry: timedelta | None) -> NoReturn:
        self.__require_open()
        said, message = self.__said, self.__message
        if verb is Verb.RETRY and message.tries >= message.spec.retries:
            text = (
                f"Max retry limit reached: the job has used up its {message.spec.retries} retries. "
                "force_retry tries it again all the same."
            )
            raise ValueError(text)
        wait = None if next_retry is None else checked_wait(next_retry)
        handled = sys.exception()
        if isinstance(handled, Exception) and handled is not said.outside:
            said.handled = handled
        gave = said.data is not None or said.exception is not None
        said.answer = Answer(verb, wait, gave)
        raise Answered(verb)

    def __require_open(self) -> None:
        if self.__said.over:
            message = "Message is read only: its attempt has come to an end."
            raise ValueError(message)
        if self.__said.answer is not None:
            message = f"Message is read only: the answer {self.__said.answer.verb} was given."
            raise ValueError(message)

    def __require_result(self) -> None:
        self.__require_open()
        if self.__message.spec.result_id is None:
            message = "The job stores no result (store_result is False), so none can be set."
            raise ValueError(message)


def checked_wait(next_retry: Any) -> int:
    """Return a time to wait in microseconds.

    Raises:
        ValueError: it is none.

    """
    if not isinstance(next_retry, timedelta) or not timedelta(0) <= next_retry <= LONGEST_WAIT:
        message = (
            f"next_retry must be a timedelta from 0 to {LONGEST_WAIT.days} days, "
            f"not {next_retry!r}."
        )
        raise ValueError(message)
    return clock.span_us(next_retry)


def _checked_callback(fn: Any) -> Callable[[], Any]:
    if not callable(fn):
        message = f"add_callback takes a function, not {fn!r}."
        raise ValueError(message)  # noqa: TRY004 - what all of them raise
    call: Callable[[], Any] = fn
    try:
        inspect.signature(fn).bind()
    except TypeError as error:
        message = f"A callback is called without arguments, and {fn!r} wants some: {error}."
        raise ValueError(message) from error
    except ValueError:  # a builtin that does not say
        pass
    return call
