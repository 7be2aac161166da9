"""Long lists of a store, walked from a key on, and only as far as a page may look."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Generic, Protocol, TypeVar

#: What the store knows an entry by, and what a list shows of it.
M = TypeVar("M", int, bytes)
T = TypeVar("T")
T_co = TypeVar("T_co", covariant=True)

#: The place of a stream that has come to its end.
END = "x"


class Source(Protocol[M, T_co]):
    """A list in the order of its keys: a value, and what an entry is known by.

    `oldest_first`: whether it goes upwards.
    """

    oldest_first: bool

    def keys(self, after: tuple[int, M] | None, limit: int) -> list[tuple[int, M]]:
        """Return the next keys in order; what is asked for may be among them."""

    def lines(self, keys: Sequence[M]) -> Mapping[M, T_co]:
        """Return those of them that are what is asked for."""


@dataclass(slots=True)
class Stream(Generic[M, T]):
    """A source that is walked from a key on, as far as `budget` entries."""

    source: Source[M, T]
    at: tuple[int, M] | None
    chunk: int
    budget: int
    ended: bool = False
    looked_at: int = 0
    _read_to: tuple[int, M] | None = None
    _waiting: list[tuple[tuple[int, M], T]] = field(default_factory=list)

    def __post_init__(self) -> None:
        self._read_to = self.at

    def first(self) -> T | None:
        """Return the next line without taking it; None if there is none, or none was found yet."""
        while not self._waiting and not self.ended and self.looked_at < self.budget:
            keys = self.source.keys(self._read_to, self.chunk)
            lines = self.source.lines([one for _order, one in keys]) if keys else {}
            self._waiting += [(key, lines[key[1]]) for key in keys if key[1] in lines]
            self.looked_at += len(keys)
            self.ended = len(keys) < self.chunk
            self._read_to = keys[-1] if keys else self._read_to
        return self._waiting[0][1] if self._waiting else None

    def take(self) -> None:
        """Take the next line."""
        self.at = self._waiting.pop(0)[0]

    @property
    def place(self) -> str:
        """Where to go on, as text."""
        if not self._waiting:
            self.at = self._read_to
            if self.ended:
                return END
        if self.at is None:
            return ""
        order, one = self.at
        return f"{order}.{one.decode() if isinstance(one, bytes) else one}"

    @property
    def gave_up(self) -> bool:
        """Whether there is more, and nothing was found in all that was looked at."""
        return not self._waiting and not self.ended and self.looked_at >= self.budget


def merged(streams: Sequence[Stream[M, T]], limit: int, when: Callable[[T], int]) -> Iterator[T]:
    """Return the first lines of several lists, the newest first; of each list in its own order."""
    for _number in range(limit):
        waiting = [(stream, line) for stream in streams if (line := stream.first()) is not None]
        if not waiting:
            return
        stream, line = max(waiting, key=lambda one: when(one[1]))
        stream.take()
        yield line
