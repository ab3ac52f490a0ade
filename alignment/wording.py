"""What a change of the guideline touches: the values that are worded differently now, and no other."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

__all__ = ["Touched", "Wording", "touched_since"]


@dataclass(frozen=True, kw_only=True)
class Wording:
    """What one version of a guideline says of each value.

    Attributes:
        number: The version's number; later versions have higher ones.
        choose_when: By `value_key`, when to choose the value.
        do_not_choose: By `value_key`, when not to.
        example: By `value_key`, an example in words.
        touches_all: Whether its writer said that every earlier answer has to be looked at again.
    """

    number: int
    choose_when: Mapping[str, str] = field(default_factory=dict)
    do_not_choose: Mapping[str, str] = field(default_factory=dict)
    example: Mapping[str, str] = field(default_factory=dict)
    touches_all: bool = False

    def of(self, key: str) -> tuple[str, str, str]:
        """What it says of one value; empty texts where it says nothing."""
        return (
            self.choose_when.get(key, ""),
            self.do_not_choose.get(key, ""),
            self.example.get(key, ""),
        )

    def keys(self) -> set[str]:
        """The values that it says something of."""
        return {*self.choose_when, *self.do_not_choose, *self.example}


@dataclass(frozen=True, kw_only=True)
class Touched:
    """The values whose answers have to be looked at again: all of them, or those in `keys`."""

    everything: bool = False
    keys: frozenset[str] = frozenset()

    def touches(self, key: str) -> bool:
        """Whether an answer with this value is touched; an empty key is “cannot judge”."""
        return self.everything or key in self.keys


def touched_since(versions: Iterable[Wording]) -> dict[int, Touched]:
    """By the number under which an answer was given, what the newest version has changed for it.

    Number 0 stands for answers given before there was a guideline. A wording that was changed and later put back
    touches nothing, because it is compared with the newest one and not step by step.
    """
    ordered = sorted(versions, key=lambda version: version.number)
    if not ordered:
        return {}
    newest = ordered[-1]
    touched: dict[int, Touched] = {}
    for version in (Wording(number=0), *ordered):
        everything = any(each.touches_all for each in ordered if each.number > version.number)
        keys = version.keys() | newest.keys()
        changed = frozenset(key for key in keys if version.of(key) != newest.of(key))
        touched[version.number] = Touched(everything=everything, keys=changed)
    return touched
