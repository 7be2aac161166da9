"""One message to an outcome. Touches no broker and no database."""

import asyncio
from dataclasses import dataclass
from typing import Any

from django_repid.core import clock
from django_repid.core.actor import Actor
from django_repid.core.depends import Injection
from django_repid.core.errors import ResultInvalid
from django_repid.core.message import StoredMessage
from django_repid.core.middleware import Middleware
from django_repid.core.outcome import Outcome
from django_repid.core.serializer import unstorable
from django_repid.worker.inside import Inside


@dataclass(frozen=True, slots=True)
class Executor:
    """Runs messages by their actors. `result_limit`: bytes that a result may take."""

    actors: dict[str, Actor]
    middleware: Middleware
    result_limit: int

    def sync(self, message: StoredMessage) -> Outcome:
        """Run a message on the calling thread."""
        self.before(message)
        actor = self.actors[message.key.topic]
        outcome = attempt(actor, message, self.result_limit)
        self.after(message, outcome)
        return outcome

    def before(self, message: StoredMessage) -> None:
        """Emit the event of an actor that is about to run."""
        if self.middleware.listens("actor_run"):
            self.middleware.emit("before_actor_run", **self._event(message))

    def after(self, message: StoredMessage, outcome: Outcome) -> None:
        """Emit the event of an actor that has run."""
        if self.middleware.listens("actor_run"):
            self.middleware.emit("after_actor_run", **self._event(message), result=outcome)

    async def coroutine(self, message: StoredMessage) -> Outcome:
        """Run a message on the event loop.

        Raises:
            CancelledError: somebody cancelled the task that it runs in.

        """
        actor = self.actors[message.key.topic]
        if not self.middleware.listens("actor_run"):
            return await attempt_async(actor, message, self.result_limit)
        event = self._event(message)
        await self.middleware.emit_async("before_actor_run", **event)
        outcome = await attempt_async(actor, message, self.result_limit)
        try:
            await self.middleware.emit_async("after_actor_run", **event, result=outcome)
        except asyncio.CancelledError:
            pass  # too late: the job has come to its end
        return outcome

    def _event(self, message: StoredMessage) -> dict[str, Any]:
        return {
            "actor": self.actors[message.key.topic],
            "key": message.key,
            "parameters": message.parameters,
            "payload": message.payload or "",
        }


def attempt(actor: Actor, message: StoredMessage, limit: int) -> Outcome:
    """Run a sync actor on the calling thread; its result may take `limit` bytes."""
    started = clock.now_ns()
    inside = None if actor.injection is None else _inside(actor, actor.injection, message, limit)
    try:
        args, kwargs = actor.converter.convert_inputs(message.payload or "")
        if inside is not None:
            kwargs.update(inside.fill())
        data = _convert(actor, actor.fn(*args, **kwargs), limit)
    except BaseException as error:  # noqa: BLE001 - whatever it is, it is the job's failure
        outcome = failed(error, started)
    else:
        outcome = Outcome(data=data, started_when=started, finished_when=clock.now_ns())
    return outcome if inside is None else inside.end(outcome)


async def attempt_async(actor: Actor, message: StoredMessage, limit: int) -> Outcome:
    """Run an async actor on the running loop; its result may take `limit` bytes.

    Raises:
        CancelledError: somebody cancelled the task that it runs in.

    """
    started = clock.now_ns()
    inside = None if actor.injection is None else _inside(actor, actor.injection, message, limit)
    try:
        args, kwargs = actor.converter.convert_inputs(message.payload or "")
        if inside is not None:
            kwargs.update(await inside.fill_async())
        data = _convert(actor, await actor.fn(*args, **kwargs), limit)
    except asyncio.CancelledError as error:
        task, has_answer = asyncio.current_task(), inside is not None and inside.has_answer
        if task is not None and task.cancelling() and not has_answer:
            raise
        outcome = failed(error, started)  # the actor's own doing
    except GeneratorExit:
        raise  # the loop itself is going
    except BaseException as error:  # noqa: BLE001 - sys.exit() in a job is its own failure
        outcome = failed(error, started)
    else:
        outcome = Outcome(data=data, started_when=started, finished_when=clock.now_ns())
    return outcome if inside is None else await inside.end_async(outcome)


def _inside(actor: Actor, injection: Injection, message: StoredMessage, limit: int) -> Inside:
    return Inside(injection, message, lambda result: _convert(actor, result, limit))


def _convert(actor: Actor, value: Any, limit: int) -> str:
    data = actor.converter.convert_outputs(value)
    size = len(data) if data.isascii() else len(data.encode("utf-8", "surrogatepass"))
    if size > limit:
        message = (
            f"The result takes {size} bytes, more than the {limit} of "
            "REPID[…]['OPTIONS']['PAYLOAD_LIMIT_BYTES']. Store it elsewhere and return a "
            "reference."
        )
        raise ResultInvalid(message)
    if not data.isascii() and (bad := unstorable(data)):
        message = f"The result holds {bad}, which a database refuses."
        raise ResultInvalid(message)
    return data


def failed(error: BaseException, started: int) -> Outcome:
    """Return the outcome of an attempt that raised."""
    return Outcome(
        success=False, exception=error, started_when=started, finished_when=clock.now_ns()
    )


def overdue(message: StoredMessage) -> TimeoutError:
    """Return the error of an attempt that took longer than it may."""
    return TimeoutError(f"The actor did not finish within {clock.span(message.spec.timeout)}.")
