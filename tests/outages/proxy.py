"""A TCP proxy that can break what runs through it."""

import contextlib
import select
import socket
import struct
import threading
import time
from dataclasses import dataclass, field
from types import TracebackType
from typing import Self

_TICK = 0.05
_HEARD_BYTES = 65_536


class Link:
    """A connection of a client's, and ours to the server for it."""

    def __init__(self, client: socket.socket, *, flows: bool) -> None:
        self.client = client
        self.server: socket.socket | None = None
        self.flowing = threading.Event()
        if flows:
            self.flowing.set()
        self.dropped = False
        #: Whether answers are held back while requests go on.
        self.muted = False
        #: The first bytes that the client sent.
        self.heard = bytearray()
        self._watch: Watch | None = None
        self._awaited: list[bytes] = []

    def look(self, watch: "Watch | None", data: bytes) -> None:
        """See whether the client sends what is watched for; its pieces come in order."""
        if len(self.heard) < _HEARD_BYTES:
            self.heard += data
        if watch is None or watch.seen.is_set():
            return
        if watch is not self._watch:
            self._watch, self._awaited = watch, list(watch.pieces)
        lowered = data.lower()
        while self._awaited and self._awaited[0] in lowered:
            del self._awaited[0]
        if not self._awaited:
            self.muted = watch.mute
            watch.seen.set()

    def serve(self, proxy: "Proxy") -> None:
        """Forward both ways until an end closes, or it is dropped."""
        while not self.flowing.wait(_TICK):
            if self.dropped:
                return self._close()
        try:
            self.server = socket.create_connection(("127.0.0.1", proxy.target_port), timeout=5)
            self.server.settimeout(None)
        except OSError:
            self.dropped = True
            return self._close()
        answers = threading.Thread(
            target=self._pump, args=(proxy, self.server, self.client), daemon=True
        )
        answers.start()
        self._pump(proxy, self.client, self.server)
        answers.join()
        return self._close()

    def _pump(self, proxy: "Proxy", source: socket.socket, target: socket.socket) -> None:
        try:
            while not self.dropped:
                if not self._has_news(source):
                    continue
                data = source.recv(65_536)
                if not data:
                    break
                if source is self.client:
                    self.look(proxy.watched, data)
                target.sendall(data)
            if not self.dropped:
                target.shutdown(socket.SHUT_WR)
        except OSError:
            self.dropped = True

    def _has_news(self, source: socket.socket) -> bool:
        """Wait a little for something that may be forwarded."""
        if self.muted and source is self.server:
            time.sleep(_TICK)
            return False
        if not self.flowing.wait(_TICK) or not select.select([source], [], [], _TICK)[0]:
            return False
        return self.flowing.is_set() and not (self.muted and source is self.server)

    def _close(self) -> None:
        for end in (self.client, self.server):
            if end is not None:
                with contextlib.suppress(OSError):
                    if self.dropped:  # RST instead of FIN
                        end.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
                end.close()


@dataclass(frozen=True, slots=True, eq=False)
class Watch:
    """What a client is awaited to send: pieces in order, in lower case."""

    pieces: tuple[bytes, ...]
    #: Whether the client that has sent it is not to hear an answer any more.
    mute: bool
    seen: threading.Event = field(default_factory=threading.Event)


class Proxy:
    """Forwards from a port of its own, which stays the same, to the server's.

    A stalled connection is half-open as behind a machine that hangs: it stays, and the kernel
    still acknowledges what is sent, but nothing comes out at the other end until `resume`.
    """

    def __init__(self, target_port: int) -> None:
        self.target_port = target_port
        self.watched: Watch | None = None
        self._links: list[tuple[Link, threading.Thread]] = []
        self._stalled = False
        self._lock = threading.Lock()
        self._listener: socket.socket | None = None
        self._accepting: threading.Thread | None = None
        self.port = 0

    def __enter__(self) -> Self:
        self._listen()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.refuse()
        self.drop()

    @property
    def environment(self) -> dict[str, str]:
        """The variables that lead a client of either kind of server through the proxy."""
        return dict.fromkeys(("PGPORT", "MYSQL_TCP_PORT"), str(self.port))

    @property
    def links(self) -> list[Link]:
        """The connections that are open."""
        with self._lock:
            self._links = [(link, thread) for link, thread in self._links if thread.is_alive()]
            return [link for link, _ in self._links]

    def refuse(self) -> None:
        """Refuse new connections; open ones stay."""
        listener, self._listener = self._listener, None
        if listener is not None and self._accepting is not None:
            listener.shutdown(socket.SHUT_RDWR)
            listener.close()
            self._accepting.join(5)

    def stall(self, carrying: bytes | None = None) -> int:
        """Forward nothing; with `carrying` only for those that have sent it. Says for how many."""
        self._stalled = carrying is None
        chosen = [link for link in self.links if carrying is None or carrying in link.heard]
        for link in chosen:
            link.flowing.clear()
        return len(chosen)

    def watch(self, *pieces: str, mute: bool = False) -> threading.Event:
        """Return an event that is set once a client sends these texts, in this order.

        With `mute` the server gets what it sent, and the client never an answer, as if the
        connection broke in between.
        """
        self.watched = watch = Watch(tuple(piece.lower().encode() for piece in pieces), mute)
        return watch.seen

    def resume(self) -> None:
        """Accept and forward again, also what was held meanwhile."""
        self._stalled = False
        if self._listener is None:
            self._listen()
        for link in self.links:
            link.flowing.set()

    def drop(self) -> None:
        """Reset all connections that are open."""
        with self._lock:
            links = list(self._links)
        for link, _ in links:
            link.dropped = True
        for _, thread in links:
            thread.join(5)

    def _listen(self) -> None:
        listener = socket.socket()
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind(("127.0.0.1", self.port))
        listener.listen(128)
        self.port = listener.getsockname()[1]
        self._listener = listener
        self._accepting = threading.Thread(target=self._accept, args=(listener,), daemon=True)
        self._accepting.start()

    def _accept(self, listener: socket.socket) -> None:
        while True:
            try:
                client, _ = listener.accept()
            except OSError:
                return
            client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            link = Link(client, flows=not self._stalled)
            thread = threading.Thread(target=link.serve, args=(self,), daemon=True)
            with self._lock:
                thread.start()
                self._links.append((link, thread))
