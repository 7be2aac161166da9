"""Dependencies in annotations that are texts until somebody evaluates them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

from django_repid import Depends, MessageDependency

if TYPE_CHECKING:
    from nowhere import Nowhere  # type: ignore[import-not-found]  # it is nowhere

    from django_repid import Depends as Hidden
    from django_repid import MessageDependency as HiddenMessageDependency


def word() -> str:
    return "word"


def actor(n: int, dep: Annotated[str, Depends(word)], msg: MessageDependency) -> int:
    return n


def chicken(it: Annotated[int, Depends(egg)]) -> int:
    return it


def egg(it: Annotated[int, Depends(chicken)]) -> int:
    return it


def itself(it: Annotated[int, Depends(itself)]) -> int:
    return it


def hidden_message(msg: HiddenMessageDependency) -> None: ...


def hidden_depends(dep: Annotated[str, Hidden.Depends(word)]) -> None: ...


def half_hidden(other: Nowhere, dep: Annotated[str, Depends(word)]) -> None: ...
