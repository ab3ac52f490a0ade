"""Who answers decidedly otherwise than the colleagues on the same items, and where. No ranking: most people are on no list."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass

from alignment.intervals import Figure, difference, proportion
from judges.values import Value, value_key

__all__ = ["LEAST_SHARED", "Outlier", "outliers"]

# Fewer shared items say nothing about a person.
LEAST_SHARED = 10

_NOTHING_SHARED = "Nobody else answered the same items."


@dataclass(frozen=True, kw_only=True)
class Outlier:
    """One person whose answers differ from the colleagues' more often than chance explains.

    Attributes:
        person: Who.
        agreement: The share of comparisons with colleagues' answers on shared items that agree.
        others: The same among the colleagues, on items that the person answered or not.
        items: The shared items on which the person stands against every colleague.
        pair: What the person says most often in place of what the colleagues say, as `value_key`s, and how often.
    """

    person: str
    agreement: Figure
    others: Figure
    items: tuple[str, ...]
    pair: tuple[str, str, int] | None


def outliers(ratings: Mapping[str, Mapping[str, Value]]) -> list[Outlier]:
    """The people whose agreement lies below that of the others by more than its 95 % interval, by name.

    Args:
        ratings: item -> person -> first answer.
    """
    people = sorted({person for answers in ratings.values() for person in answers})
    return [found for person in people if (found := _looked_at(person, ratings)) is not None]


def _looked_at(person: str, ratings: Mapping[str, Mapping[str, Value]]) -> Outlier | None:
    own_hits = own_total = other_hits = other_total = shared = 0
    alone: list[str] = []
    instead: Counter[tuple[str, str]] = Counter()
    for item, answers in ratings.items():
        keys = {name: value_key(value) for name, value in answers.items()}
        own = keys.pop(person, None)
        theirs = list(keys.values())
        counts = Counter(theirs)
        other_total += len(theirs) * (len(theirs) - 1) // 2
        other_hits += sum(count * (count - 1) // 2 for count in counts.values())
        if own is None or not theirs:
            continue
        shared += 1
        own_total += len(theirs)
        own_hits += counts[own]
        if counts[own] == 0:
            alone.append(item)
        instead.update((own, key) for key in theirs if key != own)
    if shared < LEAST_SHARED:
        return None
    gap = difference((other_hits, other_total), (own_hits, own_total), why=_NOTHING_SHARED)
    if gap.high is None or gap.high >= 0:
        return None
    most = min(instead.items(), key=lambda entry: (-entry[1], entry[0]), default=None)
    return Outlier(
        person=person,
        agreement=proportion(own_hits, own_total, why=_NOTHING_SHARED),
        others=proportion(other_hits, other_total, why=_NOTHING_SHARED),
        items=tuple(alone),
        pair=(*most[0], most[1]) if most else None,
    )
