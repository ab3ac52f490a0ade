"""How much a program may send at once, and the error for more."""

from __future__ import annotations

from dataclasses import dataclass


class BeyondLimitError(ValueError):
    """A request is beyond a limit; the message names the limit, its setting and what to do."""


@dataclass(frozen=True, kw_only=True)
class Limits:
    """The limits of one request.

    Attributes:
        spans: Spans in one request.
        depth: Levels of nesting, of a body as of an attribute.
        attribute: Characters of one attribute as JSON; what is longer is cut, with a mark.
    """

    spans: int = 10_000
    depth: int = 100
    attribute: int = 1024 * 1024


def check_depth(data: object, limits: Limits) -> None:
    """Refuse what is nested deeper than anything here can handle.

    Raises:
        BeyondLimitError: which names the setting.
    """
    if is_deeper(data, limits.depth):
        raise too_deep(limits)


def too_deep(limits: Limits) -> BeyondLimitError:
    """The error for data nested too deeply."""
    return BeyondLimitError(
        f"The data is nested deeper than {limits.depth} levels; flatten it, or raise INGEST_DEPTH."
    )


def is_deeper(data: object, levels: int) -> bool:
    """Whether JSON has more than so many levels of lists and objects; without recursion."""
    layer = [data]
    for _ in range(levels + 1):
        inner: list[object] = []
        for value in layer:
            if isinstance(value, dict):
                inner.extend(each for each in value.values() if isinstance(each, (dict, list)))
            elif isinstance(value, list):
                inner.extend(each for each in value if isinstance(each, (dict, list)))
        if not inner:
            return False
        layer = inner
    return True
