"""The grammar of `filter_string` and `order_by`, in a table."""

from __future__ import annotations

from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from annotator.filters.text import (
    Clause,
    Field,
    Order,
    parse_filter,
    parse_order,
)
from annotator.filters.tokens import FilterError, Op

UNDERSTOOD = [
    ("status = 'OK'", Field.STATUS, "", Op.EQ, "OK"),
    ("status='OK'", Field.STATUS, "", Op.EQ, "OK"),
    ('  trace.status   !=   "ERROR" ', Field.STATUS, "", Op.NE, "ERROR"),
    ("attribute.status IN ('OK', 'ERROR')", Field.STATUS, "", Op.IN, ("OK", "ERROR")),
    ("attributes.status not in ('OK')", Field.STATUS, "", Op.NOT_IN, ("OK",)),
    ("request_id = 'tr-1'", Field.REQUEST_ID, "", Op.EQ, "tr-1"),
    ("client_request_id RLIKE '^r'", Field.CLIENT_REQUEST_ID, "", Op.RLIKE, "^r"),
    ("name ilike 'ro%'", Field.NAME, "", Op.ILIKE, "ro%"),
    ("name IS NULL", Field.NAME, "", Op.IS_NULL, None),
    ("attribute.run_id = 'r'", Field.RUN_ID, "", Op.EQ, "r"),
    ("timestamp_ms > 12", Field.TIMESTAMP, "", Op.GT, 12),
    ("timestamp<=-1.5e3", Field.TIMESTAMP, "", Op.LE, -1500.0),
    ("execution_time >= 5", Field.EXECUTION_TIME, "", Op.GE, 5),
    ("end_time_ms < 7", Field.END_TIME, "", Op.LT, 7),
    ("timestamp_ms = '12'", Field.TIMESTAMP, "", Op.EQ, "12"),
    ("tags.x = 'a'", Field.TAG, "x", Op.EQ, "a"),
    ("tag.x.y.z LIKE '%a_'", Field.TAG, "x.y.z", Op.LIKE, "%a_"),
    ("tags.`a b.c` = 'it''s'", Field.TAG, "a b.c", Op.EQ, "it's"),
    ('tags."a.b" IS NOT NULL', Field.TAG, "a.b", Op.IS_NOT_NULL, None),
    ("tags.2024 = 'x'", Field.TAG, "2024", Op.EQ, "x"),
    ("metadata.`mlflow.trace.session` = 's'", Field.METADATA, "mlflow.trace.session", Op.EQ, "s"),
    ("request_metadata.mlflow.modelId = 'm'", Field.METADATA, "mlflow.modelId", Op.EQ, "m"),
    ("feedback.ok = 'true'", Field.FEEDBACK, "ok", Op.EQ, "true"),
    ("feedback.score > 3", Field.FEEDBACK, "score", Op.GT, 3),
    ("feedback.score IS NOT NULL", Field.FEEDBACK, "score", Op.IS_NOT_NULL, None),
    ("feedback.`in` = 'x'", Field.FEEDBACK, "in", Op.EQ, "x"),
    ("expectation.answer LIKE '4%'", Field.EXPECTATION, "answer", Op.LIKE, "4%"),
    ("span.name = 'child'", Field.SPAN_NAME, "", Op.EQ, "child"),
    ("span.type IN ('LLM')", Field.SPAN_TYPE, "", Op.IN, ("LLM",)),
    ("span.status = 'ERROR'", Field.SPAN_STATUS, "", Op.EQ, "ERROR"),
    ("span.attributes.model LIKE '%gpt%'", Field.SPAN_ATTRIBUTE, "model", Op.LIKE, "%gpt%"),
    ("span.content ILIKE '%x%'", Field.SPAN_CONTENT, "", Op.ILIKE, "%x%"),
    ("trace.text LIKE '%x%'", Field.SPAN_CONTENT, "", Op.LIKE, "%x%"),
]


@pytest.mark.parametrize(("text", "field", "key", "op", "value"), UNDERSTOOD)
def test_a_condition_is_understood(text, field, key, op, value):
    assert parse_filter(text) == [Clause(field=field, key=key, op=op, value=value)]


@pytest.mark.parametrize("text", ["", "  ", "\n\t"])
def test_an_empty_filter_asks_for_nothing(text):
    assert parse_filter(text) == []


def test_conditions_are_joined_by_and_in_any_case():
    clauses = parse_filter("status = 'OK' AND tags.a = 'AND' and feedback.b IS NULL")
    assert [clause.key for clause in clauses] == ["", "a", "b"]


REFUSED = [
    "status",
    "status =",
    "status = OK",
    "status = 5",
    "status IS NULL",
    "status > 'OK'",
    "trace_id = 'x'",
    "unknown = 'x'",
    "tags = 'x'",
    "tags. = 'x'",
    "spans.name = 'x'",
    "span.depth = 'x'",
    "tags.x IN ('a')",
    "tags.x > 5",
    "tags.x = 5",
    "timestamp_ms LIKE '1%'",
    "timestamp_ms = abc",
    "feedback.x = 5",
    "feedback.x > '5'",
    "feedback.x IN ('a')",
    "span.attributes.x = 'a'",
    "trace.text = 'a'",
    "name NOT LIKE 'x'",
    "status = 'OK' OR status = 'ERROR'",
    "NOT status = 'OK'",
    "(status = 'OK')",
    "status = 'OK';",
    "status = 'OK' status = 'OK'",
    "status = 'OK' AND",
    "AND status = 'OK'",
    "status = 'OK",
    "status IN ()",
    "status IN ('OK'",
    "status IN 'OK'",
    "status IN ('OK' 'ERROR')",
    "status IN (5)",
    "status == 'OK'",
    "name RLIKE '('",
    "name LIKE '" + "%" * 501 + "'",
    "'status' = 'OK'",
    "5 = 5",
    "status = 'a\0'",
    "name = 'x' AND " * 50 + "name = 'x'",
    "x" * 10_001,
]


@pytest.mark.parametrize("text", REFUSED)
def test_anything_else_is_refused_with_a_sentence(text):
    with pytest.raises(FilterError, match=r"\w+ .*\w"):
        parse_filter(text)


@given(st.text(alphabet=" '\"`=<>!.(),;%_-+0123456789eEANDORINLKtagsfeedback.xé\0", max_size=60))
def test_no_text_breaks_the_reader(text):
    with suppress(FilterError):
        parse_filter(text)


def test_an_order_is_understood():
    assert parse_order(["timestamp_ms DESC", "attribute.name", "experiment_id asc"]) == [
        Order(field=Field.TIMESTAMP, is_descending=True),
        Order(field=Field.NAME, is_descending=False),
        Order(field=None, is_descending=False),
    ]


@pytest.mark.parametrize("text", ["", "tags.x", "timestamp_ms DOWN", "client_request_id", "-name"])
def test_another_order_is_refused(text):
    with pytest.raises(FilterError, match="Invalid order_by"):
        parse_order([text])
