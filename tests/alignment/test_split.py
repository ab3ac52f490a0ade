"""The split."""

from __future__ import annotations

from collections import Counter

import pytest

from alignment.sides import Side
from alignment.split import Split, SplitItem, SplitPolicy, groups_of, make_split
from judges.entities import Trace


def items(positive: int, negative: int, neutral: int = 0, *, start: int = 0) -> list[SplitItem]:
    sides = [Side.POSITIVE] * positive + [Side.NEGATIVE] * negative + [Side.NEUTRAL] * neutral
    return [
        SplitItem(trace_id=f"t{number}", side=side, group=f"g{number}")
        for number, side in enumerate(sides, start=start)
    ]


def everything(split: Split) -> list[str]:
    return sorted([*split.train, *split.selection, *split.held_out])


@pytest.mark.parametrize(
    ("positive", "negative", "neutral"), [(30, 30, 0), (70, 30, 0), (20, 15, 5)]
)
def test_each_side_reaches_its_share(positive: int, negative: int, neutral: int) -> None:
    given = items(positive, negative, neutral)
    split = make_split(given, salt="quality")
    side_of = {item.trace_id: item.side for item in given}
    held = Counter(side_of[trace_id] for trace_id in split.held_out)
    assert held[Side.POSITIVE] == round(0.4 * positive)
    assert held[Side.NEGATIVE] == round(0.4 * negative)
    assert held[Side.NEUTRAL] == round(0.4 * neutral)
    assert everything(split) == sorted(side_of)
    learning = len(given) - len(split.held_out)
    assert len(split.selection) == pytest.approx(learning / 4, abs=1.5)


def test_a_small_learning_part_spares_no_selection_part() -> None:
    assert make_split(items(20, 19, 1), salt="q", policy=SplitPolicy(held_out=0.5)).selection == ()


def test_the_order_of_the_examples_does_not_matter() -> None:
    given = items(40, 25)
    assert make_split(given, salt="q") == make_split(
        given[::-3] + given[-2::-3] + given[-3::-3], salt="q"
    )


def test_judges_divide_the_same_traces_differently() -> None:
    assert (
        make_split(items(40, 25), salt="a").held_out != make_split(items(40, 25), salt="b").held_out
    )


def test_what_was_held_out_stays_held_out_and_what_was_learnt_stays_learnt() -> None:
    first = make_split(items(30, 20), salt="q")
    later = make_split(
        items(30, 20) + items(40, 30, start=100),
        salt="q",
        held_out_before=set(first.held_out),
        learnt_before={*first.train, *first.selection},
    )
    assert set(first.held_out) <= set(later.held_out)
    assert {*first.train, *first.selection} <= {*later.train, *later.selection}
    assert len(later.held_out) == pytest.approx(0.4 * 120, abs=1)


def test_few_labels_are_cross_validated_with_every_side_in_every_fold() -> None:
    given = items(13, 11)
    split = make_split(given, salt="q")
    assert split.is_cross_validated
    assert split.held_out == split.selection == ()
    assert sorted(trace_id for fold in split.folds for trace_id in fold) == sorted(split.train)
    side_of = {item.trace_id: item.side for item in given}
    for fold in split.folds:
        counts = Counter(side_of[trace_id] for trace_id in fold)
        assert counts[Side.POSITIVE] in {4, 5}
        assert counts[Side.NEGATIVE] in {3, 4}


def test_a_held_out_part_is_kept_when_labels_become_few() -> None:
    split = make_split(items(12, 12), salt="q", held_out_before={"t0", "t20"})
    assert not split.is_cross_validated
    assert {"t0", "t20"} <= set(split.held_out)


def test_labels_that_were_all_learnt_are_cross_validated_rather_than_tested_on() -> None:
    given = items(25, 20)
    split = make_split(given, salt="q", learnt_before={item.trace_id for item in given[:42]})
    assert split.is_cross_validated


@pytest.mark.parametrize("size", [24, 60, 200])
def test_a_group_is_never_torn_apart(size: int) -> None:
    given = [
        SplitItem(trace_id=f"t{n}", side=list(Side)[n * n % 3], group=f"g{n * n % (size // 3 - 1)}")
        for n in range(size)
    ]
    group_of = {item.trace_id: item.group for item in given}
    split = make_split(given, salt="q")
    parts = split.folds or (split.held_out, split.train + split.selection)
    groups = [{group_of[trace_id] for trace_id in part} for part in parts]
    assert sum(len(part) for part in groups) == len(set().union(*groups))


def test_a_newcomer_joins_the_side_of_its_conversation() -> None:
    given = [*items(30, 30), SplitItem(trace_id="new", side=Side.POSITIVE, group="g3")]
    assert "new" in make_split(given, salt="q", held_out_before={"t3"}).held_out
    assert "new" not in make_split(given, salt="q", learnt_before={"t3"}).held_out


def test_conversations_and_equal_inputs_make_groups_and_chains_of_them() -> None:
    groups = groups_of(
        [
            Trace(trace_id="a", inputs={"q": 1}, metadata={"conversation_id": "c1"}),
            Trace(trace_id="b", inputs={"q": 2}, metadata={"conversation_id": "c1"}),
            Trace(trace_id="c", inputs={"q": 2}),
            Trace(trace_id="d", inputs={"q": 3}, tags={"mlflow.trace.session": "s"}),
            Trace(trace_id="e", inputs=None),
            Trace(trace_id="f", inputs=None),
        ]
    )
    assert groups["a"] == groups["b"] == groups["c"]
    assert len(set(groups.values())) == 4


def test_traces_of_one_user_stay_together_unless_nearly_all_are_of_one() -> None:
    traces = [
        Trace(trace_id=f"t{n}", inputs={"q": n}, metadata={"mlflow.trace.user": f"user {n // 2}"})
        for n in range(20)
    ]
    groups = groups_of(traces)
    assert groups["t0"] == groups["t1"] != groups["t2"]
    assert len(set(groups.values())) == 10
    tester = [
        Trace(trace_id=f"t{n}", inputs={"q": n}, metadata={"user": "tester"}) for n in range(20)
    ]
    assert len(set(groups_of(tester).values())) == 20
