"""A worker, run to the end of what there is or while a scene is played."""

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any

from django_repid import (
    Connection,
    Router,
    Worker,
)
from tests import stores


def burst(connection: Connection, router: Router, **terms: Any) -> int:
    """Run a worker until nothing that is due is left; return how many it processed."""
    worker = Worker([router], connection=connection, burst=True, handle_signals=(), **terms)
    return stores.run(worker.run()).processed


def during(
    connection: Connection,
    router: Router,
    scene: Callable[[Worker], Coroutine[Any, Any, Any]],
    **terms: Any,
) -> Any:
    """Play a scene while a worker runs, then stop it; return what the scene returns."""

    async def play() -> Any:
        worker = Worker([router], connection=connection, handle_signals=(), **terms)
        running = asyncio.create_task(worker.run())
        try:
            return await asyncio.wait_for(scene(worker), 30)
        finally:
            worker.stop()
            await asyncio.wait_for(running, 30)

    return stores.run(play())
