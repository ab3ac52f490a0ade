"""Clauses of a search put to the database. What a person must not see yet is not found by it either."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

from django.db import connection
from django.db.models import Exists, F, OuterRef, Q, QuerySet

from annotator.filters.text import Clause, Field
from annotator.filters.tokens import FilterError, Op
from annotator.models import Assessment, Kind, ProgramRun, Span, TraceFact, User
from annotator.models.feedback import AssessmentQuerySet
from annotator.models.hidden import hidden_from, sees_everything, visible_assessments
from annotator.models.patterns import EndMilliseconds, JsonNumber, regex_of
from annotator.models.search import among
from annotator.models.traces import TraceQuerySet
from annotator.services.trace_facts import UNINDEXED_METADATA
from judges.values import value_key

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
NAME_TAG = "mlflow.traceName"
RUN_KEY = "mlflow.sourceRun"

_LATEST_MS = 253_402_300_799_000  # the end of the year 9999
_LARGEST = 2**63 - 1
_LARGEST_FLOAT = 1e308
_KEY_LENGTH = 250
_FEW = 500
_LOOKUPS = {
    Op.EQ: "",
    Op.LT: "__lt",
    Op.LE: "__lte",
    Op.GT: "__gt",
    Op.GE: "__gte",
    Op.LIKE: "__like_pattern",
    Op.ILIKE: "__ilike_pattern",
    Op.RLIKE: "__rlike_pattern",
    Op.IN: "__in",
}
_COLUMNS = {
    Field.STATUS: "state",
    Field.REQUEST_ID: "trace_id",
    Field.CLIENT_REQUEST_ID: "client_request_id",
}
_SPAN_COLUMNS = {
    Field.SPAN_NAME: "name",
    Field.SPAN_TYPE: "span_type",
    Field.SPAN_STATUS: "status",
}
# Attributes that have a column of their own.
_SPAN_INPUTS_AND_OUTPUTS = {"mlflow.spanInputs": "inputs", "mlflow.spanOutputs": "outputs"}
_NOTHING = Q(pk__in=[])


def narrowed(
    traces: TraceQuerySet, experiments: Sequence[int], clauses: Sequence[Clause], user: User
) -> TraceQuerySet:
    """The traces of the experiments, given by pk, that meet all clauses, as far as the user may know that they do.

    Raises:
        FilterError: when a piece of metadata is asked for that cannot be searched by.
    """
    said: AssessmentQuerySet | None = None
    is_listed = False
    for clause in clauses:
        rows: QuerySet[Any] | None = None
        match clause.field:
            case Field.STATUS | Field.REQUEST_ID | Field.CLIENT_REQUEST_ID:
                traces = traces.filter(_condition(_COLUMNS[clause.field], clause))
            case Field.TIMESTAMP:
                traces = traces.filter(_at_time(clause))
            case Field.EXECUTION_TIME:
                traces = traces.filter(_as_number("duration_ms", clause))
            case Field.END_TIME:
                end = EndMilliseconds(F("requested_at"), F("duration_ms"))
                traces = traces.alias(end_ms=end).filter(_as_number("end_ms", clause))
            case Field.RUN_ID:
                traces = _of_run(traces, clause)
            case Field.NAME | Field.TAG | Field.METADATA:
                rows = _facts(clause)
            case Field.FEEDBACK | Field.EXPECTATION:
                said = _said_in_force(user) if said is None else said
                rows = _said(said, clause)
            case _:
                traces = _with_span(traces, clause)
        if rows is not None and clause.op is Op.IS_NULL:
            traces = traces.filter(~Exists(rows.filter(trace=OuterRef("pk"))))
        elif rows is not None and (few := _few(rows)) is not None:
            traces, is_listed = traces.filter(pk__in=few), True
        elif rows is not None:
            traces = among(traces, rows)
    if is_listed:
        # With the experiment in sight SQLite would walk all of it instead of looking up the few.
        hidden = F("experiment_id") + 0
        return traces.alias(hidden_experiment=hidden).filter(hidden_experiment__in=experiments)
    # One experiment is asked for by `=`, which lets both databases walk its index in the order of the list.
    if len(experiments) == 1:
        return traces.filter(experiment=experiments[0])
    return traces.filter(experiment__in=experiments)


def _few(rows: QuerySet[Any]) -> list[int] | None:
    """On SQLite, the traces that the rows are about, if they are few; PostgreSQL's planner finds out by itself."""
    if connection.vendor == "postgresql":
        return None
    found = list(rows.values_list("trace", flat=True)[: _FEW + 1])
    return found if len(found) <= _FEW else None


def moment_of(milliseconds: int) -> datetime:
    """The time of a number of milliseconds since 1970, kept within what databases know."""
    return EPOCH + timedelta(milliseconds=min(max(milliseconds, 0), _LATEST_MS))


def _condition(column: str, clause: Clause) -> Q:
    if clause.op is Op.NE:
        return ~Q(**{column: clause.value})
    if clause.op is Op.NOT_IN:
        return ~Q(**{f"{column}__in": clause.value})
    return Q(**{f"{column}{_LOOKUPS[clause.op]}": clause.value})


def _whole_bounds(clause: Clause) -> tuple[Op, int] | None:
    """The comparison of a whole number that means the same; None when nothing can meet it."""
    value = clause.value
    if not isinstance(value, (int, float)) or math.isnan(value):
        return None  # a quoted value is no error, and no number equals it
    if math.isinf(value):
        value = math.copysign(_LARGEST, value)
    low = math.floor(value)
    op = clause.op
    if low != value:
        if op is Op.EQ:
            return None
        op = {Op.LT: Op.LE, Op.GE: Op.GT}.get(op, op)
        if op is Op.NE:
            return Op.GE, -_LARGEST
    return op, min(max(low, -_LARGEST), _LARGEST)


def _as_number(column: str, clause: Clause) -> Q:
    bounds = _whole_bounds(clause)
    if bounds is None:
        return _NOTHING
    op, number = bounds
    if op is Op.NE:
        return ~Q(**{column: number}) & Q(**{f"{column}__isnull": False})
    return Q(**{f"{column}{_LOOKUPS[op]}": number})


def _at_time(clause: Clause) -> Q:
    bounds = _whole_bounds(clause)
    if bounds is None:
        return _NOTHING
    op, number = bounds
    # Times are kept to the microsecond and asked for to the millisecond.
    start, after = moment_of(number), moment_of(number + 1)
    if not 0 <= number < _LATEST_MS:
        is_met = op is Op.NE or (op in (Op.GT, Op.GE)) == (number < 0)
        return Q() if is_met and op is not Op.EQ else _NOTHING
    within = Q(requested_at__gte=start, requested_at__lt=after)
    conditions = {
        Op.EQ: within,
        Op.NE: ~within,
        Op.LT: Q(requested_at__lt=start),
        Op.LE: Q(requested_at__lt=after),
        Op.GT: Q(requested_at__gte=after),
        Op.GE: Q(requested_at__gte=start),
    }
    return conditions[op]


def _facts(clause: Clause) -> QuerySet[TraceFact]:
    """The tags or pieces of metadata that meet the clause; all of this key when it asks whether there is one."""
    is_tag = clause.field is not Field.METADATA
    if not is_tag and clause.key in UNINDEXED_METADATA:
        raise FilterError(
            f"Traces cannot be searched by “{clause.key}”; use trace.text LIKE '%…%'."
        )
    kind = TraceFact.Kind.TAG if is_tag else TraceFact.Kind.METADATA
    key = NAME_TAG if clause.field is Field.NAME else clause.key
    return _fact_rows(TraceFact.objects.filter(kind=kind, key=key), clause)


def _fact_rows(facts: QuerySet[TraceFact], clause: Clause) -> QuerySet[TraceFact]:
    value = clause.value
    if clause.op in (Op.IS_NULL, Op.IS_NOT_NULL):
        return facts
    if clause.op is Op.EQ and isinstance(value, str):
        facts = facts.filter(value_start=value[: TraceFact.VALUE_START])
        return facts.filter(value=value) if len(value) >= TraceFact.VALUE_START else facts
    if clause.op is Op.IN and isinstance(value, tuple):
        return facts.filter(
            value_start__in=[text[: TraceFact.VALUE_START] for text in value], value__in=value
        )
    return facts.filter(_condition("value", clause))


def _of_run(traces: TraceQuerySet, clause: Clause) -> TraceQuerySet:
    facts = TraceFact.objects.filter(kind=TraceFact.Kind.METADATA, key=RUN_KEY)
    links = ProgramRun.traces.through.objects.all()
    if clause.op in (Op.IS_NULL, Op.IS_NOT_NULL):
        has_run = Exists(facts.filter(trace=OuterRef("pk"))) | Exists(
            links.filter(trace=OuterRef("pk"))
        )
        return traces.filter(has_run if clause.op is Op.IS_NOT_NULL else ~has_run)
    by_fact = _fact_rows(facts, clause).values("trace")
    by_link = links.filter(_condition("programrun__run_id", clause)).values("trace")
    return traces.filter(pk__in=by_fact.union(by_link))


def _said_in_force(user: User) -> AssessmentQuerySet:
    """Assessments in force of which the user may know."""
    hidden = hidden_from(user)
    rows = (
        Assessment.objects.all()
        if sees_everything(user, hidden)
        else visible_assessments(user, hidden=hidden)
    )
    # Read once as a list: hardly any assessment overrides another, so an index on it tells SQLite's planner nothing, and
    # asked at each row this took seconds among 50,000 traces.
    replaced = Assessment.objects.valid().filter(overrides__isnull=False).values("overrides")
    return rows.valid().exclude(pk__in=replaced)


def _said(said: AssessmentQuerySet, clause: Clause) -> AssessmentQuerySet:
    """The assessments that meet the clause; all of this name when it asks whether there is one."""
    kind = Kind.FEEDBACK if clause.field is Field.FEEDBACK else Kind.EXPECTATION
    rows = said.filter(name=clause.key, kind=kind)
    return rows if clause.op in (Op.IS_NULL, Op.IS_NOT_NULL) else _of_value(rows, kind, clause)


def _of_value(rows: AssessmentQuerySet, kind: str, clause: Clause) -> AssessmentQuerySet:
    if isinstance(clause.value, (int, float)):
        number = min(max(float(clause.value), -_LARGEST_FLOAT), _LARGEST_FLOAT)
        return rows.alias(number=JsonNumber(F("value"))).filter(
            **{f"number{_LOOKUPS[clause.op]}": number}
        )
    text = str(clause.value)
    if clause.op not in (Op.EQ, Op.NE):
        is_it = (
            _condition("value_key", clause)
            if kind == Kind.FEEDBACK
            else _json_text("value", clause)
        )
        return rows.filter(is_it)
    if kind == Kind.EXPECTATION:
        is_it = Q(value__in=[text, *_json_values(text)])
    elif len(text) < _KEY_LENGTH:
        is_it = Q(value_key__in={text, _number_key(text)})
    else:
        is_it = Q(value_key=text[:_KEY_LENGTH], value=text)
    return rows.filter(is_it if clause.op is Op.EQ else ~is_it)


def _number_key(text: str) -> str:
    """The key of the number that a text stands for, because 3 and 3.0 are the same; the text when it is none."""
    if not re.fullmatch(r"-?\d{1,15}(\.\d{1,15})?", text, re.ASCII):
        return text[:_KEY_LENGTH]
    return value_key(float(text))


def _json_values(text: str) -> list[Any]:
    """What a text stands for when it is the JSON of a number, true or false."""
    if text in ("true", "false"):
        return [text == "true"]
    key = _number_key(text)
    return [float(text), int(float(text))] if key != text or text.lstrip("-").isdigit() else []


def _with_span(traces: TraceQuerySet, clause: Clause) -> TraceQuerySet:
    spans = Span.objects.filter(trace=OuterRef("pk"))
    if clause.field in _SPAN_COLUMNS:
        condition = _condition(_SPAN_COLUMNS[clause.field], clause)
    elif clause.field is Field.SPAN_ATTRIBUTE:
        condition = _of_attribute(clause)
    else:
        condition = Q()
        for column in ("name", "inputs", "outputs", "attributes"):
            condition |= _json_text(column, clause)
    return traces.filter(Exists(spans.filter(condition)))


def _of_attribute(clause: Clause) -> Q:
    column = _SPAN_INPUTS_AND_OUTPUTS.get(clause.key)
    if column:
        return _json_text(column, clause)
    if clause.key == "mlflow.spanType":
        return _condition("span_type", clause)
    # The value after its key in the JSON text: that of the attribute, or of a field of this name within one.
    letter, text = r'(?:[^"\\]|\\.)', str(clause.value)
    if clause.op is Op.RLIKE:
        value = f'"{letter}*(?:{text}){letter}*"'
    else:
        pattern = regex_of(_escaped(text), anything=f"{letter}*", one=letter)
        value = f'"?{pattern}"?[,}}\\]]'
    flag = "(?i)" if clause.op is Op.ILIKE else ""
    return Q(attributes__rlike_pattern=f"{flag}{re.escape(json.dumps(clause.key))}:{value}")


def _json_text(column: str, clause: Clause) -> Q:
    """A pattern in a column of JSON text: as it is, or as JSON writes its letters."""
    pattern = str(clause.value)
    lookup = _LOOKUPS[clause.op]
    found = Q(**{f"{column}{lookup}": pattern})
    if clause.op is not Op.RLIKE:
        found |= Q(**{f"{column}{lookup}": _escaped(pattern)})
        found |= Q(**{f"{column}{lookup}": f'"{_escaped(pattern)}"'})
    return found


def _escaped(text: str) -> str:
    return json.dumps(text)[1:-1]
