"""Mistakes that a type checker must find: in every line marked so, and in no other."""

from typing import Annotated

from django_repid import INJECTED, Depends, Job, Router
from tests.typed.shop import tasks

router = Router()

Job.of(tasks.total)  # wrong: an argument is missing
Job.of(tasks.total, "much")  # wrong: it is no number
Job.of(tasks.total, 1.0, unit="kg")  # wrong: it takes no such argument
Job.of(tasks.send_receipt, 1, True)  # wrong: `copy` is passed by name
Job.of(tasks.shrink, "cup", size=(1, 2, 3))  # wrong: a size has two numbers
Job.of("shop.total", 1.0)  # wrong: a name has no signature
Job.of(tasks.total, 1.0).using(prioritty=9)  # wrong: there is no such option
Job.of(tasks.total, 1.0).using(retries="five")  # wrong: it is no number
Job("shop.total", prioritty=9)  # wrong: there is no such option
Job("shop.total", headers={"tenant": 1})  # wrong: headers are texts


@router.actor(retrys=5)  # wrong: there is no such term
def misspelt() -> None: ...


@router.actor(timeout=30)  # wrong: it is a timedelta
def impatient() -> None: ...


@router.actor
def fine(number: int, name: Annotated[str, Depends(tasks.currency)] = INJECTED) -> str:
    return name * number


fine("one")  # wrong: the decorator changes nothing
Job.of(fine, 1).enqueue_sync().key.id_ + 1  # wrong: it is a text


async def forgets() -> str:
    job = Job.of(fine, 1)
    bucket = await job.result
    job.result.value  # wrong: it is to be awaited
    return bucket.data  # wrong: there may be none yet
