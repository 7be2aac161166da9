"""What `enqueue` returns."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from django_repid.core.codec import Spec
from django_repid.core.message import Parameters, RoutingKey


@dataclass(frozen=True, slots=True)
class Receipt:
    """The proof of an enqueue; unpacks as `key, payload, parameters`.

    `payload` is the serialized arguments ("" if there are none). `duplicate` says whether a job
    with the chosen id was waiting or running, so that nothing was written; it is None where the
    message is only written when a transaction commits.
    """

    key: RoutingKey
    payload: str = field(repr=False)  # it may hold secrets
    spec: Spec
    duplicate: bool | None = False

    @property
    def parameters(self) -> Parameters:
        """The terms of the job. Made when they are asked for: nobody does, of thousands."""
        return Parameters.of(self.spec)

    def __iter__(self) -> Iterator[Any]:  # a union could not be unpacked into typed names
        """Unpack as Repid's tuple does."""
        return iter((self.key, self.payload, self.parameters))
