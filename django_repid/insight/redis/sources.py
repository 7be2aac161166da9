"""Where jobs are listed from: sorted sets, walked by score and member, some at a time."""

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

from django_repid.insight.streams import END, Stream

T = TypeVar("T")

#: A score, and a member.
Key = tuple[int, bytes]
#: Members that are read at once.
_CHUNK = 100
_PLACE = re.compile(r"(\d{1,18})\.([A-Za-z0-9_-]{1,128})")


@dataclass(slots=True)
class Members(Generic[T]):
    """Members of sorted sets in one order; `lines` turns them to what is listed.

    `low`, `high`: the range of scores, both inside.
    """

    ask: Callable[..., list[Any]]
    sets: Sequence[str]
    lines: Callable[[Sequence[bytes]], Mapping[bytes, T]]
    low: int | None = None
    high: int | None = None
    oldest_first: bool = False

    def keys(self, after: Key | None, limit: int) -> list[Key]:
        """See `Source.keys`."""
        found: list[Key] = []
        for key in self.sets:
            found += self._some(key, after, limit)
        return sorted(found, reverse=not self.oldest_first)[:limit]

    def _some(self, key: str, after: Key | None, limit: int) -> list[Key]:
        """Return the next members of one set; those of the last score may have been seen."""
        low: Any = "-inf" if self.low is None else self.low
        high: Any = "+inf" if self.high is None else self.high
        skip = 0
        if after is not None:
            low, high = (after[0], high) if self.oldest_first else (low, after[0])
        command = "ZRANGEBYSCORE" if self.oldest_first else "ZREVRANGEBYSCORE"
        limits = (low, high) if self.oldest_first else (high, low)
        found: list[Key] = []
        while len(found) < limit:
            (answer,) = self.ask((command, key, *limits, "WITHSCORES", "LIMIT", skip, limit))
            pairs = scored(answer)
            skip += len(pairs)
            found += [one for one in pairs if after is None or self._is_after(one, after)]
            if len(pairs) < limit:
                break
        return found

    def _is_after(self, one: Key, other: Key) -> bool:
        return one > other if self.oldest_first else one < other


def resumed(source: Members[T], place: str, budget: int) -> Stream[bytes, T]:
    """Walk a source on from where a page ended."""
    found = _PLACE.fullmatch(place)
    at = (int(found[1]), found[2].encode()) if found else None
    return Stream(source, at, _CHUNK, budget, ended=place == END)


def scored(answer: Sequence[Any]) -> list[Key]:
    """Return what a command answers WITHSCORES, in pairs or one after the other."""
    if answer and isinstance(answer[0], list | tuple):
        return [(int(float(score)), member) for member, score in answer]
    return [
        (int(float(score)), member) for member, score in zip(answer[::2], answer[1::2], strict=True)
    ]
