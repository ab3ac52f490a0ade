"""MLflow's `filter_string` and `order_by` for traces, read into clauses. Pure: knows no database.

filter := clause (AND clause)*
clause := key op value | key [NOT] IN ('a', 'b') | key IS [NOT] NULL
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

from annotator.filters.tokens import (
    FilterError,
    Op,
    Reader,
    number_of,
    read_operator,
    read_parts,
    read_texts,
    unquoted,
)

LONGEST_PATTERN = 500
MOST_CLAUSES = 40


class Field(StrEnum):
    """What can be asked about."""

    STATUS = "status"
    REQUEST_ID = "request_id"
    CLIENT_REQUEST_ID = "client_request_id"
    NAME = "name"
    RUN_ID = "run_id"
    TIMESTAMP = "timestamp_ms"
    EXECUTION_TIME = "execution_time_ms"
    END_TIME = "end_time_ms"
    TAG = "tags"
    METADATA = "metadata"
    FEEDBACK = "feedback"
    EXPECTATION = "expectation"
    SPAN_NAME = "span.name"
    SPAN_TYPE = "span.type"
    SPAN_STATUS = "span.status"
    SPAN_ATTRIBUTE = "span.attributes"
    SPAN_CONTENT = "span.content"


@dataclass(frozen=True, kw_only=True)
class Clause:
    """One condition; a trace must meet all.

    Attributes:
        field: What it is about.
        key: The tag, piece of metadata, assessment or attribute; empty for the other fields.
        op: How it is compared.
        value: A text, a number, several texts for IN, or None for IS NULL.
    """

    field: Field
    key: str = ""
    op: Op
    value: str | float | tuple[str, ...] | None = None


@dataclass(frozen=True, kw_only=True)
class Order:
    """One column of an order."""

    field: Field | None  # None is the experiment
    is_descending: bool


_COMPARED = frozenset({Op.EQ, Op.NE, Op.LT, Op.LE, Op.GT, Op.GE})
_PATTERNS = frozenset({Op.LIKE, Op.ILIKE, Op.RLIKE})
_NULLS = frozenset({Op.IS_NULL, Op.IS_NOT_NULL})
_PLAIN = frozenset({Op.EQ, Op.NE, Op.IN, Op.NOT_IN}) | _PATTERNS
_KEYED = frozenset({Op.EQ, Op.NE}) | _PATTERNS | _NULLS
_ASSESSED = _COMPARED | _PATTERNS | _NULLS

NUMERIC = frozenset({Field.TIMESTAMP, Field.EXECUTION_TIME, Field.END_TIME})
_OPS: dict[Field, frozenset[Op]] = {
    Field.STATUS: _PLAIN,
    Field.REQUEST_ID: _PLAIN,
    Field.CLIENT_REQUEST_ID: _PLAIN,
    Field.NAME: _KEYED,
    Field.RUN_ID: _PLAIN | _NULLS,
    **dict.fromkeys(NUMERIC, _COMPARED),
    Field.TAG: _KEYED,
    Field.METADATA: _KEYED,
    Field.FEEDBACK: _ASSESSED,
    Field.EXPECTATION: _ASSESSED,
    Field.SPAN_NAME: _PLAIN,
    Field.SPAN_TYPE: _PLAIN,
    Field.SPAN_STATUS: _PLAIN,
    Field.SPAN_ATTRIBUTE: _PATTERNS,
    Field.SPAN_CONTENT: frozenset({Op.LIKE, Op.ILIKE}),
}
_ALONE: dict[str, Field] = {
    "status": Field.STATUS,
    "request_id": Field.REQUEST_ID,
    "client_request_id": Field.CLIENT_REQUEST_ID,
    "name": Field.NAME,
    "run_id": Field.RUN_ID,
    "timestamp_ms": Field.TIMESTAMP,
    "timestamp": Field.TIMESTAMP,
    "execution_time_ms": Field.EXECUTION_TIME,
    "execution_time": Field.EXECUTION_TIME,
    "end_time_ms": Field.END_TIME,
    "end_time": Field.END_TIME,
}
_PREFIXED: dict[str, Field] = {
    "tags": Field.TAG,
    "tag": Field.TAG,
    "metadata": Field.METADATA,
    "request_metadata": Field.METADATA,
    "feedback": Field.FEEDBACK,
    "expectation": Field.EXPECTATION,
}
_OF_SPANS: dict[str, Field] = {
    "name": Field.SPAN_NAME,
    "type": Field.SPAN_TYPE,
    "status": Field.SPAN_STATUS,
    "content": Field.SPAN_CONTENT,
}
_SORTED: dict[str, Field | None] = {
    **{name: field for name, field in _ALONE.items() if field not in (Field.CLIENT_REQUEST_ID,)},
    "experiment_id": None,
}
_OF_THE_TRACE = ("trace", "attribute", "attributes")


def parse_filter(text: str) -> list[Clause]:
    """The clauses of a filter; none when it is empty.

    Raises:
        FilterError: when it is not of the grammar, or a key is not compared so.
    """
    reader = Reader(text)
    clauses: list[Clause] = []
    while not reader.is_at_end:
        if clauses:
            reader.expect_word("AND")
        clauses.append(_clause(reader))
    if len(clauses) > MOST_CLAUSES:
        raise FilterError(f"The filter has more than {MOST_CLAUSES} conditions.")
    return clauses


def parse_order(texts: Sequence[str]) -> list[Order]:
    """The columns of an order, such as `timestamp_ms DESC`; ascending when it does not say.

    Raises:
        FilterError: when one cannot be sorted by.
    """
    orders = []
    for text in texts:
        name, _, direction = text.strip().partition(" ")
        prefix, dot, rest = name.replace("`", "").partition(".")
        key = rest if dot and prefix in _OF_THE_TRACE else name.replace("`", "")
        if key not in _SORTED or direction.strip().upper() not in ("", "ASC", "DESC"):
            raise FilterError(
                f"Invalid order_by “{text[:100]}”: give one of {', '.join(sorted(_SORTED))}, with ASC or DESC."
            )
        orders.append(Order(field=_SORTED[key], is_descending=direction.strip().upper() == "DESC"))
    return orders


def _clause(reader: Reader) -> Clause:
    field, key, written = _key(reader)
    op = read_operator(reader)
    if op not in _OPS[field]:
        allowed = ", ".join(each.value for each in Op if each in _OPS[field])
        raise FilterError(f"“{written}” cannot be compared with {op.value}; use {allowed}.")
    if op in _NULLS:
        return Clause(field=field, key=key, op=op)
    if op in (Op.IN, Op.NOT_IN):
        return Clause(field=field, key=key, op=op, value=read_texts(reader))
    return Clause(field=field, key=key, op=op, value=_value(reader, field, op, written))


def _key(reader: Reader) -> tuple[Field, str, str]:
    """The field, the key within it, and both as they were written."""
    parts = read_parts(reader)
    written = ".".join(parts)
    head, rest = parts[0], ".".join(parts[1:])
    if len(parts) == 1 and head in _ALONE:
        return _ALONE[head], "", written
    if head in _OF_THE_TRACE and rest in _ALONE:
        return _ALONE[rest], "", written
    if head in _PREFIXED and rest:
        return _PREFIXED[head], rest, written
    if (head == "span" and rest in _OF_SPANS) or written == "trace.text":
        return _OF_SPANS.get(rest, Field.SPAN_CONTENT), "", written
    if head == "span" and parts[1:2] == ["attributes"] and len(parts) > 2:
        return Field.SPAN_ATTRIBUTE, ".".join(parts[2:]), written
    raise FilterError(
        f"“{written[:100]}” is no key that traces can be searched by; there are {', '.join(sorted(_ALONE))}, tags.K, "
        "metadata.K, feedback.NAME, expectation.NAME, span.name, span.type, span.status, span.attributes.K and trace.text."
    )


def _value(reader: Reader, field: Field, op: Op, written: str) -> str | float:
    token = reader.next("a value")
    wants_number = field in (Field.FEEDBACK, Field.EXPECTATION) and op in (
        Op.LT,
        Op.LE,
        Op.GT,
        Op.GE,
    )
    if token.kind == "number":
        if field not in NUMERIC and not wants_number:
            raise FilterError(f"Put the value of “{written} {op.value}” in quotes: '{token.text}'.")
        return number_of(token)
    if token.kind not in ("text", "quoted"):
        raise FilterError(f"Put the value of “{written} {op.value}” in quotes, as in 'this'.")
    if wants_number:
        raise FilterError(f"“{written} {op.value}” compares numbers; leave out the quotes.")
    text = unquoted(token)
    if op in _PATTERNS and len(text) > LONGEST_PATTERN:
        raise FilterError(f"A pattern has at most {LONGEST_PATTERN} characters.")
    if op is Op.RLIKE:
        try:
            re.compile(text)
        except (re.error, RecursionError, OverflowError):
            raise FilterError(f"“{text[:100]}” is no regular expression.") from None
    return text
