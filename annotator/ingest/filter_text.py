"""MLflow's `filter_string` and `order_by` for traces, read into clauses. Pure: knows no database.

filter := clause (AND clause)*
clause := key op value | key [NOT] IN ('a', 'b') | key IS [NOT] NULL
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from enum import StrEnum

LONGEST_FILTER = 10_000
LONGEST_PATTERN = 500
MOST_CLAUSES = 40
MOST_VALUES = 500


class FilterError(ValueError):
    """The filter or order cannot be understood; the message says where and what is allowed."""


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


class Op(StrEnum):
    """How it is compared."""

    EQ = "="
    NE = "!="
    LT = "<"
    LE = "<="
    GT = ">"
    GE = ">="
    LIKE = "LIKE"
    ILIKE = "ILIKE"
    RLIKE = "RLIKE"
    IN = "IN"
    NOT_IN = "NOT IN"
    IS_NULL = "IS NULL"
    IS_NOT_NULL = "IS NOT NULL"


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

_TOKEN = re.compile(
    r"""\s*(?:
        (?P<number>[+-]?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?(?![\w.]))
      | (?P<text>'(?:[^']|'')*')
      | (?P<quoted>"[^"]*")
      | (?P<word>[A-Za-z_](?:[\w\-/:@$]|\.(?=[\w\-/:@$]))*)
      | (?P<op><=|>=|!=|=|<|>)
      | (?P<mark>[(),.])
      | (?P<ticks>`[^`]*`)
    )""",
    re.VERBOSE | re.ASCII,
)


@dataclass(frozen=True, kw_only=True)
class _Token:
    kind: str
    text: str

    def is_word(self, *words: str) -> bool:
        return self.kind == "word" and self.text.upper() in words


def parse_filter(text: str) -> list[Clause]:
    """The clauses of a filter; none when it is empty.

    Raises:
        FilterError: when it is not of the grammar, or a key is not compared so.
    """
    if len(text) > LONGEST_FILTER:
        raise FilterError(f"The filter is longer than {LONGEST_FILTER:,} characters.")
    reader = _Reader(text)
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


def _clause(reader: _Reader) -> Clause:
    field, key, written = _key(reader)
    op = _operator(reader)
    if op not in _OPS[field]:
        allowed = ", ".join(each.value for each in Op if each in _OPS[field])
        raise FilterError(f"“{written}” cannot be compared with {op.value}; use {allowed}.")
    if op in _NULLS:
        return Clause(field=field, key=key, op=op)
    if op in (Op.IN, Op.NOT_IN):
        return Clause(field=field, key=key, op=op, value=_texts(reader))
    return Clause(field=field, key=key, op=op, value=_value(reader, field, op, written))


def _key(reader: _Reader) -> tuple[Field, str, str]:
    """The field, the key within it, and both as they were written."""
    first = reader.next("a key such as status or tags.name")
    if first.kind not in ("word", "ticks"):
        raise FilterError(f"Expected a key such as status or tags.name, not “{first.text[:60]}”.")
    parts = [first.text.strip("`")] if first.kind == "ticks" else first.text.split(".")
    while reader.skip_mark("."):
        more = reader.next("the rest of a key")
        if more.kind not in ("word", "ticks", "quoted", "number"):
            raise FilterError(f"Expected the rest of a key, not “{more.text[:60]}”.")
        parts.append(more.text.strip('`"') if more.kind != "word" else more.text)
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


def _operator(reader: _Reader) -> Op:
    token = reader.next("a comparison such as =")
    if token.kind == "op":
        return Op(token.text)
    if token.is_word("LIKE", "ILIKE", "RLIKE", "IN"):
        return Op(token.text.upper())
    if token.is_word("NOT"):
        reader.expect_word("IN")
        return Op.NOT_IN
    if token.is_word("IS"):
        is_not = reader.skip_word("NOT")
        reader.expect_word("NULL")
        return Op.IS_NOT_NULL if is_not else Op.IS_NULL
    raise FilterError(f"Expected a comparison such as =, not “{token.text[:60]}”.")


def _value(reader: _Reader, field: Field, op: Op, written: str) -> str | float:
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
        is_whole = len(token.text) <= 20 and not re.search(r"[.eE]", token.text)
        return int(token.text) if is_whole else float(token.text)
    if token.kind not in ("text", "quoted"):
        raise FilterError(f"Put the value of “{written} {op.value}” in quotes, as in 'this'.")
    if wants_number:
        raise FilterError(f"“{written} {op.value}” compares numbers; leave out the quotes.")
    text = _unquoted(token)
    if op in _PATTERNS and len(text) > LONGEST_PATTERN:
        raise FilterError(f"A pattern has at most {LONGEST_PATTERN} characters.")
    if op is Op.RLIKE:
        try:
            re.compile(text)
        except (re.error, RecursionError, OverflowError):
            raise FilterError(f"“{text[:100]}” is no regular expression.") from None
    return text


def _texts(reader: _Reader) -> tuple[str, ...]:
    if not reader.skip_mark("("):
        raise FilterError("IN wants a list in parentheses, such as ('OK', 'ERROR').")
    found: list[str] = []
    while True:
        token = reader.next("a value in quotes")
        if token.kind not in ("text", "quoted"):
            raise FilterError("IN wants values in quotes, such as ('OK', 'ERROR').")
        found.append(_unquoted(token))
        if reader.skip_mark(")"):
            break
        if not reader.skip_mark(","):
            raise FilterError("IN wants commas between its values and a parenthesis at the end.")
    if len(found) > MOST_VALUES:
        raise FilterError(f"IN takes at most {MOST_VALUES} values.")
    return tuple(found)


def _unquoted(token: _Token) -> str:
    inner = token.text[1:-1]
    return inner.replace("''", "'") if token.kind == "text" else inner


class _Reader:
    """The tokens of a filter, one after the other."""

    def __init__(self, text: str) -> None:
        if re.search(r"[\x00\ud800-\udfff]", text):
            raise FilterError("The filter holds a NUL or half a character; take that out.")
        self._tokens = list(_tokens(text))
        self._position = 0

    @property
    def is_at_end(self) -> bool:
        """Whether all were read."""
        return self._position == len(self._tokens)

    def next(self, expected: str) -> _Token:
        """The next one, which must be there."""
        if self.is_at_end:
            raise FilterError(f"The filter ends where {expected} should be.")
        self._position += 1
        return self._tokens[self._position - 1]

    def skip_mark(self, mark: str) -> bool:
        """Pass over this mark; False when something else is next."""
        return self._skip(lambda token: token.kind == "mark" and token.text == mark)

    def skip_word(self, word: str) -> bool:
        """Pass over this word; False when something else is next."""
        return self._skip(lambda token: token.is_word(word))

    def expect_word(self, word: str) -> None:
        """Pass over this word, which must be there."""
        if not self.skip_word(word):
            found = "the end" if self.is_at_end else f"“{self._tokens[self._position].text[:60]}”"
            raise FilterError(
                f"Expected {word}, not {found}. Conditions are joined by AND; there is no OR, no NOT and no parentheses."
            )

    def _skip(self, is_it: Callable[[_Token], bool]) -> bool:
        if not self.is_at_end and is_it(self._tokens[self._position]):
            self._position += 1
            return True
        return False


def _tokens(text: str) -> Iterator[_Token]:
    position, end = 0, len(text.rstrip())
    while position < end:
        found = _TOKEN.match(text, position)
        if found is None or not found.lastgroup:
            rest = text[position:].lstrip()
            raise FilterError(f"The filter cannot be understood from “{rest[:60]}” on.")
        yield _Token(kind=found.lastgroup, text=found[found.lastgroup])
        position = found.end()
