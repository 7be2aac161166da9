"""Tracebacks for reading: which frames are the project's own, and which a library's."""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from enum import StrEnum
from pathlib import PurePath

#: Parts of a path that no project's own code has.
_LIBRARY = re.compile(
    r"[/\\](?:site|dist)-packages[/\\]|[/\\]lib(?:64)?[/\\]python\d|[/\\]Lib[/\\]"
    r"|[/\\]django_repid[/\\](?:core|worker|brokers)[/\\]|^<"
)
_FRAME = re.compile(r'  File "(?P<path>[^"\n]*)", line (?P<line>\d+)(?:, in (?P<name>[^\n]*))?')
_PLACE_PARTS = 2


class Kind(StrEnum):
    """What a piece of a traceback is."""

    TEXT = "text"
    OWN = "own"
    LIBRARY = "library"


@dataclass(frozen=True, slots=True)
class Piece:
    """Lines of a traceback that belong together. `frames`: how many those of a library are."""

    kind: Kind
    text: str
    frames: int = 0


def pieces(traceback: str) -> list[Piece]:
    """Return a traceback in pieces: frames of libraries together, the project's own one by one."""
    found: list[Piece] = []
    for kind, text in _frames(traceback):
        last = found[-1] if found else None
        if last is not None and last.kind is kind and kind is not Kind.OWN:
            found[-1] = Piece(kind, f"{last.text}\n{text}", last.frames + 1)
        else:
            found.append(Piece(kind, text, 1))
    return found


def own_frames(found: Sequence[Piece]) -> int:
    """Return how many frames are the project's own."""
    return sum(piece.kind is Kind.OWN for piece in found)


def place(traceback: str) -> str:
    """Return where it was raised: in the project's own code as near as can be, else anywhere."""
    frames = list(_FRAME.finditer(traceback))
    own = [frame for frame in frames if not _LIBRARY.search(frame["path"])]
    if not frames:
        return ""
    last = (own or frames)[-1]
    path = "/".join(PurePath(last["path"].replace("\\", "/")).parts[-_PLACE_PARTS:])
    return f"{path}:{last['line']} in {last['name'] or '?'}"


def _frames(traceback: str) -> Iterator[tuple[Kind, str]]:
    """Return each frame with its lines of source, and what stands between frames."""
    kind, lines = Kind.TEXT, list[str]()
    for line in traceback.rstrip("\n").split("\n"):
        frame = _FRAME.match(line)
        ends = frame is not None or (kind is not Kind.TEXT and not line.startswith("    "))
        # "[Previous line repeated 960 more times]" belongs to the frame above.
        if ends and not line.startswith("  [Previous line"):
            if lines:
                yield kind, "\n".join(lines)
            lines = []
            kind = Kind.TEXT
            if frame is not None:
                kind = Kind.LIBRARY if _LIBRARY.search(frame["path"]) else Kind.OWN
        lines.append(line)
    if lines:
        yield kind, "\n".join(lines)
