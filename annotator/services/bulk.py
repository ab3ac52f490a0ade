"""Rows written in bulk, past the ORM: there are ten spans and more to a trace, and an object for each costs too much."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from itertools import islice
from typing import Any

from django.db import connection

from annotator.models import Span, Trace, TraceFact
from annotator.records import SpanRecord
from annotator.services.trace_facts import facts_of

CHUNK = 500
_SPAN_COLUMNS = (
    *("trace_id", "span_id", "parent_id", "name", "kind", "span_type", "start_ns", "end_ns"),
    *("inputs", "outputs", "status", "status_message", "attributes", "events", "links"),
)
_FACT_COLUMNS = ("trace_id", "kind", "key", "value", "value_start")
_encode = json.JSONEncoder(separators=(",", ":")).encode


def span_row(span: SpanRecord) -> tuple[Any, ...]:
    """The row of a span, but for its trace's key; JSON is ASCII text here as in `JSONTextField`."""
    return (
        span.span_id,
        span.parent_id,
        span.name,
        span.kind,
        span.span_type,
        span.start_ns,
        span.end_ns,
        None if span.inputs is None else _encode(span.inputs),
        None if span.outputs is None else _encode(span.outputs),
        span.status,
        span.status_message,
        _encode(span.attributes) if span.attributes else "{}",
        _encode(span.events) if span.events else "[]",
        _encode(span.links) if span.links else "[]",
    )


def write_spans(rows: Iterable[tuple[int, tuple[Any, ...]]]) -> None:
    """Insert or replace spans.

    Args:
        rows: The trace's key and the span's row; no two of one span.
    """
    updates = ", ".join(f"{name} = excluded.{name}" for name in _SPAN_COLUMNS[2:])
    _insert(
        Span._meta.db_table,
        _SPAN_COLUMNS,
        [(trace, *row) for trace, row in rows],
        f"ON CONFLICT (trace_id, span_id) DO UPDATE SET {updates}",
    )


def write_facts(traces: Iterable[Trace]) -> None:
    """Insert the facts of traces that were created just now."""
    rows = [
        (*key, value, value[: TraceFact.VALUE_START])
        for trace in traces
        for key, value in facts_of(trace)
    ]
    _insert(TraceFact._meta.db_table, _FACT_COLUMNS, rows, "")


def _insert(table: str, columns: Sequence[str], rows: list[tuple[Any, ...]], ending: str) -> None:
    if not rows:
        return
    names = ", ".join(f'"{name}"' for name in columns)
    places = f"({', '.join(['%s'] * len(columns))})"
    start = f'INSERT INTO "{table}" ({names}) VALUES '  # noqa: S608 - names of our own
    with connection.cursor() as cursor:
        if connection.vendor == "sqlite":
            cursor.executemany(f"{start}{places} {ending}", rows)
            return
        waiting = iter(rows)
        while chunk := list(islice(waiting, CHUNK)):
            values = ", ".join([places] * len(chunk))
            cursor.execute(f"{start}{values} {ending}", [value for row in chunk for value in row])
