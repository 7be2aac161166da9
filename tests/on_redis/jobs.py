"""Actors that are served on Redis: none is atomic, since there is no transaction to be in."""

from django_repid import Router
from tests.shop import tasks

router = Router()
router.actor(tasks.add)
router.actor(tasks.note_when_released)
router.actor(queue="mail")(tasks.send_receipt)
router.actor(tasks.poison)


@router.actor
def pair(a: int = 20, b: int = 22) -> dict[str, int]:
    return {"a": a, "b": b}
