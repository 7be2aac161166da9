"""Actors behind mocks, which run them and note the calls."""

import functools
from collections.abc import Callable, Iterable
from dataclasses import replace
from typing import Any
from unittest.mock import AsyncMock, MagicMock

from django_repid.core.actor import Actor
from django_repid.core.errors import ActorNotFound
from django_repid.core.router import Router

GetMockedActorT = Callable[[str], MagicMock]


class Mocks:
    """The actors of routers, each behind a mock that wraps its function."""

    def __init__(self, routers: Iterable[Router]) -> None:
        self.router = Router()
        self._mocks: dict[str, MagicMock] = {}
        for router in routers:
            self.router.include_router(router)
        for name, actor in self.router.actors.items():
            self.router.actors[name] = self._behind_a_mock(actor)

    def __getitem__(self, name: str) -> MagicMock:
        """Return the mock of an actor.

        Raises:
            ActorNotFound: none of the routers has one of this name.

        """
        if name not in self._mocks:
            known = ", ".join(sorted(self._mocks)) or "none"
            message = f"No actor is called {name!r}; the marker's routers have {known}."
            raise ActorNotFound(message)
        return self._mocks[name]

    def _behind_a_mock(self, actor: Actor) -> Actor:
        mock: Any = (AsyncMock if actor.is_async else MagicMock)(wraps=actor.fn, name=actor.name)
        self._mocks[actor.name] = mock
        # A plain function around it: a mock is no coroutine function, and has no signature.
        if actor.is_async:

            @functools.wraps(actor.fn)
            async def call(*args: Any, **kwargs: Any) -> Any:
                return await mock(*args, **kwargs)

            return replace(actor, fn=call)

        @functools.wraps(actor.fn)
        def call_sync(*args: Any, **kwargs: Any) -> Any:
            return mock(*args, **kwargs)

        return replace(actor, fn=call_sync)
