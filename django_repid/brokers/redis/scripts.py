"""The scripts that do the work, each in one round trip, and all or nothing."""

from functools import cache
from importlib.resources import files
from typing import Any

from django_repid.brokers.redis.access import Place, driver
from django_repid.core import clock

#: script -> how this server calls it; they are the same everywhere.
_digests: dict[str, str] = {}


def run(place: Place, script: str, *arguments: str | int | bytes) -> Any:
    """Run a script, which the server may have to be told first; return its answer.

    Raises:
        redis.RedisError: it was not run, or its answer was lost.

    """
    # Only in a cluster does the key matter: it says which server.
    given = (1, place.key("seq"), place.prefix, clock.ahead_us(), *arguments)
    client, digest = place.client, _digests.get(script)
    if digest is not None:
        try:
            return client.evalsha(digest, *given)
        except driver().exceptions.NoScriptError:
            pass  # it has been restarted, and nothing was run
    _digests[script] = digest = client.script_load(_text(script))
    return client.evalsha(digest, *given)


@cache
def _text(script: str) -> str:
    """Return a script with what all of them share, below its first line: that must stay first."""
    folder = files("django_repid.brokers.redis") / "lua"
    first, rest = (folder / f"{script}.lua").read_text("utf-8").split("\n", 1)
    return f"{first}\n{(folder / 'common.lua').read_text('utf-8')}\n{rest}"
