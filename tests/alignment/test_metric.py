"""What verdicts are worth, how a scale is calibrated, and what noisy labels hide."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from alignment.calibration import fit_calibration
from alignment.experts import beside_experts, one_experts_error, true_accuracy
from alignment.gate import MINUS, GatePolicy, Outcome, decide
from alignment.judge_agreement import compare
from alignment.labels import Example
from alignment.metric import Costs, Metric
from alignment.sides import Side, Sides
from alignment.versions import compare_versions
from judges.calibration import Calibration
from judges.entities import Trace
from judges.values import Value, ValueKind, ValueType

YES_NO = ValueType(kind=ValueKind.BOOLEAN)
SCALE = ValueType.from_annotation(Literal["poor", "fair", "good", "excellent"])
STARS = ValueType(kind=ValueKind.INTEGER, minimum=1, maximum=5)
SHARE = ValueType(kind=ValueKind.NUMBER, minimum=0, maximum=1)


def metric(value_type: ValueType, **costs: float) -> Metric:
    return Metric(value_type=value_type, sides=Sides.default_for(value_type), costs=Costs(**costs))


# --- Costs


def test_the_dearer_error_is_worth_nothing_and_the_cheaper_one_a_part() -> None:
    strict = metric(YES_NO, false_positive=4, false_negative=1)
    assert strict.credit(False, True) == 0.0
    assert strict.credit(True, False) == 0.75
    assert strict.credit(True, True) == 1.0
    assert strict.credit(False, None) == 0.0, "a failed verdict is the worst error of its label"
    assert strict.credit(True, None) == 0.75


def test_on_a_scale_distance_and_cost_go_together() -> None:
    strict = metric(STARS, false_positive=2, false_negative=1)
    assert strict.credit(1, 5) == 0.0
    assert strict.credit(5, 1) == 0.5
    assert strict.credit(5, 4) == pytest.approx(1 - 0.25 * 0.5)


@given(st.sampled_from([1, 2, 3, 4, 5]), st.sampled_from([1, 2, 3, 4, 5, None]))
def test_a_credit_is_a_share_and_1_only_for_the_right_verdict(
    label: int, verdict: int | None
) -> None:
    worth = metric(STARS, false_positive=3, false_negative=1).credit(label, verdict)
    assert 0 <= worth <= 1
    assert (worth == 1) == (label == verdict)


@pytest.mark.parametrize("cost", [0, -1, float("inf"), float("nan")])
def test_a_cost_must_be_a_number_above_0(cost: float) -> None:
    with pytest.raises(ValueError, match="above 0"):
        Costs(false_positive=cost)


def decided(
    value_type: ValueType,
    labels: Sequence[Value],
    before: Sequence[Value],
    after: Sequence[Value],
    **costs: float,
) -> tuple[Outcome, str]:
    measure = metric(value_type, **costs)
    items = [f"t{number}" for number in range(len(labels))]
    label_of = dict(zip(items, labels, strict=True))
    first, second = dict(zip(items, before, strict=True)), dict(zip(items, after, strict=True))
    side_of = measure.sides.side_of
    decision = decide(
        before=compare(label_of, first, value_type.choices, side_of=side_of),
        after=compare(label_of, second, value_type.choices, side_of=side_of),
        comparison=compare_versions(label_of, first, second, metric=measure),
        policy=GatePolicy(max_harm_per_side=1.0),
    )
    return decision.outcome, decision.reason


def test_where_false_positives_are_dear_a_version_with_fewer_of_them_is_better() -> None:
    labels = [False] * 20 + [True] * 20
    kind = [True] * 12 + [False] * 8 + [True] * 20
    strict = [False] * 20 + [False] * 14 + [True] * 6
    outcome, reason = decided(YES_NO, labels, kind, strict)
    assert outcome is Outcome.REJECT, reason
    outcome, reason = decided(YES_NO, labels, kind, strict, false_positive=10)
    assert outcome is Outcome.PROMOTE, reason
    assert "with a false positive counted 10 times as much as a false negative" in reason
    assert "near misses" not in reason


def test_on_a_scale_many_nearer_misses_decide_although_none_is_right() -> None:
    labels = [5, 1] * 15
    far = [1, 5] * 15
    near = [4, 2, 3, 3] * 7 + [4, 2]
    outcome, reason = decided(STARS, labels, far, near)
    assert outcome is Outcome.PROMOTE, reason
    assert "with near misses counted in part" in reason
    assert "false" not in reason


def test_a_loss_has_a_real_minus_sign() -> None:
    outcome, reason = decided(STARS, [5, 1] * 15, [4, 2] * 15, [3, 3] * 15)
    assert outcome is Outcome.REJECT
    assert f"({MINUS}25 points, 95 % interval {MINUS}" in reason
    assert "-" not in reason.replace("held-out", "")


def test_numbers_without_bounds_have_no_near_misses_to_speak_of() -> None:
    _, reason = decided(ValueType(kind=ValueKind.INTEGER), [1, 2] * 15, [3] * 30, [1, 2] * 15)
    assert reason.startswith("Decisively better: agreement on 30 held-out labels")


# --- Calibration


def test_a_judge_that_is_always_one_grade_too_kind_is_set_right() -> None:
    pairs = [(min(5, label + 1), label) for label in (1, 2, 3, 4)] * 6
    calibration = fit_calibration(pairs, metric(STARS))
    assert calibration is not None
    assert [calibration.apply(answer, STARS) for answer in (2, 3, 4, 5)] == [1, 2, 3, 4]
    assert calibration.sentences == (
        "“2” counts as “1”",
        "“3” counts as “2”",
        "“4” counts as “3”",
        "“5” counts as “4”",
    )
    assert Calibration.from_dict(calibration.to_dict()) == calibration


def test_whole_numbers_without_bounds_are_grades_as_long_as_few_of_them_occur() -> None:
    whole = ValueType(kind=ValueKind.INTEGER)
    few = fit_calibration([(min(5, label + 1), label) for label in (1, 2, 3, 4)] * 6, metric(whole))
    assert few is not None
    assert [few.apply(answer, whole) for answer in (2, 3, 4, 5)] == [1, 2, 3, 4]
    many = fit_calibration([(3 * n, 2 * n + 1) for n in range(40)], metric(whole))
    assert many is not None
    assert many.points
    assert all(isinstance(many.apply(answer, whole), int) for answer in range(120))


@pytest.mark.parametrize(
    ("value_type", "pairs"),
    [
        (STARS, [(3, 3), (4, 4)] * 15),
        (STARS, [(4, 3)] * 19),
        (YES_NO, [(True, False)] * 40),
        (ValueType(kind=ValueKind.CATEGORY, categories=("a", "b", "c")), [("a", "b")] * 40),
    ],
)
def test_there_is_none_where_it_changes_nothing_or_means_nothing(
    value_type: ValueType, pairs: list[tuple[Value, Value]]
) -> None:
    assert fit_calibration(pairs, metric(value_type)) is None


@given(
    st.lists(
        st.tuples(st.sampled_from(SCALE.categories), st.sampled_from(SCALE.categories)),
        min_size=20,
        max_size=60,
    )
)
def test_a_calibration_never_turns_the_order_round_and_never_makes_the_fit_worse(
    pairs: list[tuple[Value, Value]],
) -> None:
    measure = metric(SCALE)
    calibration = fit_calibration(pairs, measure)
    if calibration is None:
        return
    images = [SCALE.categories.index(calibration.apply(c, SCALE)) for c in SCALE.categories]
    assert images == sorted(images)
    plain = sum(measure.credit(label, answer) for answer, label in pairs)
    fitted = sum(measure.credit(label, calibration.apply(a, SCALE)) for a, label in pairs)
    assert fitted >= plain - 1e-6


def test_numbers_are_bent_along_a_rising_line() -> None:
    pairs = [(n / 40, (n / 40) ** 2) for n in range(1, 40)]
    calibration = fit_calibration(pairs, metric(SHARE))
    assert calibration is not None
    said = [float(calibration.apply(n / 20, SHARE)) for n in range(21)]
    assert said == sorted(said)
    assert all(abs(value - (n / 20) ** 2) < 0.13 for n, value in enumerate(said))


# --- Beside the experts


def example(number: int, label: bool, *votes: bool) -> Example:
    return Example(
        trace=Trace(trace_id=f"t{number}"),
        value=label,
        side=Side.POSITIVE if label else Side.NEGATIVE,
        verdict_value=True,
        group=f"g{number}",
        votes={f"expert {place}": vote for place, vote in enumerate(votes)},
    )


def test_a_judge_is_compared_with_experts_as_they_are_with_each_other() -> None:
    split = [example(n, True, True, True, False) for n in range(6)]
    alike = [example(n, True, True, True, True) for n in range(6, 12)]
    tested = [*split, *alike]
    verdicts: dict[str, Value | None] = {e.trace.trace_id: True for e in tested}
    found = beside_experts(tested, tested, verdicts, verdicts)
    assert found.between_experts.value == pytest.approx((6 / 3 + 6) / 12)
    assert found.after.value == pytest.approx((6 * 2 / 3 + 6) / 12)
    assert "83 %" in found.sentence


def test_with_too_few_shared_traces_nothing_is_claimed() -> None:
    tested = [example(n, True, True) for n in range(20)]
    verdicts: dict[str, Value | None] = {e.trace.trace_id: True for e in tested}
    found = beside_experts(tested, tested, verdicts, verdicts)
    assert found.sentence == ""
    assert (found.label_noise, found.true_after) == (None, None)
    assert "several experts" in found.between_experts.why


@given(st.floats(0.0, 0.45), st.integers(2, 6))
def test_an_experts_error_is_found_again_from_the_agreement_it_causes(
    error: float, values: int
) -> None:
    agreement = (1 - error) ** 2 + error**2 / (values - 1)
    assert one_experts_error(agreement, values=values) == pytest.approx(error, abs=1e-6)


@given(st.floats(0, 1), st.floats(0, 0.3), st.integers(2, 6))
def test_the_true_accuracy_is_found_again_from_noisy_labels(
    accuracy: float, noise: float, values: int
) -> None:
    observed = accuracy * (1 - noise) + (1 - accuracy) * noise / (values - 1)
    found = true_accuracy(observed, noise=noise, values=values)
    assert found == pytest.approx(accuracy, abs=1e-6)
