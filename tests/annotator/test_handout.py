"""Who gets which items."""

from __future__ import annotations

from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from annotator.handout import (
    Person,
    Place,
    Work,
    hand_out,
    items_that_fit,
    third_reader,
    wants_third_opinion,
)


def people(*rooms: int, loads: tuple[int, ...] = ()) -> list[Person]:
    loads = loads or (0,) * len(rooms)
    return [
        Person(key=key, room=room, load=load)
        for key, (room, load) in enumerate(zip(rooms, loads, strict=True), start=1)
    ]


def works(many: int, *, wanted: int = 1, shared: int = 0) -> list[Work]:
    return [
        Work(item=100 + number, wanted=wanted, is_shared=number < shared) for number in range(many)
    ]


@pytest.mark.parametrize(
    ("rooms", "overlap", "shared", "fit"),
    [
        ([12, 12, 12, 12, 12], 1, 0, 60),
        ([12, 12, 12, 12, 12], 1, 3, 48),
        ([12, 12, 12, 12, 12], 2, 3, 25),
        ([20, 2, 2], 2, 0, 4),
        ([12], 1, 12, 12),
        ([12], 1, 20, 12),
        ([], 1, 0, 0),
    ],
)
def test_how_many_items_fill_the_batches(rooms, overlap, shared, fit):
    assert items_that_fit(rooms=rooms, overlap=overlap, shared=shared) == fit


def test_five_people_get_twelve_items_each_of_which_three_are_shared():
    plan = hand_out(works(48, shared=3), people(12, 12, 12, 12, 12))

    assert [len(batch) for batch in plan.batches.values()] == [12] * 5
    assert {batch[:3] for batch in plan.batches.values()} == {(100, 101, 102)}
    assert plan.answers == 60
    assert not plan.short


@given(
    rooms=st.lists(st.integers(0, 9), min_size=1, max_size=6),
    many=st.integers(0, 20),
    overlap=st.integers(1, 4),
    seed=st.integers(0, 9),
)
def test_nobody_gets_more_than_their_room_or_an_item_twice(rooms, many, overlap, seed):
    plan = hand_out(works(many, wanted=overlap), people(*rooms), seed=seed)

    counts = Counter(item for batch in plan.batches.values() for item in batch)
    for person in people(*rooms):
        batch = plan.batches[person.key]
        assert len(batch) <= person.room
        assert len(set(batch)) == len(batch)
    for work in works(many, wanted=overlap):
        assert counts[work.item] + plan.short.get(work.item, 0) == overlap


@given(
    rooms=st.lists(st.integers(1, 9), min_size=1, max_size=6),
    overlap=st.integers(1, 4),
    shared=st.integers(0, 1),
)
def test_as_many_items_as_fit_are_all_handed_out(rooms, overlap, shared):
    many = items_that_fit(rooms=rooms, overlap=overlap, shared=shared)

    plan = hand_out(works(many, wanted=overlap, shared=min(shared, many)), people(*rooms))

    assert not plan.short


def test_where_room_is_short_the_last_items_lack_people():
    plan = hand_out(works(4, wanted=2), people(3, 3))

    assert plan.short == {103: 2}
    assert plan.missing == 2


def test_who_carries_less_elsewhere_gets_more():
    plan = hand_out(works(1), people(5, 5, 5, loads=(4, 0, 2)))

    assert [len(batch) for batch in plan.batches.values()] == [0, 1, 0]


def test_the_same_seed_gives_the_same_batches():
    assert hand_out(works(9), people(5, 5), seed=3) == hand_out(works(9), people(5, 5), seed=3)
    assert hand_out(works(9), people(5, 5), seed=3) != hand_out(works(9), people(5, 5), seed=4)


def test_what_was_begun_or_done_stays_and_the_rest_is_divided_anew():
    before = [
        Place(person=1, item=100, is_fixed=True),
        Place(person=1, item=101),
        Place(person=2, item=102),
        Place(person=9, item=103, is_fixed=True),  # somebody who has left
    ]

    plan = hand_out(works(4), people(2, 2), places=before)

    assert set(plan.batches[1]) == {100, 101}
    assert set(plan.batches[2]) == {102}
    assert plan.added == ()
    assert plan.dropped == ()


def test_a_higher_overlap_adds_people_and_takes_nothing_away():
    before = [Place(person=1, item=100, is_fixed=True), Place(person=2, item=101)]

    plan = hand_out(works(2, wanted=2), people(5, 5), places=before)

    assert plan.added == ((1, 101), (2, 100))
    assert plan.dropped == ()


def test_a_lower_overlap_takes_away_what_nobody_has_begun():
    before = [
        Place(person=1, item=100, is_fixed=True),
        Place(person=2, item=100),
        Place(person=1, item=101),
        Place(person=2, item=101),
    ]

    plan = hand_out(works(2, wanted=1), people(5, 5), places=before)

    assert (2, 100) in plan.dropped
    assert len(plan.dropped) == 2
    assert (1, 100) not in plan.dropped


def test_somebody_new_gets_the_shared_items_and_takes_from_nobody():
    before = [Place(person=1, item=100, is_fixed=True), Place(person=1, item=101)]

    plan = hand_out(works(3, shared=1), people(5, 5), places=before)

    assert 100 in plan.batches[2]
    assert plan.added == ((2, 100), (2, 102))


def test_who_left_an_item_out_does_not_get_it_again():
    someone = Person(key=1, room=9, never=frozenset({100}))

    plan = hand_out(works(2), [someone])

    assert plan.batches == {1: (101,)}
    assert plan.short == {100: 1}


@pytest.mark.parametrize(
    ("answers", "wanted", "third"),
    [
        ({"quality": ["good", "poor"]}, 2, True),
        ({"quality": ["good", "good"]}, 2, False),
        ({"quality": ["good"]}, 2, False),
        ({"quality": ["good", "poor", "poor"]}, 3, False),
        ({"quality": ["good", "poor", "fair"]}, 3, True),
        ({"quality": ["good", ""]}, 2, False),
        ({"quality": ["good", "good"], "tone": ["rude", "kind"]}, 2, True),
        ({"quality": ["good"]}, 1, False),
        ({}, 2, False),
    ],
)
def test_a_third_opinion_is_wanted_where_the_answers_are_tied(answers, wanted, third):
    assert wants_third_opinion(answers, wanted=wanted) is third


def test_the_third_is_who_has_the_least_to_do():
    free = people(0, 0, 0, loads=(5, 1, 0))

    assert third_reader(free, busy={1: 0, 2: 1, 3: 4}, seed=1) == 2
    assert third_reader([], busy={}, seed=1) is None
