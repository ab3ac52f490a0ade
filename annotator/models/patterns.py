"""Comparing by pattern, alike on both databases: `LIKE` tells cases apart, `ILIKE` does not, `RLIKE` finds a regular
expression. In the first two `%` stands for anything and `_` for one character; no character undoes that.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from django.db.models import BigIntegerField, Field, FloatField, Func, Lookup

if TYPE_CHECKING:
    AnyLookup = Lookup[Any]
else:
    AnyLookup = Lookup  # Django's lookups take no parameters at run time

Compiled = tuple[str, tuple[Any, ...]]

_GLOB = str.maketrans({"%": "*", "_": "?", "*": "[*]", "?": "[?]", "[": "[[]"})


class _Pattern(AnyLookup):
    """A lookup whose right side is a text as it is, whatever the column holds."""

    prepare_rhs = False

    def sides(self, compiler: Any, connection: Any) -> Compiled:
        """The SQL of the column, with its parameters."""
        sql, params = self.process_lhs(compiler, connection)
        return sql, tuple(params)


@Field.register_lookup
class LikePattern(_Pattern):
    """`LIKE`."""

    lookup_name = "like_pattern"

    def as_sql(self, compiler: Any, connection: Any) -> Compiled:
        # SQLite's own LIKE takes A for a; GLOB does not.
        sql, params = self.sides(compiler, connection)
        return f"{sql} GLOB %s", (*params, self.rhs.translate(_GLOB))

    def as_postgresql(self, compiler: Any, connection: Any) -> Compiled:
        sql, params = self.sides(compiler, connection)
        return f"{sql} LIKE %s ESCAPE ''", (*params, self.rhs)


@Field.register_lookup
class IlikePattern(_Pattern):
    """`ILIKE`."""

    lookup_name = "ilike_pattern"

    def as_sql(self, compiler: Any, connection: Any) -> Compiled:
        sql, params = self.sides(compiler, connection)
        if self.rhs.isascii():
            return f"{sql} LIKE %s", (*params, self.rhs)
        # SQLite knows the cases of ASCII letters alone.
        return f"{sql} REGEXP %s", (*params, f"(?is)\\A{regex_of(self.rhs)}\\Z")

    def as_postgresql(self, compiler: Any, connection: Any) -> Compiled:
        sql, params = self.sides(compiler, connection)
        return f"{sql} ILIKE %s ESCAPE ''", (*params, self.rhs)


@Field.register_lookup
class RlikePattern(_Pattern):
    """`RLIKE`: the regular expression occurs somewhere."""

    lookup_name = "rlike_pattern"

    def as_sql(self, compiler: Any, connection: Any) -> Compiled:
        sql, params = self.sides(compiler, connection)
        return f"{sql} REGEXP %s", (*params, self.rhs)

    def as_postgresql(self, compiler: Any, connection: Any) -> Compiled:
        sql, params = self.sides(compiler, connection)
        return f"{sql} ~ %s", (*params, self.rhs)


class JsonNumber(Func):
    """The number that a column of JSON text holds; NULL when it holds anything else."""

    output_field = FloatField()
    arity = 1

    def as_sql(self, compiler: Any, connection: Any, *_: Any, **__: Any) -> Compiled:
        sql, params = compiler.compile(self.source_expressions[0])
        is_number = f"({sql} GLOB '[0-9]*' OR {sql} GLOB '-[0-9]*')"
        return f"CASE WHEN {is_number} THEN CAST({sql} AS REAL) END", (*params,) * 3

    def as_postgresql(self, compiler: Any, connection: Any, **_: Any) -> Compiled:
        sql, params = compiler.compile(self.source_expressions[0])
        return f"CASE WHEN {sql} ~ '^-?[0-9]' THEN ({sql})::numeric END", (*params,) * 2


class EndMilliseconds(Func):
    """When something ended that began at a time and took a number of milliseconds: milliseconds since 1970."""

    output_field = BigIntegerField()
    arity = 2

    def as_sql(self, compiler: Any, connection: Any, *_: Any, **__: Any) -> Compiled:
        (start, first), (took, second) = self._compiled(compiler)
        sql = (
            f"(CAST(strftime('%%s', {start}) AS INTEGER) * 1000"
            f" + CAST(substr(strftime('%%f', {start}), 4) AS INTEGER) + {took})"
        )
        return sql, (*first, *first, *second)

    def as_postgresql(self, compiler: Any, connection: Any, **_: Any) -> Compiled:
        (start, first), (took, second) = self._compiled(compiler)
        sql = f"(floor(extract(epoch from {start}) * 1000)::bigint + {took})"
        return sql, (*first, *second)

    def _compiled(self, compiler: Any) -> list[Compiled]:
        return [
            (sql, tuple(params)) for sql, params in map(compiler.compile, self.source_expressions)
        ]


def regex_of(pattern: str, *, anything: str = ".*", one: str = ".") -> str:
    """The regular expression that a pattern of `LIKE` means."""
    signs = {"%": anything, "_": one}
    return "".join(signs.get(letter) or re.escape(letter) for letter in pattern)
