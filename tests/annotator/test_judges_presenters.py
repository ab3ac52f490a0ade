"""What judge and run pages show, as pure functions."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from alignment.intervals import Figure
from alignment.judge_agreement import compare
from alignment.labels import Reason, ReasonCode
from alignment.readiness import Thresholds, TraceState, readiness
from alignment.sides import Side, Sides
from annotator.models import Judge
from annotator.presenters import words
from annotator.presenters.agreement import (
    alpha_levels,
    confusion_table,
    human_figures,
    judge_figures,
)
from annotator.presenters.diff import word_diff
from annotator.presenters.plot import PlotPoint, line_plot, ticks_for
from annotator.presenters.state import judge_state, meter
from judges.values import ValueKind, ValueType

NOW = datetime(2026, 3, 3, 12, tzinfo=UTC)
YES_NO = ValueType(kind=ValueKind.BOOLEAN)
SIDES = Sides(by_value={"good": Side.POSITIVE, "poor": Side.NEGATIVE})


@pytest.mark.parametrize(
    ("figure", "sentence"),
    [
        (
            Figure(value=0.71, low=0.58, high=0.82, n=64),
            "substantial (κ 0.71, 0.58\N{EN DASH}0.82, n = 64)",
        ),
        (
            Figure(value=-0.1, low=-0.3, high=0.1, n=9),
            "poor (κ \N{MINUS SIGN}0.10, \N{MINUS SIGN}0.30 to 0.10, n = 9)",
        ),
        (Figure(value=0.8049, n=4, why="Too few."), "substantial (κ 0.80, n = 4)"),
        (Figure(value=None, n=12, why="Only one value was used."), "not defined"),
    ],
)
def test_a_kappa_is_a_word_with_its_figure_interval_and_n(figure: Figure, sentence: str) -> None:
    assert words.kappa_view("κ", figure).sentence == sentence


def test_an_undefined_figure_keeps_its_reason() -> None:
    view = words.kappa_view("κ", Figure(value=None, n=12, why="Only one value was used."))
    assert view.why == "Only one value was used."


@pytest.mark.parametrize(
    ("value", "text"),
    [(0.0, "0 %"), (0.001, "< 1 %"), (0.5, "50 %"), (0.999, "> 99 %"), (1.0, "100 %")],
)
def test_a_share_is_never_rounded_to_none_or_all(value: float, text: str) -> None:
    assert words.percent(value) == text


def test_a_share_has_its_interval_and_n() -> None:
    view = words.share_view("Accuracy", Figure(value=0.84, low=0.72, high=0.91, n=64))
    assert view.text == "84 % (72\N{EN DASH}91 %, n = 64)"


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (0.123, "+12 points"),
        (-0.04, "\N{MINUS SIGN}4 points"),
        (0.0, "\N{PLUS-MINUS SIGN}0 points"),
    ],
)
def test_a_difference_has_its_sign(value: float, text: str) -> None:
    assert words.points(value) == text


@pytest.mark.parametrize(
    ("cost", "text"),
    [
        (None, "unknown price"),
        (0.0, "$0.00"),
        (0.00001, "< $0.0001"),
        (0.0123, "$0.0123"),
        (1234.5, "$1,234.50"),
    ],
)
def test_small_sums_are_not_shown_as_nothing_and_no_price_is_not_zero(
    cost: float | None, text: str
) -> None:
    assert words.money(cost) == text


@pytest.mark.parametrize(
    ("seconds", "text"), [(None, ""), (12, "12 s"), (200, "3 min 20 s"), (7500, "2 h 5 min")]
)
def test_durations_are_said_in_units_people_use(seconds: float | None, text: str) -> None:
    assert words.duration(seconds) == text


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (None, "not known yet"),
        (3, "a few seconds"),
        (42, "about 40 seconds"),
        (61, "about a minute"),
        (600, "about 10 minutes"),
        (4000, "about an hour"),
    ],
)
def test_time_left_claims_no_precision(seconds: float | None, text: str) -> None:
    assert words.time_left(seconds) == text


def test_the_diff_marks_the_words_that_changed() -> None:
    diff = word_diff("Be kind.\nGrade the answer.", "Be kind.\nGrade the short answer.")
    assert not diff.rows[0].changed
    assert [piece.text for piece in diff.rows[1].new if piece.changed] == ["short "]
    assert [piece for piece in diff.rows[1].old if piece.changed] == []
    assert (diff.removed, diff.added) == (0, 1)


def test_the_diff_puts_lines_without_a_partner_on_one_side() -> None:
    diff = word_diff("First.", "First.\nSecond.")
    assert diff.rows[1].old == ()
    assert [piece.text for piece in diff.rows[1].new] == ["Second."]


def test_the_diff_gives_both_texts_back() -> None:
    old, new = "a b  c\n\nd e f g\nlast", "a x  c\nd e f\n\nlast one more"
    rows = word_diff(old, new).rows
    for side, text in (("old", old), ("new", new)):
        pieces = [getattr(row, side) for row in rows]
        lines = ["".join(piece.text for piece in line) for line in pieces]
        assert [line for line in lines if line] == [line for line in text.splitlines() if line]


def test_equal_texts_have_no_changed_row() -> None:
    assert word_diff("same\ntext", "same\ntext").same


def test_two_huge_lines_are_compared_as_a_whole() -> None:
    diff = word_diff("a " * 3_000, "b " * 3_000)
    assert len(diff.rows) == 1


def test_a_plot_of_one_point_has_no_line_and_stays_inside() -> None:
    plot = line_plot([PlotPoint(label="v1", value=0.5)], ticks=ticks_for([0.5]))
    assert plot.line == ""
    assert plot.top < plot.marks[0].y < plot.bottom


def test_a_point_without_a_value_keeps_its_place_and_gets_no_mark() -> None:
    points = [PlotPoint(label=f"v{i}", value=value) for i, value in enumerate([0.2, None, 0.8])]
    plot = line_plot(points, ticks=ticks_for([0.2, None, 0.8]))
    assert len(plot.marks) == 2
    assert [tick.text for tick in plot.x_ticks] == ["v0", "v1", "v2"]
    assert plot.marks[0].y > plot.marks[1].y


def test_the_axis_goes_below_zero_only_for_negative_figures() -> None:
    assert ticks_for([0.1])[0] == 0
    assert ticks_for([0.1, -0.2])[0] == -1


def _agreement() -> dict[str, Any]:
    labels = {"a": True, "b": False, "c": False, "d": True}
    verdicts = {"a": True, "b": True, "c": False, "d": True}
    side_of = Sides.default_for(YES_NO).side_of
    return compare(labels, verdicts, (True, False), side_of=side_of).to_dict()


def test_cells_of_the_confusion_matrix_open_their_traces() -> None:
    table = confusion_table(
        _agreement()["confusion"],
        value_type=YES_NO,
        link=lambda label, verdict: f"?label={label}&verdict={verdict}",
    )
    assert table is not None
    assert table.columns == ("yes", "no")
    no = table.rows[1]
    assert [cell.count for cell in no.cells] == [1, 1]
    assert no.cells[0].href == "?label=false&verdict=true"
    assert no.cells[0].title == "1 where the experts say no and the judge says yes"
    assert table.rows[0].cells[1].href == ""
    assert table.rows[0].cells[0].heat == 4


def test_a_confusion_matrix_of_nothing_is_none() -> None:
    assert confusion_table(None, value_type=YES_NO, link=lambda *_: "") is None


def test_both_kinds_of_error_are_shown_where_sides_are_known() -> None:
    names = {figure.name: figure.text for figure in judge_figures(_agreement())}
    assert names["Too kind"].startswith("50 %")
    assert names["Too strict"].startswith("0 %")


def test_figures_without_any_data_say_why() -> None:
    empty = compare({}, {}, (True, False)).to_dict()
    for figure in judge_figures(empty):
        assert figure.text == "not defined"
        assert figure.why


def test_human_figures_without_shared_traces_say_why() -> None:
    from alignment.agreement import among_people

    figures = human_figures(among_people({"t": {"alice": True}}).to_dict(), levels=["nominal"])
    assert all(figure.why for figure in figures)


@pytest.mark.parametrize(
    ("value_type", "levels"),
    [
        (YES_NO, ("nominal",)),
        (
            ValueType(kind=ValueKind.CATEGORY, categories=("a", "b"), ordered=True),
            ("nominal", "ordinal"),
        ),
        (ValueType(kind=ValueKind.CATEGORY, categories=("a", "b")), ("nominal",)),
        (ValueType(kind=ValueKind.INTEGER), ("nominal", "ordinal", "interval")),
    ],
)
def test_alpha_is_shown_on_the_levels_that_mean_something(
    value_type: ValueType, levels: tuple[str, ...]
) -> None:
    assert alpha_levels(value_type) == levels


@pytest.mark.parametrize(
    ("figure", "age", "chip"),
    [
        (Figure(value=None, n=0), timedelta(0), "not checked"),
        (Figure(value=0.9, n=9), timedelta(0), "not checked"),
        (Figure(value=None, n=40, why="Only one value was used."), timedelta(0), "not checked"),
        (Figure(value=0.40, n=40), timedelta(0), "below floor"),
        (Figure(value=0.41, n=40), timedelta(0), "good"),
        (Figure(value=0.90, n=40), timedelta(days=31), "stale"),
    ],
)
def test_the_state_of_a_judge(figure: Figure, age: timedelta, chip: str) -> None:
    state = judge_state(figure, judge=Judge(), checked_at=NOW - age, now=NOW)
    assert state.text == chip
    assert state.why


def _states(good: int, poor: int) -> list[TraceState]:
    labels = ["good"] * good + ["poor"] * poor
    return [TraceState(trace_id=f"t{i}", label=x, verdict=x) for i, x in enumerate(labels)]


def test_the_meter_says_what_is_missing_and_marks_the_side_under_its_share() -> None:
    found = meter(readiness(_states(8, 1), sides=SIDES, thresholds=Thresholds()))
    assert not found.is_ready
    assert "more negative" in found.sentence
    assert [(side.name, side.met) for side in found.sides] == [
        ("positive", True),
        ("negative", False),
    ]
    assert sum(segment.width for segment in found.segments) == pytest.approx(18)


def test_the_meter_of_nothing_is_empty_and_not_ready() -> None:
    found = meter(readiness([], sides=SIDES, thresholds=Thresholds()))
    assert found.segments == ()
    assert [side.met for side in found.sides] == [False, False]


def test_traces_left_out_are_grouped_by_reason_without_those_nobody_reviewed() -> None:
    tie = Reason(code=ReasonCode.TIE, text="People are tied (1 good, 1 poor).")
    states = [
        *[TraceState(trace_id=f"tie{i}", no_label=tie, verdict="good") for i in range(10)],
        TraceState(trace_id="unseen", verdict="good"),
        TraceState(trace_id="unjudged", label="good"),
    ]
    found = meter(readiness(states, sides=SIDES, thresholds=Thresholds()))
    assert [(group.words, group.total, group.more) for group in found.excluded] == [
        ("People are tied", 10, 2),
        ("The judge has given no verdict yet", 1, 0),
    ]
    assert found.waiting == 1
