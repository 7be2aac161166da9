"""An HTTP server that says whether a worker is healthy, for orchestrators and load balancers.

It runs on a thread with an event loop of its own, so that it answers while actors block the
worker's. What it is asked it reads up to a few kilobytes and for a few seconds, whoever asks.
"""

import asyncio
import logging
import re
import threading
from collections.abc import Callable
from dataclasses import dataclass
from enum import IntEnum

from django_repid.core.errors import ConfigurationError
from django_repid.worker.aside import aside

logger = logging.getLogger("django_repid.worker")

_REQUEST_BYTES = 8192
_REQUEST_SECONDS = 3.0
_MOST_CONNECTIONS = 64
_START_SECONDS = 10.0
_REQUEST_LINE = re.compile(rb"^([A-Z]{1,16}) (/[\x21-\x7e]*) HTTP/1\.[01]$")
_ALIVE = "/livez"


class HealthCheckStatus(IntEnum):
    """What a worker says of itself, as an HTTP status."""

    OK = 200
    UNHEALTHY = 503


@dataclass(frozen=True, slots=True)
class HealthCheckServerSettings:
    """Where the server listens, and under which path it tells whether the worker is ready."""

    address: str = "0.0.0.0"  # noqa: S104 - as Repid's; probes come from outside the container
    port: int = 8080
    endpoint_name: str = "/healthz"


@dataclass(frozen=True, slots=True)
class Health:
    """A status, and in a few words why."""

    status: HealthCheckStatus = HealthCheckStatus.OK
    why: str = ""


class HealthCheckServer:
    """Answers GET and HEAD of two paths with 200 or 503.

    `endpoint_name`: whether the worker is ready: it is at work, and reaches its store. `/livez`:
    whether it lives, ready or not; only a restart mends a worker that does not. `health_status` can
    be set by the program besides; the worse of the two is told. `ready` and `alive` are asked on
    the server's own thread.
    """

    def __init__(
        self,
        server_settings: HealthCheckServerSettings | None = None,
        *,
        ready: Callable[[], Health] = Health,
        alive: Callable[[], Health] = Health,
    ) -> None:
        self.server_settings = server_settings or HealthCheckServerSettings()
        self.health_status = HealthCheckStatus.OK
        self._ready = ready
        self._alive = alive
        self._connections = 0
        self._loop: asyncio.AbstractEventLoop | None = None
        self._over: asyncio.Event | None = None
        self._thread: threading.Thread | None = None
        #: The port it listens on; another than in the settings where that was 0.
        self.port = self.server_settings.port

    async def start(self) -> None:
        """Listen.

        Raises:
            ConfigurationError: it cannot listen there.

        """
        if self._thread is not None:
            return
        listening = threading.Event()
        problems: list[OSError] = []
        self._thread = threading.Thread(
            target=lambda: asyncio.run(self._serve(listening, problems)),
            name="repid-health",
            daemon=True,
        )
        self._thread.start()
        await aside(lambda: listening.wait(_START_SECONDS))
        if problems:
            self._thread = None
            where = f"{self.server_settings.address}:{self.server_settings.port}"
            message = f"The health check server cannot listen on {where}: {problems[0]}"
            raise ConfigurationError(message) from problems[0]

    async def stop(self) -> None:
        """Listen no more."""
        thread, self._thread = self._thread, None
        if thread is not None and self._loop is not None and self._over is not None:
            self._loop.call_soon_threadsafe(self._over.set)
            await aside(lambda: thread.join(_REQUEST_SECONDS + 1))

    async def _serve(self, listening: threading.Event, problems: list[OSError]) -> None:
        settings = self.server_settings
        self._loop, self._over = asyncio.get_running_loop(), asyncio.Event()
        try:
            server = await asyncio.start_server(
                self._answer, settings.address, settings.port, limit=_REQUEST_BYTES
            )
        except OSError as error:
            problems.append(error)
            listening.set()
            return
        async with server:
            self.port = server.sockets[0].getsockname()[1]
            listening.set()
            logger.info("Health checks are answered on port %d.", self.port)
            await self._over.wait()
            server.close()

    async def _answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._connections += 1
        try:
            if self._connections <= _MOST_CONNECTIONS:
                async with asyncio.timeout(_REQUEST_SECONDS):
                    head = await reader.readuntil(b"\r\n\r\n")
                    writer.write(self._response(head))
                    await writer.drain()
        except (TimeoutError, asyncio.IncompleteReadError, ConnectionError):
            pass  # too slow, or gone
        except asyncio.LimitOverrunError:
            writer.write(_http("431 Request Header Fields Too Large", ""))
        except Exception:
            logger.exception("A health check could not be answered.")
        finally:
            self._connections -= 1
            writer.close()

    def _response(self, head: bytes) -> bytes:
        found = _REQUEST_LINE.match(head.split(b"\r\n", 1)[0])
        if found is None:
            return _http("400 Bad Request", "400 Bad Request")
        method, path = found[1].decode(), found[2].decode().partition("?")[0]
        if path not in {self.server_settings.endpoint_name, _ALIVE}:
            return _http("404 Not Found", "404 Not Found")
        if method not in {"GET", "HEAD"}:
            return _http("405 Method Not Allowed", "405 Method Not Allowed", "Allow: GET, HEAD\r\n")
        health = self._alive() if path == _ALIVE else self._ready()
        if path != _ALIVE and self.health_status is HealthCheckStatus.UNHEALTHY:
            health = Health(self.health_status, health.why)
        status = f"{health.status.value} {health.status.name}"
        body = f"{status}: {health.why}" if health.why else status
        return _http(status, body, head=method == "HEAD")


def _http(status: str, body: str, more: str = "", *, head: bool = False) -> bytes:
    content = body.encode()
    lines = (
        f"HTTP/1.1 {status}\r\nContent-Type: text/plain; charset=utf-8\r\n"
        f"Content-Length: {len(content)}\r\nCache-Control: no-store\r\n{more}"
        "Connection: close\r\n\r\n"
    )
    return lines.encode() + (b"" if head else content)
