"""A column of JSON text, for what traces carry."""

from __future__ import annotations

import json
from functools import lru_cache
from typing import TYPE_CHECKING, Any

from django.db import models

if TYPE_CHECKING:
    TextField = models.TextField[Any, Any]
else:
    TextField = models.TextField  # Django's fields take no parameters at run time

_SHORT = 60


@lru_cache(maxsize=10_000)
def _scalar(text: str) -> Any:
    """A text, number, yes or no that stands in thousands of rows, read once; nobody can change it."""
    return json.loads(text)


class JSONTextField(TextField):
    """JSON kept as ASCII text, so that NUL, lone surrogates and NaN survive on SQLite and PostgreSQL alike.

    A strict JSON column (`jsonb`) refuses all three, and one odd value would lose a whole trace. Nothing ever
    queries inside: what is searched for has a column of its own.
    """

    # What the plugin for type checking goes by: the column holds text, the attribute any JSON.
    _pyi_private_set_type: Any
    _pyi_private_get_type: Any
    _pyi_lookup_exact_type: Any

    def from_db_value(self, value: str | None, *_: object) -> Any:
        if value is None:
            return None
        if len(value) <= _SHORT and value[:1] not in ("{", "["):
            return _scalar(value)
        return json.loads(value)

    def to_python(self, value: Any) -> Any:
        return value

    def get_prep_value(self, value: Any) -> str | None:
        return None if value is None else json.dumps(value, separators=(",", ":"))

    def value_to_string(self, obj: models.Model) -> str:
        return self.get_prep_value(self.value_from_object(obj)) or ""
