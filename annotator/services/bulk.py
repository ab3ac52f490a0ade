"""Rows written in bulk, past the ORM: there are ten spans and more to a trace, and an object for each costs too much."""

from __future__ import annotations

import json
from collections.abc import Collection, Iterable, Sequence
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
_TRACES = Trace._meta.db_table
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


def locked_traces(trace_ids: Collection[str]) -> list[Trace]:
    """Those of the traces that are here, locked in one order so that no two writers wait for each other."""
    names = ", ".join(f'"{field.column}"' for field in Trace._meta.concrete_fields)
    places = ", ".join(["%s"] * len(trace_ids))
    lock = " FOR UPDATE" if connection.features.has_select_for_update else ""
    return list(
        Trace.objects.raw(
            f'SELECT {names} FROM "{_TRACES}" WHERE trace_id IN ({places}) ORDER BY trace_id{lock}',  # noqa: S608 - names of our own
            list(trace_ids),
        )
    )


def write_changes(trace: Trace, names: Collection[str]) -> None:
    """Update columns of a trace."""
    fields = [field for field in Trace._meta.concrete_fields if field.name in names]
    places = ", ".join(f'"{field.column}" = %s' for field in fields)
    values = [field.get_db_prep_save(getattr(trace, field.attname), connection) for field in fields]
    with connection.cursor() as cursor:
        cursor.execute(f'UPDATE "{_TRACES}" SET {places} WHERE id = %s', [*values, trace.pk])  # noqa: S608


def write_traces(traces: Sequence[Trace]) -> None:
    """Insert traces, and give each its key.

    Raises:
        IntegrityError: when one of them is here already.
    """
    fields = [field for field in Trace._meta.concrete_fields if not field.primary_key]
    columns = [str(field.column) for field in fields]
    rows = [
        tuple(field.get_db_prep_save(getattr(trace, field.attname), connection) for field in fields)
        for trace in traces
    ]
    places = f"({', '.join(['%s'] * len(columns))})"
    start = _start(_TRACES, columns)
    with connection.cursor() as cursor:
        for first in range(0, len(rows), CHUNK):
            chunk = rows[first : first + CHUNK]
            cursor.execute(
                f"{start}{', '.join([places] * len(chunk))} RETURNING trace_id, id",
                [value for row in chunk for value in row],
            )
            keys = dict(cursor.fetchall())
            for trace in traces[first : first + CHUNK]:
                trace.pk = keys[trace.trace_id]


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
    """Insert or replace the facts of traces; what a trace has no more is left to `store_facts`."""
    rows = [
        (*key, value, value[: TraceFact.VALUE_START])
        for trace in traces
        for key, value in facts_of(trace)
    ]
    _insert(
        TraceFact._meta.db_table,
        _FACT_COLUMNS,
        rows,
        "ON CONFLICT (trace_id, kind, key) DO UPDATE SET value = excluded.value, value_start = excluded.value_start",
    )


def _insert(table: str, columns: Sequence[str], rows: list[tuple[Any, ...]], ending: str) -> None:
    if not rows:
        return
    places = f"({', '.join(['%s'] * len(columns))})"
    start = _start(table, columns)
    with connection.cursor() as cursor:
        if connection.vendor == "sqlite":
            cursor.executemany(f"{start}{places} {ending}", rows)
            return
        waiting = iter(rows)
        while chunk := list(islice(waiting, CHUNK)):
            values = ", ".join([places] * len(chunk))
            cursor.execute(f"{start}{values} {ending}", [value for row in chunk for value in row])


def _start(table: str, columns: Sequence[str]) -> str:
    names = ", ".join(f'"{name}"' for name in columns)
    return f'INSERT INTO "{table}" ({names}) VALUES '  # noqa: S608 - names of our own
