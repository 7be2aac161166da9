"""The inside of an attempt whose actor has parameters that the worker fills."""

import asyncio
import logging
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

from asgiref.sync import async_to_sync, iscoroutinefunction, sync_to_async

from django_repid.core.answer import Answer, Verb
from django_repid.core.depends import Depends, Injection, Source, inputs
from django_repid.core.message import StoredMessage
from django_repid.core.message_dependency import MessageDependency, Said
from django_repid.core.outcome import Outcome
from django_repid.core.provider import Provider, body
from django_repid.core.serializer import printable
from django_repid.worker.dependency_pool import current_pool

logger = logging.getLogger("django_repid.worker")

_RAISED = "A callback of job %s (%s) raised, which changes nothing: %r"
#: Answers after which an exception that was being handled is why.
_FAILED = frozenset({Verb.NACK, Verb.RETRY, Verb.FORCE_RETRY})


class Inside:
    """Makes dependencies, each once, and hears what the actor says of its message.

    One after another, in the order of the parameters. The methods of a sync actor's thread, and
    beside each one its twin for the event loop. `store` makes the text of a result.
    """

    __slots__ = ("_made", "_message", "_said", "_sources")

    def __init__(
        self, injection: Injection, message: StoredMessage, store: Callable[[Any], str]
    ) -> None:
        self._sources = injection.sources
        self._said = Said()
        self._message = MessageDependency(message, self._said, store)
        self._made: dict[Any, Any] = {}

    @property
    def has_answer(self) -> bool:
        """Whether it is decided what becomes of the message."""
        return self._said.answer is not None

    def fill(self) -> dict[str, Any]:
        """Return the values of the actor's parameters."""
        return self._values(self._sources)

    def _values(self, sources: Mapping[str, Source]) -> dict[str, Any]:
        return {name: self._value(source) for name, source in sources.items()}

    def _value(self, source: Source) -> Any:
        if not isinstance(source, Depends):
            return self._message
        provider = source.provider
        if provider.key not in self._made:
            given = self._values(inputs(provider))
            self._made[provider.key] = _call(provider, given)
        return self._made[provider.key]

    async def fill_async(self) -> dict[str, Any]:
        """Return the values of the actor's parameters."""
        return await self._values_async(self._sources)

    async def _values_async(self, sources: Mapping[str, Source]) -> dict[str, Any]:
        return {name: await self._value_async(source) for name, source in sources.items()}

    async def _value_async(self, source: Source) -> Any:
        if not isinstance(source, Depends):
            return self._message
        provider = source.provider
        if provider.key not in self._made:
            given = await self._values_async(inputs(provider))
            self._made[provider.key] = await _call_async(provider, given)
        return self._made[provider.key]

    def end(self, outcome: Outcome) -> Outcome:
        """Return how the attempt ended: as the actor answered, whatever it did afterwards."""
        said = self._said
        if said.answer is None:
            said.over = True
            return outcome
        for callback in said.callbacks:
            try:
                (async_to_sync(callback) if _is_async(callback) else callback)()
            except BaseException:  # the answer stands, whatever it is
                logger.exception(_RAISED, *self._names(callback))
        said.over = True
        return _with_answer(outcome, said, said.answer)

    async def end_async(self, outcome: Outcome) -> Outcome:
        """Return how the attempt ended; see `end`."""
        said = self._said
        if said.answer is None:
            said.over = True
            return outcome
        for callback in said.callbacks:
            try:
                await (callback if _is_async(callback) else sync_to_async(callback))()
            except GeneratorExit:
                raise  # the loop itself is going
            except BaseException:  # the answer stands, whatever it is
                logger.exception(_RAISED, *self._names(callback))
                if (task := asyncio.current_task()) is not None and task.cancelling():
                    break  # it has taken too long, or the worker ends
        said.over = True
        return _with_answer(outcome, said, said.answer)

    def _names(self, callback: Callable[[], Any]) -> tuple[str, str, Callable[[], Any]]:
        key = self._message.key
        return printable(key.id_), printable(key.topic), callback


def _with_answer(outcome: Outcome, said: Said, answer: Answer) -> Outcome:
    """Return the outcome of an attempt that answered.

    It counts as a success or not by what the actor gave, else by its answer.
    """
    exception: BaseException | None = said.exception
    if exception is None and said.data is None and answer.verb in _FAILED:
        exception = said.handled
    success = said.exception is None and (said.data is not None or answer.done)
    return replace(
        outcome, data=said.data or "", success=success, exception=exception, answer=answer
    )


def _call(provider: Provider, given: dict[str, Any]) -> Any:
    if provider.is_async:
        return async_to_sync(provider.fn)(**given)
    if provider.run_in_process and (pool := current_pool()) is not None:
        return pool.submit(provider.fn, given).result()
    return provider.fn(**given)


async def _call_async(provider: Provider, given: dict[str, Any]) -> Any:
    if provider.is_async:
        return await provider.fn(**given)
    if provider.run_in_process and (pool := current_pool()) is not None:
        return await asyncio.wrap_future(pool.submit(provider.fn, given))
    return await sync_to_async(provider.fn, thread_sensitive=True)(**given)


def _is_async(callback: Callable[[], Any]) -> bool:
    return iscoroutinefunction(body(callback))
