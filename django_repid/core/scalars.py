"""Single values from decoded JSON: dates, numbers, enums, pydantic's models."""

import enum
import re
from collections.abc import Callable, Mapping
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from typing import Any
from uuid import UUID

from django_repid.core.serializer import default_serializer

Reader = Callable[[Any], Any]


class Misfit(Exception):
    """A value is not what is asked for; its text does not show it. `place`: the way to it."""

    def __init__(self, text: str, place: tuple[str, ...] = ()) -> None:
        super().__init__(text)
        self.place = place


def from_text(parse: Callable[[str], Any], wanted: str) -> Reader:
    """Return a reader of text that `parse` takes, or refuses with a ValueError."""

    def read(value: Any) -> Any:
        if isinstance(value, str):
            try:
                return parse(value)
            except ValueError:
                pass
        raise Misfit(wanted)

    return read


def is_number(value: Any) -> bool:
    """Whether it is a number of JSON: in Python a bool is one too."""
    return isinstance(value, int | float) and not isinstance(value, bool)


def _decimal(value: Any) -> Decimal:
    if isinstance(value, str) or is_number(value):
        try:
            found = Decimal(str(value))
        except ArithmeticError:
            pass
        else:
            if found.is_finite():
                return found
    text = "must be a decimal number"
    raise Misfit(text)


#: How pydantic writes a timedelta; years have 365 days there.
_DURATION = re.compile(
    r"([-+]?)P(?:(\d+)Y)?(?:(\d+)W)?(?:(\d+)D)?"
    r"(?:T(?:(\d+)H)?(?:(\d+)M)?(?:(\d+)(?:\.(\d{1,6})\d*)?S)?)?",
    re.ASCII,
)


def _timedelta(value: Any) -> timedelta:
    try:
        if is_number(value):
            return timedelta(seconds=value)
        if isinstance(value, str) and (found := _DURATION.fullmatch(value)):
            sign, *numbers, fraction = found.groups()
            years, weeks, days, hours, minutes, seconds = (int(one or 0) for one in numbers)
            span = timedelta(
                days=365 * years + 7 * weeks + days,
                hours=hours,
                minutes=minutes,
                seconds=seconds,
                microseconds=int((fraction or "").ljust(6, "0")),
            )
            return -span if sign == "-" else span
    except (OverflowError, ValueError):
        pass
    text = "must be a number of seconds or an ISO 8601 duration"
    raise Misfit(text)


_SCALARS: Mapping[type, Reader] = {
    date: from_text(date.fromisoformat, "must be a date"),
    datetime: from_text(datetime.fromisoformat, "must be a date and time"),
    time: from_text(time.fromisoformat, "must be a time"),
    UUID: from_text(UUID, "must be a UUID"),
    Decimal: _decimal,
    timedelta: _timedelta,
}


def scalar_of(cls: type) -> Reader | None:
    """Return the reader of a class whose values JSON holds as one text, number or object."""
    if issubclass(cls, enum.Enum):
        return _member_of(cls)
    if callable(validate := getattr(cls, "model_validate_json", None)):  # pydantic's models
        return _model(cls, validate)
    return _SCALARS.get(cls)


def _member_of(cls: type[enum.Enum]) -> Reader:
    by_text = {}
    for member in cls:
        try:
            by_text[default_serializer(member.value)] = member
        except (TypeError, ValueError):
            continue  # it cannot be sent either

    def read(value: Any) -> Any:
        try:
            found = by_text.get(default_serializer(value))
            # Else flags together, and what `_missing_` finds.
            return cls(value) if found is None else found
        except Exception:  # noqa: BLE001 - `_missing_` is somebody's code
            text = f"must be a value of {cls.__name__}"
            raise Misfit(text) from None

    return read


def _model(cls: type, validate: Callable[[str], Any]) -> Reader:

    def read(value: Any) -> Any:
        try:
            return validate(default_serializer(value))
        except Exception as error:  # noqa: BLE001 - validators are somebody's code
            text = f"must be what {cls.__name__} takes ({type(error).__name__})"
            raise Misfit(text) from None  # whose text shows the value

    return read
