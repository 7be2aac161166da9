"""How a database goes about the statements that a broker really executes."""

import json
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

from django.db.backends.base.base import BaseDatabaseWrapper

from django_repid.models import Bucket, Message

MESSAGE, BUCKET = Message._meta.db_table, Bucket._meta.db_table
PRIMARY_KEY = "primary key"

_PRIMARY_KEYS = ("PRIMARY", "INTEGER PRIMARY KEY", f"{MESSAGE}_pkey", f"{BUCKET}_pkey")
_EXPLAIN = {
    "sqlite": "EXPLAIN QUERY PLAN ",
    "postgresql": "EXPLAIN (FORMAT JSON, VERBOSE) ",
    "mysql": "EXPLAIN FORMAT=JSON ",
}
#: What a statement of ours calls a table: `repid_message m`, `repid_message AS m`.
_ALIAS = re.compile(rf"\b({MESSAGE}|{BUCKET})\b[`\"]?(?: AS)? [`\"]?([a-z]\w*)")
_SQLITE_STEP = re.compile(
    r"(?P<kind>SEARCH|SCAN) (?P<name>\w+)"
    r"(?: USING (?P<index>INTEGER PRIMARY KEY|(?:COVERING )?INDEX \w+))?(?: \((?P<by>.*)\))?"
)
_COLUMN = re.compile(r"\b([a-z]\w*)\b\)?(?:::\w+)? ?(?:[<>=]|IS\b|ROW|, )")
_SORTS = ("Sort", "Incremental Sort")


@dataclass(frozen=True, slots=True)
class Access:
    """One way into a table: by which index, and by which of its columns."""

    table: str
    index: str | None
    by: frozenset[str]
    #: Whether it reads all of the table, or all of an index.
    is_full: bool
    #: What is asked of rows once they are read.
    condition: str = ""


@dataclass(slots=True)
class Plan:
    """What the database means to do for one statement."""

    sql: str
    text: str
    accesses: list[Access] = field(default_factory=list)
    sorts: int = 0

    @property
    def locks(self) -> bool:
        """Whether it locks the rows that it reads."""
        return "FOR UPDATE" in self.sql or self.sql.startswith(("UPDATE", "DELETE"))

    def __str__(self) -> str:
        return f"\n{self.sql}\n{self.text}\n"


class Recorder:
    """An execute wrapper that asks for the plan of each statement right before it runs."""

    def __init__(self, connection: BaseDatabaseWrapper) -> None:
        self._connection = connection
        self._asking = False
        self.plans: list[Plan] = []

    def __call__(
        self, execute: Callable[..., Any], sql: str, params: Any, many: bool, context: Any
    ) -> Any:
        if not self._asking and (MESSAGE in sql or BUCKET in sql):
            self._asking = True
            try:
                self.plans.append(self._explain(sql, next(iter(params)) if many else params))
            finally:
                self._asking = False
        return execute(sql, params, many, context)

    def _explain(self, sql: str, params: Any) -> Plan:
        vendor = self._connection.vendor
        with self._connection.cursor() as cursor:
            cursor.execute(f"{_EXPLAIN[vendor]}{sql}", params)
            return _READERS[vendor](sql, cursor.fetchall())


def _sqlite(sql: str, found: list[Any]) -> Plan:
    steps = [row[3] for row in found]
    plan = Plan(sql, "\n".join(steps), sorts=sum("TEMP B-TREE" in step for step in steps))
    tables = _tables(sql)
    for step in steps:
        match = _SQLITE_STEP.match(step)
        if match is None or match["name"] not in tables:
            continue
        index = (match["index"] or "").removeprefix("COVERING ").removeprefix("INDEX ")
        by = frozenset(_COLUMN.findall(match["by"] or ""))
        is_full = match["kind"] == "SCAN"
        plan.accesses.append(Access(tables[match["name"]], _index(index), by, is_full))
    return plan


def _postgresql(sql: str, found: list[Any]) -> Plan:
    answer = found[0][0]
    (root,) = json.loads(answer) if isinstance(answer, str) else answer
    plan = Plan(sql, json.dumps(_without_output(root["Plan"]), indent=1))
    for node, heap in _nodes(root["Plan"]):
        kind = node["Node Type"]
        plan.sorts += kind in _SORTS
        table = heap if kind == "Bitmap Index Scan" else node.get("Relation Name")
        if table not in {MESSAGE, BUCKET} or kind in {"ModifyTable", "Bitmap Heap Scan"}:
            continue
        if "Scan" in kind:
            by = node.get("Index Cond", "")
            plan.accesses.append(
                Access(
                    table,
                    _index(node.get("Index Name", "")),
                    frozenset(_COLUMN.findall(by.replace("m.", "").replace(f"{table}.", ""))),
                    "Index" not in kind,
                    node.get("Filter", ""),
                )
            )
    return plan


def _nodes(node: Any, heap: str = "") -> Iterator[tuple[Any, str]]:
    """Go through a plan; with the table of the bitmap scan that a node is part of."""
    if node["Node Type"] == "Bitmap Heap Scan":
        heap = node["Relation Name"]
    yield node, heap
    for child in node.get("Plans", ()):
        yield from _nodes(child, heap)


def _without_output(node: Any) -> Any:
    """Leave out what does not tell how rows are found."""
    kept = {
        key: value
        for key, value in node.items()
        if key not in {"Output", "Schema", "Parallel Aware", "Async Capable", "Plan Width"}
    }
    if "Plans" in kept:
        kept["Plans"] = [_without_output(child) for child in kept["Plans"]]
    return kept


def _mysql(sql: str, found: list[Any]) -> Plan:
    plan = Plan(sql, found[0][0])
    tables = _tables(sql)
    for name, node in _members(json.loads(plan.text)):
        plan.sorts += name == "filesort"
        if name != "table" or node.get("table_name") not in tables or "access_type" not in node:
            continue
        plan.accesses.append(
            Access(
                tables[node["table_name"]],
                _index(node.get("key", "")),
                frozenset(node.get("used_key_parts", ())),
                node["access_type"] in {"ALL", "index"},
                node.get("attached_condition", ""),
            )
        )
    return plan


def _members(value: Any) -> Iterator[tuple[str, Any]]:
    if isinstance(value, list):
        for one in value:
            yield from _members(one)
    elif isinstance(value, dict):
        for name, one in value.items():
            yield name, one
            yield from _members(one)


def _tables(sql: str) -> dict[str, str]:
    aliases = {alias: table for table, alias in _ALIAS.findall(sql)}
    return {**aliases, MESSAGE: MESSAGE, BUCKET: BUCKET}


def _index(name: str) -> str | None:
    return PRIMARY_KEY if name in _PRIMARY_KEYS else name or None


_READERS: dict[str, Callable[[str, list[Any]], Plan]] = {
    "sqlite": _sqlite,
    "postgresql": _postgresql,
    "mysql": _mysql,
}
