"""Random programs of transactions and enqueues.

A program runs twice by the same interpreter: on Django with its databases, and on a model of
Django's rules (`rules`). Both note what they answer and raise, step by step.
"""

import itertools
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, replace
from typing import Protocol

from django.db import IntegrityError
from django.db.transaction import TransactionManagementError
from hypothesis import strategies as st

from django_repid import DuplicateJob

#: An id that is dead when a program begins: it never blocks.
DEAD_ID = "dead"
CHOSEN_IDS = ("x", "y", DEAD_ID)


def generated(label: int) -> str:
    """Return what a model calls the id that was generated for a job, or for its bucket."""
    return f"generated {label}"


@dataclass(frozen=True)
class Wish:
    """One job. `id_` None: generated; so is the bucket's where `args_id` is "generated".

    `args_id` None: the arguments travel in the message.
    """

    label: int
    id_: str | None
    policy: str
    args_id: str | None


@dataclass(frozen=True)
class Step:
    """Something that may raise; `caught`: right behind it, so that the program goes on."""

    caught: bool


@dataclass(frozen=True)
class Enqueue(Step):
    """`elsewhere`: on another alias, which is written when this one commits."""

    wishes: Sequence[Wish]
    elsewhere: bool = False


@dataclass(frozen=True)
class Hook(Step):
    """An enqueue on commit."""

    wish: Wish


@dataclass(frozen=True)
class WriteOrder(Step):
    """A row of the application's own, beside the jobs."""

    number: int


@dataclass(frozen=True)
class Break(Step):
    """A statement that the database refuses."""


@dataclass(frozen=True)
class Raise(Step):
    """An error of the application's."""


@dataclass(frozen=True)
class SetRollback(Step):
    """Mark the transaction to be rolled back."""


@dataclass(frozen=True)
class Block(Step):
    """`transaction.atomic`."""

    savepoint: bool
    steps: Sequence[Step]


class Undo(Exception):
    """An error of the application's."""


_EXPECTED = (Undo, DuplicateJob, IntegrityError, TransactionManagementError)

# ---- what Hypothesis makes programs of


def wishes(*policies: str) -> st.SearchStrategy[Wish]:
    """Make jobs with these policies for duplicates."""
    return st.builds(
        Wish,
        label=st.just(0),  # see `numbered`
        id_=st.sampled_from([None, *CHOSEN_IDS]),
        policy=st.sampled_from(policies),
        args_id=st.sampled_from([None, "generated", "p", "q"]),
    )


_CAUGHT = st.booleans()
_STEPS = st.one_of(
    st.builds(
        Enqueue,
        _CAUGHT,
        st.lists(wishes("skip", "raise", "replace"), min_size=1, max_size=3),
    ),
    st.builds(Enqueue, _CAUGHT, st.tuples(wishes("skip", "replace")), st.just(True)),
    st.builds(Hook, _CAUGHT, wishes("skip", "replace")),
    st.builds(WriteOrder, _CAUGHT, st.integers(1, 99)),
    st.builds(Break, st.just(True)),
    st.builds(Raise, _CAUGHT),
    st.builds(SetRollback, _CAUGHT),
)
_BLOCKS = st.recursive(
    _STEPS,
    lambda steps: st.builds(Block, _CAUGHT, st.booleans(), st.lists(steps, max_size=5)),
    max_leaves=12,
)
PROGRAMS = st.lists(
    st.builds(Block, st.just(True), st.booleans(), st.lists(_BLOCKS, min_size=1, max_size=5))
    | _STEPS,
    min_size=1,
    max_size=4,
).map(lambda program: numbered(program, itertools.count(1)))


def numbered(steps: Sequence[Step], labels: Iterator[int]) -> list[Step]:
    """Give each job a label of its own."""
    return [_numbered(step, labels) for step in steps]


def _numbered(step: Step, labels: Iterator[int]) -> Step:
    match step:
        case Block(steps=steps):
            return replace(step, steps=numbered(steps, labels))
        case Enqueue(wishes=wishes):
            return replace(step, wishes=[replace(wish, label=next(labels)) for wish in wishes])
        case Hook(wish=wish):
            return replace(step, wish=replace(wish, label=next(labels)))
    return step


# ---- what they run on


class World(Protocol):
    """What a program can do."""

    def atomic(self, savepoint: bool) -> AbstractContextManager[object]: ...
    def enqueue(self, wishes: Sequence[Wish], elsewhere: bool) -> list[bool | None]: ...
    def on_commit(self, function: Callable[[], object]) -> None: ...
    def write_order(self, number: int) -> None: ...
    def break_(self) -> None: ...
    def set_rollback(self) -> None: ...


def run(program: Sequence[Step], world: World) -> list[object]:
    """Run a program; return what its enqueues answered and what was raised."""
    notes: list[object] = []
    try:
        _run(program, world, notes)
    except _EXPECTED:
        pass  # noted where it came from
    return notes


def _run(steps: Sequence[Step], world: World, notes: list[object]) -> None:
    for step in steps:
        try:
            _do(step, world, notes)
        except _EXPECTED as error:
            notes.append(type(error).__name__)
            if not step.caught:
                raise


def _do(step: Step, world: World, notes: list[object]) -> None:
    match step:
        case Block(savepoint=savepoint, steps=steps):
            with world.atomic(savepoint):
                _run(steps, world, notes)
        case Enqueue(wishes=wishes, elsewhere=elsewhere):
            notes.append(world.enqueue(wishes, elsewhere))
        case Hook(wish=wish):
            world.on_commit(lambda: notes.append(world.enqueue([wish], elsewhere=False)))
        case WriteOrder(number=number):
            world.write_order(number)
        case Break():
            world.break_()
        case SetRollback():
            world.set_rollback()
        case Raise():
            raise Undo
