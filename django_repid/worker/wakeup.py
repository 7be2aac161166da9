"""A sleep that any thread can end."""

import selectors
import socket


class WakeUp:
    """One sleeper, on a socket, so that a broker's own bell can be waited for beside it.

    While the sleeper is awake, only the first ring costs a system call.
    """

    def __init__(self) -> None:
        self._reader, self._writer = socket.socketpair()
        self._reader.setblocking(False)
        self._writer.setblocking(False)
        # Not select(): it takes no file descriptor above 1023.
        self._selector = selectors.DefaultSelector()
        self._selector.register(self._reader, selectors.EVENT_READ)
        self._rung = False

    def ring(self) -> None:
        """End the sleep that is under way, or the next one."""
        if self._rung:
            return
        self._rung = True
        try:
            self._writer.send(b"!")
        except (BlockingIOError, OSError):
            pass  # it is full of rings already, or closed: nobody sleeps any more

    def sleep(self, seconds: float) -> None:
        """Sleep until `ring`, or for `seconds`; not at all if it has rung since the last sleep."""
        if not self._rung:
            self._selector.select(max(0.0, seconds))
        # In this order: a ring from here on may lose its byte below, but never its mark.
        self._rung = False
        try:
            self._reader.recv(65536)
        except BlockingIOError:
            pass

    def close(self) -> None:
        """Give the sockets back."""
        self._selector.close()
        self._reader.close()
        self._writer.close()
