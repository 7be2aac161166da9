"""Where jobs are listed from: sorted sets, walked by score and member, some at a time."""

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Generic, TypeVar

T = TypeVar("T")

#: A score, and a member.
Key = tuple[int, bytes]
END = "x"
_PLACE = re.compile(r"(\d{1,19})\.([A-Za-z0-9_-]{1,128})")


@dataclass(slots=True)
class Stream(Generic[T]):
    """Members of sorted sets in one order, turned to what is listed, as far as `budget` members.

    `low`, `high`: the range of scores, both inside.
    """

    ask: Callable[..., list[Any]]
    keys: Sequence[str]
    lines: Callable[[Sequence[bytes]], Mapping[bytes, T]]
    budget: int
    low: int | None = None
    high: int | None = None
    oldest_first: bool = False
    at: Key | None = None
    ended: bool = False
    looked_at: int = 0
    chunk: int = 100
    _read_to: Key | None = None
    _waiting: list[tuple[Key, T]] = field(default_factory=list)

    def begin(self, place: str) -> None:
        """Go on where a page ended."""
        found = _PLACE.fullmatch(place)
        self.at = self._read_to = (int(found[1]), found[2].encode()) if found else None
        self.ended = place == END

    def first(self) -> T | None:
        """Return the next line without taking it; None if there is none, or none was found yet."""
        while not self._waiting and not self.ended and self.looked_at < self.budget:
            found = self._next()
            lines = self.lines([member for _, member in found]) if found else {}
            self._waiting += [(key, lines[key[1]]) for key in found if key[1] in lines]
            self.looked_at += len(found)
            self.ended = len(found) < self.chunk
            self._read_to = found[-1] if found else self._read_to
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
        return "" if self.at is None else f"{self.at[0]}.{self.at[1].decode()}"

    @property
    def gave_up(self) -> bool:
        """Whether there is more, and nothing was found in all that was looked at."""
        return not self._waiting and not self.ended and self.looked_at >= self.budget

    def _next(self) -> list[Key]:
        found: list[Key] = []
        for key in self.keys:
            found += self._some(key)
        return sorted(found, reverse=not self.oldest_first)[: self.chunk]

    def _some(self, key: str) -> list[Key]:
        """Return the next members of one set; those of the last score may have been seen."""
        low: Any = "-inf" if self.low is None else self.low
        high: Any = "+inf" if self.high is None else self.high
        after, skip = self._read_to, 0
        if after is not None:
            low, high = (after[0], high) if self.oldest_first else (low, after[0])
        command = "ZRANGEBYSCORE" if self.oldest_first else "ZREVRANGEBYSCORE"
        limits = (low, high) if self.oldest_first else (high, low)
        found: list[Key] = []
        while len(found) < self.chunk:
            (answer,) = self.ask((command, key, *limits, "WITHSCORES", "LIMIT", skip, self.chunk))
            pairs = scored(answer)
            skip += len(pairs)
            found += [one for one in pairs if after is None or self._is_after(one, after)]
            if len(pairs) < self.chunk:
                break
        return found

    def _is_after(self, one: Key, other: Key) -> bool:
        return one > other if self.oldest_first else one < other


def scored(answer: Sequence[Any]) -> list[Key]:
    """Return what a command answers WITHSCORES, in pairs or one after the other."""
    if answer and isinstance(answer[0], list | tuple):
        return [(int(float(score)), member) for member, score in answer]
    return [
        (int(float(score)), member) for member, score in zip(answer[::2], answer[1::2], strict=True)
    ]
