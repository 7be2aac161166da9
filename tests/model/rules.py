"""A model of Django's transactions, and of the jobs that are enqueued in them."""

import copy
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field

from django.db import IntegrityError
from django.db.transaction import TransactionManagementError

from django_repid import DuplicateJob
from tests.model.programs import Wish, generated


@dataclass
class Tables:
    """What one database holds."""

    #: Label and args id of each job, by its id; ids that are generated are the label's.
    jobs: dict[str, tuple[int, str | None]] = field(default_factory=dict)
    dead: set[str] = field(default_factory=set)
    buckets: dict[str, int] = field(default_factory=dict)
    orders: list[int] = field(default_factory=list)

    def write(self, wishes: Sequence[Wish]) -> list[bool | None]:
        """Write jobs as a broker does, one after the other."""
        return [self._write(wish) for wish in wishes]

    def _write(self, wish: Wish) -> bool:
        id_ = wish.id_ or generated(wish.label)
        if id_ in self.jobs and id_ not in self.dead:
            if wish.policy == "raise":
                raise DuplicateJob(id_)
            if wish.policy == "skip":
                return True
        self.dead.discard(id_)
        args_id = generated(wish.label) if wish.args_id == "generated" else wish.args_id
        self.jobs[id_] = wish.label, args_id
        if args_id is not None:
            self.buckets[args_id] = wish.label
        return False


@dataclass(eq=False)
class _Frame:
    """A block that is open. `kept`: what a rollback returns to, if it can roll back."""

    kept: Tables | None


class Model:
    """Django's rules for nested transactions, and two databases under them."""

    def __init__(self) -> None:
        self.here, self.there = Tables(), Tables()
        self._frames: list[_Frame] = []
        self._hooks: list[tuple[list[_Frame], Callable[[], object]]] = []
        self._must_roll_back = False

    @contextmanager
    def atomic(self, savepoint: bool) -> Iterator[None]:
        if not self._frames:
            self._must_roll_back = False
        can = not self._frames or (savepoint and not self._must_roll_back)
        frame = _Frame(copy.deepcopy(self.here) if can else None)
        self._frames.append(frame)
        try:
            yield
        except BaseException:
            self._must_roll_back = True
            raise
        finally:
            self._frames.pop()
            if self._must_roll_back:
                self._roll_back(frame)
            if not self._frames:
                self._run_hooks()

    def _roll_back(self, frame: _Frame) -> None:
        if frame.kept is None:
            return  # the block around this one has to
        self._must_roll_back = False
        self.here = frame.kept
        self._hooks = [(frames, hook) for frames, hook in self._hooks if frame not in frames]

    def _run_hooks(self) -> None:
        hooks, self._hooks = self._hooks, []
        for _, hook in hooks:
            hook()

    def _check(self) -> None:
        if self._frames and self._must_roll_back:
            raise TransactionManagementError

    def enqueue(self, wishes: Sequence[Wish], elsewhere: bool) -> list[bool | None]:
        if elsewhere:
            if not self._frames:
                return self.there.write(wishes)
            self.on_commit(lambda: self.there.write(wishes))
            return [None] * len(wishes)
        self._check()
        tables = copy.deepcopy(self.here)
        answers = tables.write(wishes)  # what it raises undoes the whole batch
        self.here = tables
        return answers

    def on_commit(self, function: Callable[[], object]) -> None:
        if self._frames:
            self._hooks.append((list(self._frames), function))
        else:
            function()

    def write_order(self, number: int) -> None:
        self._check()
        self.here.orders.append(number)

    def break_(self) -> None:
        self._check()
        self._must_roll_back = bool(self._frames)
        raise IntegrityError

    def set_rollback(self) -> None:
        if not self._frames:
            raise TransactionManagementError
        self._must_roll_back = True
