"""Who gets which items: decided from lists and numbers, without the database.

Shared items go to everybody and come first; the rest is divided so that each item gets as many people as the overlap asks
for, nobody gets more than their room, and who carries less elsewhere gets more here. The same seed gives the same result.
"""

from __future__ import annotations

import random
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field


@dataclass(frozen=True, kw_only=True)
class Work:
    """An item to hand out.

    Attributes:
        item: Its key.
        wanted: How many people are to answer it; ignored for a shared one, which everybody answers.
        is_shared: Whether it belongs to the slice that opens every batch.
    """

    item: int
    wanted: int = 1
    is_shared: bool = False


@dataclass(frozen=True, kw_only=True)
class Person:
    """Somebody to hand items to.

    Attributes:
        key: Their key.
        room: The most items they get, shared ones included.
        load: How many items they still have to do elsewhere.
        never: Items that they do not get, because they left them out before.
    """

    key: int
    room: int
    load: int = 0
    never: frozenset[int] = frozenset()


@dataclass(frozen=True, kw_only=True)
class Place:
    """A person's place on an item that is there already; `is_fixed` when it was begun or done."""

    person: int
    item: int
    is_fixed: bool = False


@dataclass(frozen=True, kw_only=True)
class HandOut:
    """Who gets which items.

    Attributes:
        batches: The items of each person, shared ones first.
        short: How many people each item still lacks because nobody has room; empty when all is handed out.
        added: Pairs of person and item that are new.
        dropped: Pairs that are taken away; never one that was begun.
    """

    batches: dict[int, tuple[int, ...]]
    short: dict[int, int] = field(default_factory=dict)
    added: tuple[tuple[int, int], ...] = ()
    dropped: tuple[tuple[int, int], ...] = ()

    @property
    def answers(self) -> int:
        """How many answers it asks for in all."""
        return sum(len(items) for items in self.batches.values())

    @property
    def missing(self) -> int:
        """How many answers nobody has room for."""
        return sum(self.short.values())


def items_that_fit(*, rooms: Sequence[int], overlap: int, shared: int) -> int:
    """How many items, shared ones included, fill the people's rooms exactly or leave the least over."""
    if not rooms:
        return 0
    left = [max(0, room - shared) for room in rooms]
    # No item can have one person twice, so that a big room counts only as far as the others keep up with it.
    low, high = 0, sum(left) // overlap
    while low < high:
        middle = (low + high + 1) // 2
        fits = sum(min(room, middle) for room in left) >= overlap * middle
        low, high = (middle, high) if fits else (low, middle - 1)
    return min(shared, min(rooms)) + low


def hand_out(
    work: Iterable[Work],
    people: Sequence[Person],
    *,
    places: Iterable[Place] = (),
    seed: int = 0,
) -> HandOut:
    """Give the items to the people, keeping of the places that are there what can stay.

    A place that was begun or done always stays. One that was not stays while its person and the item still want it.

    Args:
        work: The items, in the order of their importance: where rooms do not suffice, the last go short.
        people: Those who review now. Places of others stay only where something was done.
        places: What was handed out before.
        seed: Decides between people who have equal room and load.
    """
    work, plan = list(work), _Plan(people, seed)
    before = list(places)
    for place in before:
        if place.is_fixed:
            plan.add(place.person, place.item)
    for piece in work:
        if piece.is_shared:
            for person in people:
                if piece.item not in person.never:
                    plan.add(person.key, piece.item)
    waiting: dict[int, list[int]] = defaultdict(list)
    for place in before:
        if not place.is_fixed and place.person in plan.room:
            waiting[place.item].append(place.person)
    split = [piece for piece in work if not piece.is_shared]
    for piece in split:
        for key in waiting[piece.item]:
            if plan.lacks(piece) and plan.can_take(key, piece.item):
                plan.add(key, piece.item)
    for piece in split:
        for key in plan.best_for(piece.item, piece.wanted - plan.count[piece.item]):
            plan.add(key, piece.item)
    return _result(plan, work, before)


class _Plan:
    def __init__(self, people: Sequence[Person], seed: int) -> None:
        # The seed only breaks ties, so that no order is drawn from it that anybody could guess to their advantage.
        order = random.Random(seed)  # noqa: S311
        self.room = {person.key: person.room for person in people}
        self.rank = {person.key: (person.load, order.random()) for person in people}
        self.never = {person.key: person.never for person in people}
        self.taken: dict[int, set[int]] = defaultdict(set)
        self.count: Counter[int] = Counter()

    def add(self, person: int, item: int) -> None:
        if item not in self.taken[person]:
            self.taken[person].add(item)
            self.count[item] += 1

    def lacks(self, piece: Work) -> bool:
        return self.count[piece.item] < piece.wanted

    def can_take(self, person: int, item: int) -> bool:
        has_room = len(self.taken[person]) < self.room[person]
        return has_room and item not in self.taken[person] and item not in self.never[person]

    def best_for(self, item: int, many: int) -> list[int]:
        free = [person for person in self.room if self.can_take(person, item)]
        free.sort(
            key=lambda person: (len(self.taken[person]) - self.room[person], self.rank[person])
        )
        return free[: max(0, many)]


def _result(plan: _Plan, work: Sequence[Work], before: Sequence[Place]) -> HandOut:
    had = {(place.person, place.item) for place in before}
    has = {(person, item) for person, items in plan.taken.items() for item in items}
    order = {piece.item: (not piece.is_shared, at) for at, piece in enumerate(work)}
    last = (True, len(order))
    return HandOut(
        batches={
            person: tuple(sorted(plan.taken[person], key=lambda item: order.get(item, last)))
            for person in plan.room
        },
        short={
            piece.item: piece.wanted - plan.count[piece.item]
            for piece in work
            if not piece.is_shared and plan.lacks(piece)
        },
        added=tuple(sorted(has - had)),
        dropped=tuple(sorted(had - has)),
    )


# --- A third opinion, and who takes what others left


def wants_third_opinion(answers: Mapping[str, Sequence[str]], *, wanted: int) -> bool:
    """Whether all answers that an item was to get are in, and under some judge's name they are tied.

    Args:
        answers: The values by the judge's name, one a person; "cannot judge" is an empty text and no value.
        wanted: How many people were to answer.
    """
    for values in answers.values():
        if wanted < 2 or len(values) < wanted:
            continue
        ranked = Counter(value for value in values if value).most_common()
        if len(ranked) > 1 and ranked[0][1] == ranked[1][1]:
            return True
    return False


def third_reader(people: Sequence[Person], *, busy: Mapping[int, int], seed: int) -> int | None:
    """Who has the least left to do here and elsewhere; None when there is nobody.

    Args:
        people: Those who have not had the item; their room does not bind, because one more item is what this costs.
        busy: How many items each still has to do here.
    """
    order = random.Random(seed)  # noqa: S311
    ranked = sorted(
        people, key=lambda person: (busy.get(person.key, 0) + person.load, order.random())
    )
    return ranked[0].key if ranked else None
