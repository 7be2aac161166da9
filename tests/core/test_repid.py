"""`Repid`: which connection is the default, and where."""

import asyncio
from concurrent.futures import ThreadPoolExecutor

import pytest

from django_repid import ConfigurationError, Job, Repid
from django_repid.core.connection import _ProcessDefault
from tests.core.kit import in_memory


@pytest.fixture
def app():
    return Repid(in_memory())


def default():
    return Repid.get_magic_connection()


def seen_by_a_plain_thread():
    with ThreadPoolExecutor(1) as pool:
        return pool.submit(default).result()


def test_magic_connect_makes_it_the_default_of_the_process_until_magic_disconnect(app, plain_host):
    assert asyncio.run(app.magic_connect()) is app.connection
    assert app.connection.is_open
    assert default() is app.connection
    assert seen_by_a_plain_thread() is app.connection
    assert asyncio.run(app.magic_disconnect()) is app.connection
    assert not app.connection.is_open
    with pytest.raises(ConfigurationError):
        default()


def test_inside_magic_a_job_needs_no_connection(app):
    async def main():
        async with app.magic() as connection:
            assert connection is app.connection
            return Job("greet").connection, Job("greet").queue

    connection, queue = asyncio.run(main())
    assert connection is app.connection
    assert queue.name == "default"


def test_inside_magic_it_is_the_default_whatever_else_connects_meanwhile(app):
    other = Repid(in_memory())

    async def main():
        async with app.magic():
            await asyncio.create_task(other.magic_connect())
            return default(), seen_by_a_plain_thread()

    assert asyncio.run(main()) == (app.connection, other.connection)


def test_two_contexts_have_two_defaults(app):
    other = Repid(in_memory())

    async def inside(one, mine, others):
        async with one.magic():
            mine.set()
            await others.wait()
            return default()

    async def main():
        a, b = asyncio.Event(), asyncio.Event()
        return await asyncio.gather(inside(app, a, b), inside(other, b, a))

    assert asyncio.run(main()) == [app.connection, other.connection]


def test_a_plain_thread_sees_the_process_default(app):
    async def main():
        async with app.magic():
            return seen_by_a_plain_thread()

    assert asyncio.run(main()) is app.connection


def test_magic_inside_magic_gives_the_outer_one_back(app):
    inner = Repid(in_memory())

    async def main():
        async with app.magic():
            async with inner.magic(auto_disconnect=True):
                within = default()
            return within, default()

    assert asyncio.run(main()) == (inner.connection, app.connection)


def test_a_process_default_holds_until_its_own_magic_disconnect(app, plain_host):
    """Contract, section 2: "the process's default until `magic_disconnect`"."""
    inner = Repid(in_memory())

    async def main():
        async with app.magic():
            async with inner.magic(auto_disconnect=True):
                pass
            return seen_by_a_plain_thread()

    assert asyncio.run(main()) is app.connection


@pytest.mark.parametrize("auto_disconnect", [False, True])
def test_auto_disconnect_closes_the_connection_and_takes_it_back(app, plain_host, auto_disconnect):
    async def main():
        async with app.magic(auto_disconnect=auto_disconnect):
            assert app.connection.is_open

    asyncio.run(main())
    assert app.connection.is_open is not auto_disconnect
    if auto_disconnect:
        with pytest.raises(ConfigurationError):
            default()
    else:
        assert default() is app.connection


def test_an_error_inside_magic_comes_out_and_the_default_is_taken_back(app, plain_host):
    async def main():
        async with app.magic(auto_disconnect=True):
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        asyncio.run(main())
    assert not app.connection.is_open
    with pytest.raises(ConfigurationError):
        default()


def test_disconnecting_another_leaves_the_default_as_it_is(app):
    other = Repid(in_memory())
    asyncio.run(app.magic_connect())
    asyncio.run(other.magic_disconnect())
    assert default() is app.connection


def test_without_any_the_default_alias_of_the_settings_serves():
    assert default().alias == "default"


def test_an_explicit_connection_goes_before_every_default(app):
    asyncio.run(app.magic_connect())
    mine = in_memory()
    assert Job("greet", connection=mine).connection is mine
    assert Job("greet", connection="default").connection.alias == "default"


def test_a_process_that_connects_again_and_again_does_not_grow(app):
    async def main():
        for _ in range(10):
            async with app.magic():
                pass

    asyncio.run(main())
    assert _ProcessDefault.stack == [app.connection]


def test_the_one_that_connected_last_is_the_default_and_gives_it_back(app, plain_host):
    other = Repid(in_memory())

    async def main():
        seen = []
        for step in (app.magic_connect, other.magic_connect, app.magic_connect):
            await step()
            seen.append(default())
        await app.magic_disconnect()
        return [*seen, default()]

    assert asyncio.run(main()) == [
        app.connection,
        other.connection,
        app.connection,
        other.connection,
    ]
