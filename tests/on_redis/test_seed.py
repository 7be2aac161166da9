"""The seed's last example on Redis, as it stands: a bare script, told where by the environment."""

import json
import os

import pytest

from tests.core.kit import run_script
from tests.on_redis.kit import server
from tests.seed.text import RAW

pytestmark = pytest.mark.redis


@pytest.mark.parametrize("args_database", [0, 1], ids=["one place", "two places"])
def test_the_example_of_a_chain_is_a_script_on_redis(
    tmp_path, monkeypatch: pytest.MonkeyPatch, args_database: int
) -> None:
    with server(tmp_path) as port:
        monkeypatch.setitem(os.environ, "REDIS_CONNECTION", f"redis://127.0.0.1:{port}/0")
        where = f"redis://127.0.0.1:{port}/{args_database}"
        monkeypatch.setitem(os.environ, "REDIS_ARGS_CONNECTION", where)

        printed = run_script(RAW["example"].replace("from repid", "from django_repid"))

    assert json.loads(printed) == [
        "This is your first message!",
        "Hello Alex!",
        "Your id is 123.",
    ]
