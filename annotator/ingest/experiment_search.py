"""`search_experiments`: what a filter lets through, page by page."""

from __future__ import annotations

import re
from datetime import timedelta
from typing import Any

from django.core import signing
from django.db.models import Exists, OuterRef, Q

from annotator.filters.sql import EPOCH
from annotator.filters.tokens import (
    FilterError,
    Op,
    Reader,
    read_operator,
    read_parts,
    unquoted,
)
from annotator.filters.tokens import number_of as number_in
from annotator.ingest.door import MachineRequest, needs
from annotator.ingest.errors import InvalidRequestError
from annotator.ingest.experiment_rules import DEFAULT_ID, number_of
from annotator.ingest.experiments import encode
from annotator.ingest.message import Message
from annotator.models import Experiment, ExperimentTag, Scope
from annotator.models.traces import ExperimentQuerySet
from annotator.services.experiments import default_experiment

MOST_RESULTS = 50_000
DEFAULT_RESULTS = 1000
MOST_CLAUSES = 40

_SALT = "experiments/search"
_LATEST_MS = 253_402_300_799_000
_TIMES = {"creation_time": "created_at", "last_update_time": "updated_at"}
_COLUMNS = {"name": "name", "experiment_id": "pk", **_TIMES}
_PREFIXES = ("attribute", "attributes", "attr", "experiment")
_TEXT_OPS = (Op.EQ, Op.NE, Op.LIKE, Op.ILIKE)
_LOOKUPS = {
    Op.EQ: "",
    Op.LT: "__lt",
    Op.LE: "__lte",
    Op.GT: "__gt",
    Op.GE: "__gte",
    Op.LIKE: "__like_pattern",
    Op.ILIKE: "__ilike_pattern",
}


@needs(Scope.READ)
def search(request: MachineRequest) -> dict[str, Any]:
    """A page of the team's experiments, the newest first unless it is asked for otherwise."""
    body = Message.from_body(request)
    limit = body.integer("max_results", default=DEFAULT_RESULTS, least=1, most=MOST_RESULTS)
    text = body.text("filter", longest=10_000, default="")
    order = body.texts("order_by", most=10)
    view = body.data.get("view_type") or "ACTIVE_ONLY"
    default_experiment(team=request.caller.team)
    found = Experiment.objects.filter(team=request.caller.team).prefetch_related("tags")
    match view:
        case "ACTIVE_ONLY" | 1:
            found = found.filter(deleted_at=None)
        case "DELETED_ONLY" | 2:
            found = found.exclude(deleted_at=None)
        case "ALL" | 3:
            pass
        case _:
            raise body.wrong("view_type", "it must be ACTIVE_ONLY, DELETED_ONLY or ALL.")
    try:
        found = _narrowed(found, text).order_by(*_columns(order))
    except FilterError as error:
        raise InvalidRequestError(f"Invalid filter: {error}") from None
    about = [view, text, order]
    start = _start(body.text("page_token", longest=40_000, default=""), about)
    rows = list(found[start : start + limit + 1])
    answer: dict[str, Any] = {"experiments": [encode(row) for row in rows[:limit]]}
    if len(rows) > limit:
        answer["next_page_token"] = signing.dumps([about, start + limit], salt=_SALT, compress=True)
    return answer


def _start(token: str, about: Any) -> int:
    if not token:
        return 0
    try:
        was_about, start = signing.loads(token, salt=_SALT)
    except signing.BadSignature:
        was_about, start = None, 0
    if was_about != about:
        raise InvalidRequestError(
            "Invalid value for parameter 'page_token': it is damaged or belongs to another search."
        )
    return int(start)


def _columns(texts: list[str]) -> list[str]:
    columns = []
    for text in texts:
        found = re.fullmatch(r"\s*(?:(\w+)\.)?`?(\w+)`?(?:\s+(ASC|DESC))?\s*", text, re.I | re.A)
        if found is None or found[2] not in _COLUMNS or found[1] not in (None, *_PREFIXES):
            raise FilterError(
                f"order_by “{text[:100]}” must be one of {', '.join(_COLUMNS)}, with ASC or DESC."
            )
        is_descending = (found[3] or "").upper() == "DESC"
        columns.append(f"-{_COLUMNS[found[2]]}" if is_descending else _COLUMNS[found[2]])
    return [*columns, *([] if columns else ["-created_at"]), "-pk"]


def _narrowed(found: ExperimentQuerySet, text: str) -> ExperimentQuerySet:
    reader = Reader(text)
    for _ in range(MOST_CLAUSES):
        if reader.is_at_end:
            return found
        found = found.filter(_clause(reader))
        if not reader.is_at_end:
            reader.expect_word("AND")
            if reader.is_at_end:
                raise FilterError("The filter ends after AND.")
    raise FilterError(f"The filter has more than {MOST_CLAUSES} conditions.")


def _clause(reader: Reader) -> Q:
    parts = read_parts(reader)
    op = read_operator(reader)
    written = ".".join(parts)
    if len(parts) > 1 and parts[0] in ("tags", "tag"):
        return _of_tag(".".join(parts[1:]), op, reader, written)
    name = parts[-1]
    if len(parts) > 2 or (len(parts) == 2 and parts[0] not in _PREFIXES) or name not in _COLUMNS:
        raise FilterError(
            f"“{written[:100]}” is no key; there are {', '.join(_COLUMNS)} and tags.K."
        )
    if name in _TIMES:
        return _of_time(_TIMES[name], op, reader, written)
    value = _text(reader, written)
    if name == "name":
        return _of_text("name", op, value, written)
    if op not in (Op.EQ, Op.NE):
        raise FilterError("“experiment_id” is compared with = or !=.")
    is_it = Q(is_default=True) if value == DEFAULT_ID else Q(pk=number_of(value))
    return is_it if op is Op.EQ else ~is_it


def _of_tag(key: str, op: Op, reader: Reader, written: str) -> Q:
    tags = ExperimentTag.objects.filter(experiment=OuterRef("pk"), key=key)
    if op is Op.IS_NULL:
        return Q(~Exists(tags))
    if op is Op.IS_NOT_NULL:
        return Q(Exists(tags))
    return Q(Exists(tags.filter(_of_text("value", op, _text(reader, written), written))))


def _of_text(column: str, op: Op, value: str, written: str) -> Q:
    if op not in _TEXT_OPS:
        raise FilterError(f"“{written[:100]}” is compared with =, !=, LIKE or ILIKE.")
    return ~Q(**{column: value}) if op is Op.NE else Q(**{f"{column}{_LOOKUPS[op]}": value})


def _of_time(column: str, op: Op, reader: Reader, written: str) -> Q:
    token = reader.next("a number")
    if token.kind != "number" or op not in (Op.EQ, Op.NE, Op.LT, Op.LE, Op.GT, Op.GE):
        raise FilterError(f"“{written[:100]}” is compared with a number, by =, !=, <, <=, > or >=.")
    number = min(max(number_in(token), 0), _LATEST_MS)
    start = EPOCH + timedelta(milliseconds=int(number))
    after = start + timedelta(milliseconds=1)
    within = Q(**{f"{column}__gte": start, f"{column}__lt": after})
    conditions = {
        Op.EQ: within,
        Op.NE: ~within,
        Op.LT: Q(**{f"{column}__lt": start}),
        Op.LE: Q(**{f"{column}__lt": after}),
        Op.GT: Q(**{f"{column}__gte": after}),
        Op.GE: Q(**{f"{column}__gte": start}),
    }
    return conditions[op]


def _text(reader: Reader, written: str) -> str:
    token = reader.next("a value in quotes")
    if token.kind in ("text", "quoted"):
        return unquoted(token)
    if token.kind == "number" and written.endswith("experiment_id"):
        return token.text
    raise FilterError(f"Put the value of “{written[:100]}” in quotes, as in 'this'.")
