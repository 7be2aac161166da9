"""What jobs are searched by, in one line of text.

`actor:charge_card state:failed since:14:00 args.order_id=90003 a4f5810f`: terms with a key, and
bare words, each the beginning or the end of an id, or an actor's name. Quotes hold a value with
spaces together. The text of a search reads back as the same search, so that links can hold it.
"""

import difflib
import re
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta, tzinfo
from typing import Any

from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from django_repid.core import clock
from django_repid.insight.state import JobState

#: The keys, in the order in which a search is written.
KEYS = ("actor", "queue", "state", "error", "id", "since", "until")
#: What begins the key of an argument: `args.order_id=90003`.
ARGUMENT = "args."
#: More terms than this are no question of a person's.
_MOST = 20
_LONGEST = 1000

_TERM = re.compile(
    r"""\s*(?:
        (?P<key>args\.[^\s="]*=|[A-Za-z_]+[:=])?
        (?:"(?P<quoted>(?:[^"\\]|\\.)*)"(?=\s|$)|(?P<bare>[^\s"]*))
    )""",
    re.VERBOSE,
)
_NAME = re.compile(r"[A-Za-z0-9_-][A-Za-z0-9_.-]*")
_PLAIN = re.compile(r'[^\s"\\]+')
_SPAN = re.compile(r"(?P<sign>\+?)(?P<number>\d{1,6})(?P<unit>[smhd])")
_TIME = re.compile(r"\d{1,2}:\d{2}(?::\d{2})?")
_WHICH = gettext_lazy("Which argument? Write args.order_id=90003.")
_SECONDS = {"s": 1, "m": 60, "h": 3600, "d": 86400}


@dataclass(frozen=True, slots=True)
class Argument:
    """An argument's value that is looked for. `path`: names and places in lists, by dots."""

    path: str
    value: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Search:
    """A search; an empty one finds every job.

    `error`: a class of exceptions, a part of what one says, or a cause's fingerprint. `id`: a
    whole one. `since` and `until` are as they were typed: see `moment`.
    """

    actor: str = ""
    queue: str = ""
    state: JobState | None = None
    error: str = ""
    id: str = ""
    since: str = ""
    until: str = ""
    args: tuple[Argument, ...] = ()
    words: tuple[str, ...] = ()

    @property
    def text(self) -> str:
        """The search as it is typed."""
        return " ".join(term for _key, term in self.terms())

    def terms(self) -> list[tuple[str, str]]:
        """Return its terms as they are typed, each with a name for `without`."""
        keyed = [(key, getattr(self, key)) for key in KEYS]
        found = [(key, f"{key}:{_quoted(str(value))}") for key, value in keyed if value]
        for number, one in enumerate(self.args):
            text = f"{ARGUMENT}{one.path}={_quoted(one.value)}"
            found.append((f"args{number}", text))
        for number, word in enumerate(self.words):
            found.append((f"words{number}", _quoted(word, word=True)))
        return found

    def without(self, term: str) -> "Search":
        """Return it without one of its terms, named as `terms` names it."""
        for name in ("args", "words"):
            if term.startswith(name):
                place = int(term.removeprefix(name))
                values = getattr(self, name)
                return replace(self, **{name: values[:place] + values[place + 1 :]})
        nothing: Any = None if term == "state" else ""
        return replace(self, **{term: nothing})

    @property
    def by_content(self) -> bool:
        """Whether it asks for what no index knows, so that jobs must be looked at one by one."""
        return bool(self.error or self.args or self.words)


@dataclass(frozen=True, slots=True)
class Read:
    """What was understood of a text, and in words what was not."""

    search: Search
    problems: tuple[str, ...] = ()


def read(text: str) -> Read:
    """Read a text that somebody has typed; what cannot be understood is left out and told."""
    if len(text) > _LONGEST:
        return Read(Search(), (_("A search has at most %d characters.") % _LONGEST,))
    search, problems, at, count = Search(), list[str](), 0, 0
    text = text.strip()
    while at < len(text):
        found = _TERM.match(text, at)
        if found is None or found.end() == at:
            problems.append(_("A quotation mark is left open: %s") % text[at:].strip()[:40])
            break
        at, count = found.end(), count + 1
        if count > _MOST:
            problems.append(_("A search has at most %d terms.") % _MOST)
            break
        quoted = found["quoted"]
        value = found["bare"] if quoted is None else re.sub(r"\\(.)", r"\1", quoted)
        try:
            search = _with(search, found["key"] or "", value, is_quoted=quoted is not None)
        except ValueError as error:
            problems.append(str(error))
    return Read(search, tuple(problems))


def moment(text: str, now: int, zone: tzinfo) -> int:
    """Return the microseconds that `since:` or `until:` stands for.

    `14:00` is the last time that a clock in `zone` showed it; `2h` was so long ago, `+2h` comes in
    that time; else it is a date or a moment as ISO has them, in `zone` unless it says another.

    Raises:
        ValueError: it is none of them.

    """
    here = clock.from_us(now).astimezone(zone)
    if span := _SPAN.fullmatch(text):
        long = timedelta(seconds=int(span["number"]) * _SECONDS[span["unit"]])
        return now + clock.span_us(long if span["sign"] else -long)
    try:
        if _TIME.fullmatch(text):
            hour, minute, second = map(int, [*text.split(":"), "0"][:3])
            found = here.replace(hour=hour, minute=minute, second=second, microsecond=0)
            return clock.to_us(found if found <= here else found - timedelta(days=1))
        given = datetime.fromisoformat(text)
        return clock.to_us(given if given.tzinfo else given.replace(tzinfo=zone))
    except (ValueError, OverflowError):
        message = _("%s is no moment: use 14:00, 2h, or a date such as 2026-11-24 14:00 in quotes.")
        raise ValueError(message % repr(text[:40])) from None


def _with(search: Search, key: str, value: str, *, is_quoted: bool) -> Search:
    """Return a search with one more term.

    Raises:
        ValueError: it cannot be understood.

    """
    if key.startswith(ARGUMENT):
        path = key[len(ARGUMENT) : -1]
        if not path:
            raise ValueError(_WHICH)
        return replace(search, args=(*search.args, Argument(path, value)))
    name = key[:-1].lower()
    if not key:
        if not is_quoted and (":" in value or "=" in value):
            raise ValueError(_("%s: what is it? A key is a word; quote a value.") % value[:40])
        return replace(search, words=(*search.words, _word(value)))
    if name not in KEYS or key[-1] == "=":
        raise ValueError(_unknown(name, key[-1]))
    if getattr(search, name):
        raise ValueError(_("%s: is given twice.") % name)
    if not value:
        raise ValueError(_("%s: has no value.") % name)
    checked: Any = _CHECKS.get(name, str)(value)
    return replace(search, **{name: checked})


def _unknown(name: str, sign: str) -> str:
    known = ", ".join(f"{key}:" for key in KEYS) + f", {ARGUMENT}…="
    if name == "args":
        return str(_WHICH)
    near = difflib.get_close_matches(name, KEYS, n=1)
    if near and (name != near[0] or sign == "="):
        return _("%(key)s is no key; %(near)s: is one.") % {"key": name + sign, "near": near[0]}
    return _("%(key)s is no key; there are %(known)s.") % {"key": name + sign, "known": known}


def _word(value: str) -> str:
    return _name(value, _("%s can be neither an id nor an actor's name."))


def _name(value: str, message: str = "") -> str:
    if not _NAME.fullmatch(value.removesuffix("*")):
        raise ValueError((message or _("%s can be no name.")) % repr(value[:40]))
    return value


def _state(value: str) -> JobState:
    for state in JobState:
        if value.lower() in (state.value, state.word.lower()):
            return state
    known = ", ".join(state.value for state in JobState)
    message = _("%(value)s is no state; there are %(known)s.")
    raise ValueError(message % {"value": repr(value[:40]), "known": known})


def _moment(value: str) -> str:
    moment(value, clock.now_us(), UTC)
    return value


_CHECKS: dict[str, Callable[[str], object]] = {
    "actor": _name,
    "queue": _name,
    "id": _name,
    "state": _state,
    "since": _moment,
    "until": _moment,
}


def _quoted(value: str, *, word: bool = False) -> str:
    """Return a value as it must be typed."""
    plain = _PLAIN.fullmatch(value) and not (word and re.search("[:=]", value))
    return value if plain else '"{}"'.format(re.sub(r'(["\\])', r"\\\1", value))
