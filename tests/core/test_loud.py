import asyncio
import gc
import inspect
import logging
import sys

import pytest
from asgiref.sync import iscoroutinefunction

from django_repid import Job
from django_repid.core.loud import Loud


def line():
    """Return where the caller stands."""
    frame = sys._getframe(1)
    return f"{frame.f_code.co_filename}:{frame.f_lineno}"


FORGOTTEN = {
    "enqueue": lambda job: job.enqueue(),
    "enqueue_many": lambda job: job.enqueue_many([job]),
    "result": lambda job: job.result,
    "wait": lambda job: job.wait(1),
    "cancel": lambda job: job.cancel(),
}


@pytest.mark.parametrize("what", FORGOTTEN)
def test_what_is_never_awaited_is_logged_as_an_error(what, connection, caplog):
    async def main():
        FORGOTTEN[what](Job("greet", connection=connection))
        gc.collect()

    asyncio.run(main())
    (record,) = caplog.records
    assert record.levelno == logging.ERROR
    assert "was never awaited" in record.getMessage()
    assert what in record.getMessage()
    assert f"{__file__}:" in record.getMessage()


def test_the_error_names_the_job_and_the_line_that_made_it(connection, caplog):
    async def main():
        job = Job("greet", id_="g1", connection=connection)
        here, forgotten = line(), job.enqueue()
        del forgotten
        return here

    here = asyncio.run(main())
    (record,) = caplog.records
    assert record.getMessage() == (
        f"Job('greet', id_='g1').enqueue() was never awaited, so nothing happened: {here}"
    )


async def directly(job):
    return await job.enqueue()


async def by_gather(job):
    return (await asyncio.gather(job.enqueue()))[0]


async def by_task(job):
    return await asyncio.create_task(job.enqueue())


async def by_wait_for(job):
    return await asyncio.wait_for(job.enqueue(), 5)


async def by_task_group(job):
    async with asyncio.TaskGroup() as group:
        task = group.create_task(job.enqueue())
    return task.result()


async def by_ensure_future(job):
    return await asyncio.ensure_future(job.enqueue())


async def by_wait(job):
    done, _ = await asyncio.wait([asyncio.create_task(job.enqueue())])
    return done.pop().result()


@pytest.mark.parametrize(
    "way", [directly, by_gather, by_task, by_wait_for, by_task_group, by_ensure_future, by_wait]
)
def test_it_works_wherever_a_coroutine_does(way, connection, caplog):
    receipt = asyncio.run(way(Job("greet", connection=connection)))
    assert receipt.key.topic == "greet"
    gc.collect()
    assert caplog.records == []


def test_asyncio_takes_it_for_a_coroutine(connection, caplog):
    async def main():
        awaitable = Job("greet", connection=connection).enqueue()
        assert asyncio.iscoroutine(awaitable)
        assert inspect.isawaitable(awaitable)
        await awaitable

    asyncio.run(main())
    assert iscoroutinefunction(Job.enqueue)  # asgiref's: inspect's knows marks since Python 3.12
    assert caplog.records == []


@pytest.mark.parametrize("what", FORGOTTEN)
def test_where_no_loop_runs_it_raises_and_names_both_cures(what, connection):
    job = Job("greet", connection=connection)
    with pytest.raises(RuntimeError) as caught:
        FORGOTTEN[what](job)
    assert f"{what}_sync(" in str(caught.value)
    assert "async def" in str(caught.value)
    assert "await" in str(caught.value)


def test_an_error_inside_comes_out_of_the_await(caplog):
    async def fails():
        raise ZeroDivisionError

    async def main():
        await Loud(fails(), "it")

    with pytest.raises(ZeroDivisionError):
        asyncio.run(main())
    assert caplog.records == []


def test_a_task_that_is_cancelled_before_it_starts_is_no_forgotten_one(connection, caplog):
    async def main():
        task = asyncio.create_task(Job("greet", connection=connection).enqueue())
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    asyncio.run(main())
    gc.collect()
    assert caplog.records == []


def test_closing_it_on_purpose_is_no_error(caplog):
    async def nothing(): ...

    loud = Loud(nothing(), "it")
    loud.close()
    del loud
    gc.collect()
    assert caplog.records == []
