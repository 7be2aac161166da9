"""Reading product lists: CSV text to values, or to what is wrong with them."""

import csv
import io
import re
from collections.abc import Iterator
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation

COLUMNS = ("sku", "name", "price", "stock")

_SKU = re.compile(r"[A-Z0-9][A-Z0-9-]{0,39}")
_MOST_EXPENSIVE = Decimal("99999999.99")
_LARGEST_STOCK = 2_147_483_647


@dataclass(frozen=True, slots=True)
class Row:
    sku: str
    name: str
    price: Decimal
    stock: int


@dataclass(frozen=True, slots=True)
class Problem:
    line: int
    problem: str


def missing_columns(text: str) -> list[str]:
    """Return the columns that the first line lacks. Raises csv.Error if it cannot be read."""
    header = next(csv.reader(io.StringIO(text, newline="")), [])
    return [name for name in COLUMNS if name not in _names(header)]


def read(text: str) -> Iterator[Row | Problem]:
    """Yield each row, or why it cannot be imported. One bad row stops no other."""
    lines = csv.reader(io.StringIO(text, newline=""))
    names = _names(next(lines))
    seen: dict[str, int] = {}
    try:
        for cells in lines:
            if not any(cells):
                continue  # an empty line, as spreadsheets leave them at the end
            try:
                row = _row(dict(zip(names, cells, strict=False)))
                if row.sku in seen:
                    yield Problem(lines.line_num, f"{row.sku} is already in line {seen[row.sku]}")
                    continue
                seen[row.sku] = lines.line_num
                yield row
            except ValueError as error:
                yield Problem(lines.line_num, str(error))
    except csv.Error as error:
        yield Problem(lines.line_num, f"The file cannot be read from here on: {error}")


def _names(header: list[str]) -> list[str]:
    return [name.strip().lower() for name in header]


def _row(cells: dict[str, str]) -> Row:
    given = {name: cells.get(name, "").strip() for name in COLUMNS}
    for name, value in given.items():
        if not value:
            message = f"{name} is missing"
            raise ValueError(message)
    # Upper case, because whether "a1" is "A1" is for the database's collation to say otherwise.
    sku = given["sku"].upper()
    if not _SKU.fullmatch(sku):
        message = f"sku {sku!r:.60} is not made of letters, digits and hyphens"
        raise ValueError(message)
    if len(given["name"]) > 200:
        message = "name is longer than 200 characters"
        raise ValueError(message)
    return Row(sku, given["name"], _price(given["price"]), _stock(given["stock"]))


def _price(text: str) -> Decimal:
    try:
        price = Decimal(text)
    except InvalidOperation:
        price = Decimal("NaN")
    if not price.is_finite():
        message = f"price {text!r:.60} is not a number"
        raise ValueError(message)
    if not 0 <= price <= _MOST_EXPENSIVE:
        message = f"price {text!r:.60} is not between 0 and {_MOST_EXPENSIVE}"
        raise ValueError(message)
    if price != round(price, 2):
        message = f"price {text!r:.60} has more than two decimals"
        raise ValueError(message)
    return round(price, 2)


def _stock(text: str) -> int:
    try:
        stock = int(text)
    except ValueError:
        message = f"stock {text!r:.60} is not a whole number"
        raise ValueError(message) from None
    if stock < 0:
        message = f"stock {stock} is negative"
        raise ValueError(message)
    if stock > _LARGEST_STOCK:
        message = f"stock {text:.60} is too large"
        raise ValueError(message)
    return stock
