"""What all parts of a Redis's reader have: the broker whose keys they read."""

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from django_repid.brokers.redis import RedisMessageBroker, wire
from django_repid.brokers.redis.access import Place, guarded
from django_repid.core.message import StoredMessage
from django_repid.insight import access
from django_repid.insight.redis.shown import stored_messages

#: Keys that one round trip asks for.
CHUNK = 1000


@dataclass(frozen=True, slots=True)
class Failed:
    """A failing attempt without its traceback. `n`: its place among all of them."""

    n: bytes
    id: str
    pk: int
    topic: str
    queue: str
    worker: str
    number: int
    lease: int
    at: int
    took: int
    exception: str
    fingerprint: str
    text: str


class Access(access.Access):
    """Reads the keys that the broker writes, in bounded steps."""

    @property
    def broker(self) -> RedisMessageBroker:
        """The broker whose keys these are."""
        broker = self.connection.message_broker
        assert isinstance(broker, RedisMessageBroker)  # noqa: S101 - `reader_of` has asked
        return broker

    @property
    def place(self) -> Place:
        """Where its keys are."""
        return self.broker.place

    @property
    def store(self) -> str:
        """Name the store: equal for two connections to one place."""
        return f"redis {self.place.identity}"

    def key(self, name: str) -> str:
        """Return a key by its name."""
        return self.place.key(name)

    @guarded
    def ask(self, *commands: Sequence[Any]) -> list[Any]:
        """Run commands that only read, some at a time; return their answers."""
        found: list[Any] = []
        for start in range(0, len(commands), CHUNK):
            with self.place.client.pipeline(transaction=False) as pipe:
                for command in commands[start : start + CHUNK]:
                    pipe.execute_command(*command)
                found += pipe.execute()
        return found

    def messages(self, pks: Iterable[bytes]) -> list[StoredMessage]:
        """Return the messages under these keys that are still there and can be read."""
        return stored_messages(self.ask, self.key, list(pks))

    def failed(self, numbers: Sequence[bytes]) -> list[Failed]:
        """Return failing attempts that are still there."""
        asked = (("HMGET", self.key(f"f:{n.decode()}"), "i", "s") for n in numbers)
        found = []
        for n, (id_, said) in zip(numbers, self.ask(*asked), strict=True):
            if said is not None:
                version, *values = json.loads(said)
                if version <= wire.VERSION:
                    found.append(Failed(n, id_.decode(), *values))
        return found
