"""`search_traces`: a page of what a filter lets through, and a token for the next one."""

from __future__ import annotations

import operator
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import reduce
from typing import Any

from django.core import signing
from django.db import DataError
from django.db.models import F, OuterRef, Q, Subquery, TextField, Value
from django.db.models.functions import Coalesce

from annotator.filters.sql import EPOCH, NAME_TAG, RUN_KEY, narrowed
from annotator.filters.text import (
    Clause,
    Field,
    Order,
    parse_filter,
    parse_order,
)
from annotator.filters.tokens import FilterError
from annotator.ingest.door import MachineRequest, needs
from annotator.ingest.errors import InvalidRequestError
from annotator.ingest.experiment_rules import experiments_of
from annotator.ingest.message import Message
from annotator.ingest.trace_reading import encode_infos
from annotator.models import Experiment, Scope, Trace, TraceFact
from annotator.models.patterns import EndMilliseconds
from annotator.models.traces import TraceQuerySet
from annotator.services.tokens import Caller

MOST_RESULTS = 500
DEFAULT_RESULTS = 100
MOST_LOCATIONS = 200
LONGEST_TOKEN = 4000

_SALT = "traces/search"
_MICROSECOND = timedelta(microseconds=1)


@dataclass(frozen=True, kw_only=True)
class Column:
    """One column of an order: its name in the query, and which way it goes."""

    name: str
    is_descending: bool

    def __str__(self) -> str:
        return f"-{self.name}" if self.is_descending else self.name


@needs(Scope.READ)
def search(request: MachineRequest) -> dict[str, Any]:
    """A page of traces, without their spans."""
    body = Message.from_body(request)
    experiments = _experiments(request.caller, body)
    limit = body.integer("max_results", default=DEFAULT_RESULTS, least=1, most=MOST_RESULTS)
    text = body.text("filter", longest=10_000, default="")
    order_texts = body.texts("order_by", most=10)
    try:
        clauses = parse_filter(text)
        columns = _columns(parse_order(order_texts))
        # a token is good for the search that gave it, and for no other
        about = [sorted(experiments), text, order_texts]
        after = _read_token(body.text("page_token", longest=LONGEST_TOKEN, default=""), about)
        rows = _rows(request.caller, experiments, clauses, columns, after, limit + 1)
    except FilterError as error:
        raise InvalidRequestError(f"Invalid filter: {error}") from None
    except DataError:
        # the two databases do not have quite the same regular expressions, nor the same largest number
        raise InvalidRequestError(
            "Invalid filter: a regular expression or a number in it cannot be used."
        ) from None
    page = rows[:limit]
    for trace in page:
        trace.experiment = experiments[trace.experiment_id]
    answer: dict[str, Any] = {"traces": encode_infos(request.caller, page)}
    if len(rows) > limit:
        answer["next_page_token"] = _token(_place(page[-1], columns), about)
    return answer


def _experiments(caller: Caller, body: Message) -> dict[int, Experiment]:
    if not isinstance(body.data.get("locations"), list):
        raise body.wrong("locations", "it must be the list of experiments to search in.")
    wire_ids = []
    for location in body.messages("locations", most=MOST_LOCATIONS):
        experiment = location.message("mlflow_experiment")
        if experiment is None:
            raise location.wrong("mlflow_experiment", "it is missing; traces lie in experiments.")
        wire_ids.append(experiment.text("experiment_id"))
    return {experiment.pk: experiment for experiment in experiments_of(caller, wire_ids)}


def _rows(
    caller: Caller,
    experiments: dict[int, Experiment],
    clauses: list[Clause],
    columns: Sequence[Column],
    after: list[Any] | None,
    limit: int,
) -> list[Trace]:
    if not experiments:
        return []
    everything = _with_columns(Trace.objects.all(), columns)
    traces = narrowed(everything, list(experiments), clauses, caller.user)
    if after is not None:
        traces = traces.filter(_beyond(columns, after))
    hidden = ("inputs", "outputs", "search_text", "guessed", "created_at", "conversation_id")
    return list(traces.defer(*hidden).order_by(*map(str, columns))[:limit])


def _columns(orders: Sequence[Order]) -> list[Column]:
    """What to sort by; ties are broken by time, the newest first, and then by trace id."""
    names: dict[Field | None, str] = {
        Field.TIMESTAMP: "requested_at",
        Field.EXECUTION_TIME: "sort_duration",
        Field.END_TIME: "sort_end",
        Field.STATUS: "state",
        Field.NAME: "sort_name",
        Field.RUN_ID: "sort_run",
        Field.REQUEST_ID: "trace_id",
        None: "experiment_id",
    }
    columns: dict[str, Column] = {}
    for order in orders:
        name = names[order.field]
        columns.setdefault(name, Column(name=name, is_descending=order.is_descending))
    columns.setdefault("requested_at", Column(name="requested_at", is_descending=True))
    columns.setdefault("trace_id", Column(name="trace_id", is_descending=False))
    return list(columns.values())


def _with_columns(traces: TraceQuerySet, columns: Sequence[Column]) -> TraceQuerySet:
    """The traces with what is sorted by; what a trace does not have sorts as the least."""

    def fact(kind: str, key: str) -> Coalesce:
        rows = TraceFact.objects.filter(trace=OuterRef("pk"), kind=kind, key=key)
        return Coalesce(Subquery(rows.values("value")[:1]), Value(""), output_field=TextField())

    # made only when wanted: each costs more than the rest of the query
    derived: dict[str, Callable[[], Coalesce]] = {
        "sort_duration": lambda: Coalesce(F("duration_ms"), Value(-1)),
        "sort_end": lambda: Coalesce(
            EndMilliseconds(F("requested_at"), F("duration_ms")), Value(-1)
        ),
        "sort_name": lambda: fact(TraceFact.Kind.TAG, NAME_TAG),
        "sort_run": lambda: fact(TraceFact.Kind.METADATA, RUN_KEY),
    }
    wanted = {column.name for column in columns}
    return traces.annotate(**{name: make() for name, make in derived.items() if name in wanted})


def _beyond(columns: Sequence[Column], place: Sequence[Any]) -> Q:
    """Everything after a place in the order."""
    steps = []
    for position, column in enumerate(columns):
        before = {columns[i].name: place[i] for i in range(position)}
        way = "lt" if column.is_descending else "gt"
        steps.append(Q(**before, **{f"{column.name}__{way}": place[position]}))
    # The bound on the first column alone is what lets a database start in the middle of its index.
    first = f"{columns[0].name}__{'lte' if columns[0].is_descending else 'gte'}"
    return Q(**{first: place[0]}) & reduce(operator.or_, steps)


def _place(trace: Trace, columns: Sequence[Column]) -> list[Any]:
    return [getattr(trace, column.name) for column in columns]


def _token(place: Sequence[Any], about: Any) -> str:
    values = [
        {"at": (value - EPOCH) // _MICROSECOND} if isinstance(value, datetime) else value
        for value in place
    ]
    return signing.dumps([about, values], salt=_SALT, compress=True)


def _read_token(token: str, about: Any) -> list[Any] | None:
    if not token:
        return None
    try:
        was_about, values = signing.loads(token, salt=_SALT)
    except signing.BadSignature:
        raise InvalidRequestError(
            "Invalid value for parameter 'page_token': it is damaged; start again without it."
        ) from None
    if was_about != about:
        raise InvalidRequestError(
            "Invalid value for parameter 'page_token': it belongs to another search; start again without it."
        )
    return [
        EPOCH + value["at"] * _MICROSECOND if isinstance(value, dict) else value for value in values
    ]
