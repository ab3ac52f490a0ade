"""The gate."""

from __future__ import annotations

import pytest

from alignment.gate import Decision, GatePolicy, Outcome, decide
from alignment.judge_agreement import compare
from alignment.sides import Side, Sides
from alignment.versions import compare_versions

YES_NO = Sides(by_value={"yes": Side.POSITIVE, "no": Side.NEGATIVE})


def decision(
    *runs: tuple[int, str, str, str],
    policy: GatePolicy | None = None,
    is_cross_validated: bool = False,
) -> Decision:
    """Each run: how many items, their label, what the current version said, what the candidate said."""
    rows = [row for count, *row in runs for _ in range(count)]
    labels, before, after = (
        {str(item): row[place] for item, row in enumerate(rows)} for place in range(3)
    )
    return decide(
        before=compare(labels, before, side_of=YES_NO.side_of),
        after=compare(labels, after, side_of=YES_NO.side_of),
        comparison=compare_versions(labels, before, after),
        policy=policy,
        is_cross_validated=is_cross_validated,
    )


RIGHT_YES, RIGHT_NO = ("yes", "yes", "yes"), ("no", "no", "no")
FIXED_NO, FIXED_YES = ("no", "yes", "no"), ("yes", "no", "yes")
BROKEN_YES, BROKEN_NO = ("yes", "yes", "no"), ("no", "no", "yes")


@pytest.mark.parametrize(
    ("runs", "outcome", "words"),
    [
        ([(12, *RIGHT_YES), (12, *FIXED_NO)], Outcome.PROMOTE, "Decisively better"),
        ([(12, *RIGHT_YES), (10, *RIGHT_NO), (2, *FIXED_NO)], Outcome.CANDIDATE, "not decisively"),
        ([(12, *RIGHT_YES), (12, *RIGHT_NO)], Outcome.REJECT, "not better"),
        ([(12, *RIGHT_YES), (2, *FIXED_NO), (3, *BROKEN_NO)], Outcome.REJECT, "not better"),
        (
            [(20, *FIXED_NO), (8, *RIGHT_YES), (2, *BROKEN_YES)],
            Outcome.CANDIDATE,
            "positive side drops",
        ),
        ([(4, *RIGHT_YES), (4, *FIXED_NO)], Outcome.CANDIDATE, "cannot decide"),
        ([], Outcome.REJECT, "No label"),
    ],
)
def test_the_three_outcomes(
    runs: list[tuple[int, str, str, str]], outcome: Outcome, words: str
) -> None:
    decided = decision(*runs)
    assert decided.outcome is outcome
    assert words in decided.reason


def test_the_reason_is_one_sentence_with_the_numbers() -> None:
    decided = decision((14, *RIGHT_YES), (10, *FIXED_NO))
    assert decided.reason.startswith(
        "Decisively better: agreement on 24 held-out labels went from 58 % to 100 % (+42 points, 95 % interval +"
    )
    assert decided.reason.endswith("10 fixed and 0 broken.")


def test_a_margin_is_asked_of_the_whole_interval() -> None:
    runs = [(14, *RIGHT_YES), (10, *FIXED_NO)]
    assert decision(*runs, policy=GatePolicy(margin=0.3)).outcome is Outcome.CANDIDATE


def test_cross_validation_is_said() -> None:
    decided = decision((14, *RIGHT_YES), (10, *FIXED_NO), is_cross_validated=True)
    assert "in cross-validation" in decided.reason


@pytest.mark.parametrize("right", range(0, 41, 4))
@pytest.mark.parametrize("broken", range(0, 9, 2))
def test_a_candidate_that_breaks_as_much_as_it_fixes_is_never_promoted(
    right: int, broken: int
) -> None:
    runs = [(right, *RIGHT_YES), (broken, *BROKEN_NO), (broken, *FIXED_NO), (1, *BROKEN_YES)]
    assert decision(*runs).outcome is Outcome.REJECT
