"""Puts many traces into both databases by SQL, because through HTTP a million would take hours.

Four traces come by HTTP, so that every row is what the server itself writes; then their rows are copied with other ids
and earlier times. In a hundred traces one has the tag `tier = gold`, and two have the feedback `quality = poor`.
"""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from typing import Any

from _ingest_systems import Answered, System

STEP = 100_000
# tag, feedback, and which of a hundred traces are copies of it
KINDS = [
    ("gold", "good", "i % 100 = 0"),
    ("silver", "poor", "i % 100 IN (1, 2)"),
    ("silver", "good", "i % 100 BETWEEN 3 AND 49"),
    ("silver", None, "i % 100 >= 50"),
]
NOW_NS = 1_795_000_000_000_000_000


@dataclass(frozen=True, kw_only=True)
class Dialect:
    """Where the two databases differ."""

    numbers: str
    hexadecimal: str
    earlier: str
    columns: str


SQLITE = Dialect(
    numbers="WITH RECURSIVE n(i) AS (SELECT {first} UNION ALL SELECT i + 1 FROM n WHERE i < {last})",
    hexadecimal="printf('%032x', i)",
    earlier="strftime('%Y-%m-%d %H:%M:%f', {column}, '-' || i || ' seconds') || '000'",
    columns="SELECT name FROM pragma_table_xinfo('{table}') WHERE hidden = 0",
)
POSTGRESQL = Dialect(
    numbers="WITH n(i) AS (SELECT generate_series({first}::bigint, {last}))",
    hexadecimal="lpad(to_hex(i), 32, '0')",
    earlier="{column} - i * interval '1 second'",
    columns="SELECT column_name FROM information_schema.columns WHERE table_name = '{table}' AND is_generated = 'NEVER'",
)
# Of each table: its column that names the trace, the columns that change (i is the copy's number), and those left out.
MLFLOW_TABLES: dict[str, tuple[str, dict[str, str], set[str]]] = {
    "trace_info": ("request_id", {"timestamp_ms": "timestamp_ms - i * 1000"}, set()),
    "trace_tags": ("request_id", {}, set()),
    "trace_request_metadata": ("request_id", {}, set()),
    "spans": (
        "trace_id",
        {
            "start_time_unix_nano": "start_time_unix_nano - i * 1000000000",
            "end_time_unix_nano": "end_time_unix_nano - i * 1000000000",
        },
        set(),
    ),
    "assessments": (
        "trace_id",
        {
            "assessment_id": "'a-' || {hexadecimal}",
            "trace_timestamp_ms": "trace_timestamp_ms - i * 1000",
        },
        set(),
    ),
}
OUR_TABLES: dict[str, tuple[str, dict[str, str], set[str]]] = {
    "annotator_trace": (
        "id",
        {"trace_id": "'tr-' || {hexadecimal}", "requested_at": "{earlier}"},
        set(),
    ),
    "annotator_tracefact": ("trace_id", {}, {"id"}),
    "annotator_span": ("trace_id", {}, {"id"}),
    "annotator_assessment": ("trace_id", {"assessment_id": "'a-' || {hexadecimal}"}, {"id"}),
}


class Filled:
    """What is stored in a system beside the four traces that came by HTTP."""

    def __init__(self, system: System) -> None:
        self.system = system
        self.count = 0
        self._kinds = [_send(system, number) for number in range(len(KINDS))]

    def fill(self, count: int) -> float:
        """Copy until `count` traces are stored; the seconds it took."""
        started = time.perf_counter()
        with _connection(self.system.database) as (execute, dialect):
            ours = self.system.name == "annotator"
            for first in range(self.count + 1, count + 1, STEP):
                last = min(first + STEP - 1, count)
                for trace_id, (_, _, which) in zip(self._kinds, KINDS, strict=True):
                    for table in OUR_TABLES if ours else MLFLOW_TABLES:
                        _copy(execute, dialect, table, trace_id, which, first, last, ours=ours)
            self.count = count
            if ours and dialect is POSTGRESQL:
                execute(
                    "SELECT setval(pg_get_serial_sequence('annotator_trace', 'id'), (SELECT max(id) FROM annotator_trace))"
                )
            execute("ANALYZE")
        return time.perf_counter() - started

    def ids(self) -> list[str]:
        """A hundred traces from everywhere among those stored."""
        return [f"tr-{number:032x}" for number in range(1, self.count + 1, self.count // 100)]


def _copy(
    execute: Any,
    dialect: Dialect,
    table: str,
    trace_id: str,
    which: str,
    first: int,
    last: int,
    *,
    ours: bool,
) -> None:
    key, changes, left_out = (OUR_TABLES if ours else MLFLOW_TABLES)[table]
    value, new = f"'{trace_id}'", f"'tr-' || {dialect.hexadecimal}"
    if ours:
        value = f"(SELECT id FROM annotator_trace WHERE trace_id = '{trace_id}')"  # noqa: S608 - our own ids
        new = "1000 + i"
    terms = {key: new}
    for column, change in changes.items():
        earlier = dialect.earlier.format(column=column)
        terms[column] = change.format(hexadecimal=dialect.hexadecimal, earlier=earlier)
    found = [row[0] for row in execute(dialect.columns.format(table=table))]
    columns = [column for column in found if column not in left_out]
    names = ", ".join(f'"{column}"' for column in columns)
    values = ", ".join(terms.get(column, f'"{column}"') for column in columns)
    numbers = dialect.numbers.format(first=first, last=last)
    execute(
        f'INSERT INTO {table} ({names}) {numbers} SELECT {values} FROM n, {table} WHERE "{key}" = {value} AND {which}'  # noqa: S608
    )


def _send(system: System, number: int) -> str:
    """Send one of the four traces, of two spans, by the routes that clients use."""
    tag, value, _ = KINDS[number]
    trace = f"{0xFFFF0000 + number:032x}"
    server = Answered(system.url, system.token)

    def span(span_id: str, name: str, parent: str = "") -> dict[str, Any]:
        attributes = {
            "mlflow.spanInputs": '{"question": "Where is my parcel?"}',
            "mlflow.spanOutputs": '{"answer": "It arrives on Friday. ' + "Thank you. " * 20 + '"}',
            "mlflow.spanType": "CHAIN",
        }
        return {
            "traceId": trace,
            "spanId": span_id,
            "parentSpanId": parent,
            "name": name,
            "startTimeUnixNano": str(NOW_NS),
            "endTimeUnixNano": str(NOW_NS + 1_500_000_000),
            "attributes": [
                {"key": key, "value": {"stringValue": text}} for key, text in attributes.items()
            ],
        }

    spans = [
        span("00f067aa0ba902b7", "answer"),
        span("00f067aa0ba902b8", "find", "00f067aa0ba902b7"),
    ]
    server.ask(
        "POST",
        "/v1/traces",
        {"resourceSpans": [{"scopeSpans": [{"spans": spans}]}]},
        X_MLflow_Experiment_Id=system.experiment,
    )
    info = {
        "trace_id": f"tr-{trace}",
        "trace_location": {
            "type": "MLFLOW_EXPERIMENT",
            "mlflow_experiment": {"experiment_id": system.experiment},
        },
        "request_time": "2026-11-18T11:06:40.000Z",
        "execution_duration": "1.500s",
        "state": "OK",
        "request_preview": '{"question": "Where is my parcel?"}',
        "response_preview": '{"answer": "It arrives on Friday."}',
        "trace_metadata": {
            "mlflow.trace_schema.version": "3",
            "mlflow.trace.session": f"chat-{number}",
            "mlflow.trace.user": "ann",
            "mlflow.trace.sizeStats": '{"total_size_bytes": 900, "num_spans": 2}',
        },
        "tags": {"mlflow.traceName": "answer", "tier": tag},
    }
    server.ask("POST", "/api/3.0/mlflow/traces", {"trace": {"trace_info": info}})
    if value:
        assessment = {
            "assessment_name": "quality",
            "trace_id": f"tr-{trace}",
            "source": {"source_type": "HUMAN", "source_id": "ann"},
            "create_time": "2026-11-18T11:10:00.000Z",
            "last_update_time": "2026-11-18T11:10:00.000Z",
            "feedback": {"value": value},
            "rationale": "It names a day.",
        }
        server.ask(
            "POST",
            f"/api/3.0/mlflow/traces/tr-{trace}/assessments",
            {"assessment": assessment},
        )
    return f"tr-{trace}"


@contextmanager
def _connection(database: str) -> Iterator[tuple[Any, Dialect]]:
    if database.startswith("sqlite"):
        with closing(sqlite3.connect(database.removeprefix("sqlite:///"), timeout=60)) as sqlite:
            yield lambda statement: list(sqlite.execute(statement)), SQLITE
            sqlite.commit()
        return
    import psycopg

    address = database.replace("postgresql+psycopg2://", "postgres://")
    with psycopg.connect(address, autocommit=True) as postgres:

        def execute(statement: str) -> list[Any]:
            cursor = postgres.execute(statement)
            return cursor.fetchall() if cursor.description else []

        yield execute, POSTGRESQL
