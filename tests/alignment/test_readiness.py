"""Readiness."""

from __future__ import annotations

import itertools
from typing import Any

import pytest

from alignment.labels import Reason, ReasonCode
from alignment.readiness import (
    UNDECIDED_SIDES,
    Readiness,
    Thresholds,
    TraceState,
    additions,
    readiness,
)
from alignment.sides import Side, Sides

YES_NO = Sides(by_value={"yes": Side.POSITIVE, "no": Side.NEGATIVE, "maybe": Side.NEUTRAL})


def states(**counts: int) -> list[TraceState]:
    return [
        TraceState(trace_id=f"{value}{number}", label=value, verdict="yes")
        for value, count in counts.items()
        for number in range(count)
    ]


def measure(*more: TraceState, thresholds: Thresholds | None = None, **counts: int) -> Readiness:
    return readiness([*states(**counts), *more], sides=YES_NO, thresholds=thresholds)


@pytest.mark.parametrize(
    ("counts", "missing"),
    [
        ({}, ["3 more positive", "3 more negative", "4 more labels"]),
        ({"yes": 5, "no": 5}, []),
        ({"yes": 7, "no": 3}, []),
        ({"yes": 8, "no": 2}, ["2 more negative"]),
        ({"yes": 10}, ["5 more negative"]),
        ({"yes": 50}, ["22 more negative"]),
        ({"yes": 6, "no": 3}, ["1 more label"]),
        ({"yes": 4, "no": 4}, ["2 more labels"]),
        ({"yes": 9}, ["4 more negative"]),
        ({"yes": 3, "no": 3, "maybe": 4}, []),
        ({"yes": 3, "no": 3, "maybe": 6}, ["2 more positive", "2 more negative"]),
        ({"maybe": 10}, ["8 more positive", "8 more negative"]),
    ],
)
def test_what_is_missing_is_said_exactly(counts: dict[str, int], missing: list[str]) -> None:
    measured = measure(*states(**counts))
    assert measured.missing == missing
    assert measured.is_ready == (not missing)


@pytest.mark.parametrize("share", [0.0, 0.2, 0.3, 0.45])
def test_adding_exactly_what_is_missing_makes_it_ready_and_less_does_not(share: float) -> None:
    thresholds = Thresholds(minimum=12, min_share=share)
    for positive, negative, neutral in itertools.product((0, 1, 4, 11, 30), (0, 2, 9), (0, 1, 7)):
        have = {Side.POSITIVE: positive, Side.NEGATIVE: negative, Side.NEUTRAL: neutral}
        gap = additions(have, thresholds)
        filled = {
            Side.POSITIVE: positive + gap.positive,
            Side.NEGATIVE: negative + gap.negative,
            Side.NEUTRAL: neutral + gap.any_side,
        }
        assert additions(filled, thresholds).sentences() == []
        fewer = gap.positive + gap.negative + gap.any_side - 1
        for more_positive in range(max(0, fewer) + 1 if fewer >= 0 else 0):
            almost = {
                **have,
                Side.POSITIVE: positive + more_positive,
                Side.NEGATIVE: negative + fewer - more_positive,
            }
            assert additions(almost, thresholds).sentences() != []


def test_five_traces_are_five_labels_however_many_people_gave_them() -> None:
    assert measure(yes=3, no=2).missing == ["1 more negative", "4 more labels"]


def test_sides_that_nobody_decided_are_what_is_missing() -> None:
    measured = readiness(states(yes=30), sides=Sides())
    assert measured.missing == [UNDECIDED_SIDES]


def test_every_trace_left_out_has_a_reason() -> None:
    tie = Reason(code=ReasonCode.TIE, text="People are tied (1 yes, 1 no).")
    measured = measure(
        TraceState(trace_id="tied", no_label=tie, verdict="yes"),
        TraceState(trace_id="new", verdict="yes"),
        TraceState(trace_id="unjudged", label="no"),
        TraceState(trace_id="broken", label="no", verdict_failed=True),
        yes=1,
    )
    assert measured.usable == 1
    assert {trace_id: reason.code for trace_id, reason in measured.excluded} == {
        "tied": ReasonCode.TIE,
        "new": ReasonCode.NO_FEEDBACK,
        "unjudged": ReasonCode.NO_VERDICT,
        "broken": ReasonCode.VERDICT_FAILED,
    }
    assert measured.run_judge_on == ("unjudged", "broken")


def test_the_traces_most_likely_to_fill_the_gap_come_first() -> None:
    # Whatever the judge calls "maybe", people have called "no".
    seen = [TraceState(trace_id=f"s{n}", label="no", verdict="maybe") for n in range(3)]
    waiting = [
        TraceState(trace_id="u-yes", verdict="yes"),
        TraceState(trace_id="u-no", verdict="no"),
        TraceState(trace_id="u-maybe", verdict="maybe"),
    ]
    measured = measure(*seen, *waiting, yes=12)
    assert measured.lacking == (Side.NEGATIVE,)
    assert measured.would_help == ("no", "maybe", "yes")
    assert measured.review_next == ("u-no", "u-maybe", "u-yes")


def test_thin_values_and_few_labels_are_advice_and_no_bar() -> None:
    measured = measure(yes=9, no=9, maybe=1)
    assert measured.is_ready
    assert not measured.is_recommended
    assert measured.advice == [
        "50 labels or more usually give better results.",
        "Only 1 label is “maybe”, so the judge learns little about it.",
    ]


@pytest.mark.parametrize("wrong", [{"minimum": 0}, {"min_share": 0.5}, {"min_share": -0.1}])
def test_impossible_thresholds_are_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=r"must be"):
        Thresholds(**wrong)
