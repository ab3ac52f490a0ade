"""What the page of a run shows, as pure functions."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from annotator.presenters import run_figures, run_page

NOW = datetime(2026, 3, 3, 12, 1, tzinfo=UTC)
DONE = {
    "name": "FREEZE",
    "started_at": "2026-03-03T12:00:00+00:00",
    "finished_at": "2026-03-03T12:00:03+00:00",
    "result": "60 labels.",
}
OPEN = {
    "name": "SPLIT",
    "started_at": "2026-03-03T12:00:03+00:00",
    "finished_at": None,
    "result": "",
}


def test_the_stepper_always_has_all_seven_stages() -> None:
    steps = run_page.stepper([], status="QUEUED", now=NOW)
    assert [step.name for step in steps] == [
        "Freeze",
        "Split",
        "Baseline",
        "Optimise",
        "Evaluate",
        "Gate",
        "Promote",
    ]
    assert {step.state for step in steps} == {"todo"}


@pytest.mark.parametrize(
    ("status", "state", "duration"), [("RUNNING", "current", "57 s"), ("FAILED", "failed", "")]
)
def test_an_open_stage_runs_or_is_where_the_run_ended(
    status: str, state: str, duration: str
) -> None:
    first, second, *_ = run_page.stepper([DONE, OPEN], status=status, now=NOW)
    assert (first.state, first.duration, first.result) == ("done", "3 s", "60 labels.")
    assert (second.state, second.duration) == (state, duration)


def test_the_estimate_is_this_runs_own_pace_once_a_tenth_is_done() -> None:
    text = run_page.run_time_left(
        calls=100, calls_expected=400, seconds_so_far=60.0, past_seconds=[9_999.0]
    )
    assert text == "about 3 minutes at this pace"


@pytest.mark.parametrize(
    ("so_far", "past", "text"),
    [
        (None, [], "not known yet"),
        (None, [100.0, 130.0, 900.0], "about 2 minutes, going by earlier runs"),
        (200.0, [100.0], "longer than earlier runs took"),
    ],
)
def test_before_that_it_goes_by_earlier_runs_or_admits_that_it_does_not_know(
    so_far: float | None, past: list[float], text: str
) -> None:
    found = run_page.run_time_left(
        calls=0, calls_expected=None, seconds_so_far=so_far, past_seconds=past
    )
    assert found == text


ITEMS = [
    {"trace_id": "a", "label": True, "before": False, "after": True},
    {"trace_id": "b", "label": True, "before": True, "after": False},
    {"trace_id": "c", "label": False, "before": None, "after": False},
    {"trace_id": "d", "label": False, "before": True, "after": None},
    {"trace_id": "e", "label": True, "before": True, "after": True},
]


def test_a_failed_verdict_is_never_right() -> None:
    flips = run_page.flips(ITEMS)
    assert [flip.change for flip in flips] == ["fixed", "broken", "fixed", "wrong", "right"]
    assert [flip.change_text for flip in flips][1:4] == ["broken", "fixed", "wrong both times"]


def test_every_filter_tells_how_many_it_shows() -> None:
    filters = run_page.flip_filters(run_page.flips(ITEMS))
    assert {kind: total for kind, _, total in filters} == {
        "fixed": 2,
        "broken": 1,
        "wrong": 1,
        "right": 1,
        "all": 5,
    }


def test_steps_of_several_parts_are_listed_and_the_last_part_is_plotted() -> None:
    steps = [
        {"step": 1, "of": 2, "scores": [0.4, 0.6], "best": 0.6, "part": "fold 1 of 2"},
        {"step": 2, "of": 2, "scores": [], "best": None, "part": "fold 1 of 2"},
        {"step": 1, "of": 2, "scores": [0.5], "best": 0.5, "part": "fold 2 of 2"},
        {"step": 2, "of": 2, "scores": [0.7], "best": 0.7, "part": "fold 2 of 2"},
    ]
    rows = run_page.step_scores(steps)
    assert [row.scores for row in rows] == ["0.40, 0.60", "no candidate", "0.50", "0.70"]
    plot = run_page.step_plot(steps)
    assert plot is not None
    assert len(plot.marks) == 2


def test_one_step_is_no_course_to_plot() -> None:
    assert run_page.step_plot([]) is None
    assert (
        run_page.step_plot([{"step": 1, "of": 2, "scores": [0.5], "best": 0.5, "part": ""}]) is None
    )


def test_the_set_is_summed_up_with_the_traces_left_out_by_reason() -> None:
    excluded = [
        *[{"trace_id": f"t{i}", "code": "TIE", "reason": "Tied."} for i in range(7)],
        {"trace_id": "u", "code": "NO_VERDICT", "reason": "No verdict."},
    ]
    split = {"train": ["a", "b"], "selection": [], "held_out": ["c"], "folds": []}
    found = run_page.set_summary([{}, {}, {}], split, excluded)
    assert found.total == 3
    assert found.parts == ("2 to learn from", "1 set aside for the test")
    assert [(group.reason, group.total, group.more) for group in found.excluded] == [
        ("Tied.", 7, 2),
        ("No verdict.", 1, 0),
    ]


def test_cross_validation_is_said() -> None:
    figures = {"before": {"n": 20}, "comparison": {"n": 20}, "is_cross_validated": True}
    assert "cross-validation on 20 traces" in run_figures.method_sentence(figures)
    split = {"train": ["a"], "selection": [], "held_out": [], "folds": [["a"], ["b"]]}
    assert run_page.set_summary([], split, []).parts[-1].startswith("tested in 2 parts")


@pytest.mark.parametrize(
    ("p_value", "shown"), [(0.0002, "below 0.001"), (0.0213, "0.021"), (1, "1.000")]
)
def test_the_p_value_is_a_sentence_and_never_zero(p_value: float, shown: str) -> None:
    assert shown in run_figures.chance_sentence({"comparison": {"p_value": p_value}})


def test_a_run_without_figures_compares_nothing() -> None:
    assert run_figures.compared_figures({}) == []
    assert run_figures.difference_view({"comparison": None}) is None
    assert run_figures.chance_sentence({"comparison": None}) == ""
