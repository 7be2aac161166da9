"""A sleep that any thread can end."""

import select
import socket


class WakeUp:
    """One sleeper, on a socket, so that a broker's own bell can be waited for beside it."""

    def __init__(self) -> None:
        self._reader, self._writer = socket.socketpair()
        self._reader.setblocking(False)
        self._writer.setblocking(False)

    def ring(self) -> None:
        """End the sleep that is under way, or the next one."""
        try:
            self._writer.send(b"!")
        except (BlockingIOError, OSError):
            pass  # it is full of rings already, or closed: nobody sleeps any more

    def sleep(self, seconds: float) -> None:
        """Sleep until `ring`, or for `seconds`."""
        ready, _, _ = select.select([self._reader], [], [], max(0.0, seconds))
        if ready:
            try:
                self._reader.recv(65536)
            except BlockingIOError:
                pass

    def close(self) -> None:
        """Give the sockets back."""
        self._reader.close()
        self._writer.close()
