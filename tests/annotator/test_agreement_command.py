"""`agreement`: the figures of public data sets, undefined ones explained, and few queries."""

from __future__ import annotations

import json
from collections.abc import Iterator
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
from django.core.management import CommandError, call_command

from alignment.labels import LabelRule
from annotator.models import Assessment, Experiment, Judge, Label, Source, User
from annotator.records import AssessmentRecord, TraceRecord
from annotator.services.agreement import agreement_of, expert_agreement, version_trend
from annotator.services.imports import import_traces
from annotator.services.judges import edit_judge
from judges.values import ValueKind, ValueType, value_key
from tests.factories import (
    create_experiment,
    create_feedback,
    create_judge,
    create_trace,
    create_user,
    create_verdict,
)

DATA = Path(__file__).resolve().parents[3] / "shared" / "data"
EXACT = 1e-6


def report(*names: str, experiment: str = "shop") -> dict[str, Any]:
    out = StringIO()
    call_command("agreement", *names, "--experiment", experiment, "--json", stdout=out)
    found: dict[str, Any] = json.loads(out.getvalue())
    return found


def cells(confusion: dict[str, Any]) -> dict[tuple[str, str], int]:
    """The cells by keys of label and verdict: files and report may list the values in different orders."""
    keys = [value_key(value).lower() for value in confusion["labels"]]
    return {
        (row, column): count
        for row, counts in zip(keys, confusion["matrix"], strict=True)
        for column, count in zip(keys, counts, strict=True)
    }


@pytest.fixture
def reference(request: pytest.FixtureRequest, db: None) -> dict[str, Any]:
    """The published figures of the data set that the test is marked with, after its import."""
    name = request.param
    if not (DATA / f"{name}.jsonl").exists():
        pytest.skip("the public data sets are not beside this checkout")
    call_command(
        "import_traces", str(DATA / f"{name}.jsonl"), "--experiment", name, stdout=StringIO()
    )
    figures = json.loads((DATA / "reference_figures.json").read_text())
    found: dict[str, Any] = figures[name]["computed_from_this_file"]
    return found


def same(found: dict[str, Any], expected: dict[str, Any], names: dict[str, str]) -> None:
    for ours, theirs in names.items():
        assert found[ours] == pytest.approx(expected[theirs], abs=EXACT), ours


JUDGE_FIGURES = {"n": "n", "accuracy": "accuracy", "cohen_kappa": "cohen_kappa"}


@pytest.mark.parametrize("reference", ["ttcw_creativity"], indirect=True)
def test_the_figures_of_the_creativity_tests_equal_the_reference(reference: dict[str, Any]):
    for name, expected in reference["per_test"].items():
        found = report(name, experiment="ttcw_creativity")
        same(found["humans"], expected, {"fleiss_kappa": "fleiss_kappa"})
        same(
            found["humans"]["krippendorff_alpha"],
            expected,
            {"nominal": "krippendorff_alpha_nominal"},
        )
        share = found["labels"]["true"] / sum(found["labels"].values())
        assert share == pytest.approx(expected["share_of_items_with_majority_true"], abs=EXACT)
    pooled = report(*reference["per_test"], experiment="ttcw_creativity")
    assert pooled["n"] == 672
    same(pooled["humans"], reference, {"fleiss_kappa": "fleiss_kappa_pooled_672_items"})
    same(
        pooled["humans"]["krippendorff_alpha"],
        reference,
        {"nominal": "krippendorff_alpha_nominal_pooled"},
    )
    assert pooled["judges"].keys() == reference["judges_vs_expert_majority"].keys()
    names = {name: name for name in ("balanced_accuracy", "precision", "recall", "f1")}
    for source, expected in reference["judges_vs_expert_majority"].items():
        found = pooled["judges"][source]
        same(found, expected, {**JUDGE_FIGURES, **names, "phi": "pearson_phi"})
        assert cells(found["confusion"]) == cells(
            _lower(expected["confusion_rows_human_cols_judge"])
        )


@pytest.mark.parametrize("reference", ["pandalm_pairwise"], indirect=True)
def test_the_figures_of_the_pairwise_preferences_equal_the_reference(reference: dict[str, Any]):
    found = report("preference", experiment="pandalm_pairwise")
    assert found["n"] == 999
    assert found["labels"] == reference["majority_counts"]
    humans = found["humans"]
    for pair, kappa in reference["cohen_kappa_pairs"].items():
        first, second = pair.split("~")
        assert humans["pairwise_cohen_kappa"][f"{first}|{second}"] == pytest.approx(
            kappa, abs=EXACT
        )
    same(
        humans,
        reference,
        {"fleiss_kappa": "fleiss_kappa", "percent_agreement": "mean_pairwise_percent_agreement"},
    )
    same(humans["krippendorff_alpha"], reference, {"nominal": "krippendorff_alpha_nominal"})
    for source, expected in reference["judges_vs_majority"].items():
        same(found["judges"][source], expected, JUDGE_FIGURES)
        assert cells(found["judges"][source]["confusion"]) == cells(
            expected["confusion_rows_human_cols_judge"]
        )


@pytest.mark.parametrize("reference", ["xstest_refusal"], indirect=True)
def test_the_figures_of_the_refusals_equal_the_reference_programs_included(
    reference: dict[str, Any],
):
    found = report("refusal_class", experiment="xstest_refusal")
    assert found["humans"]["raters"] == ["annotator_1", "annotator_2"]
    names = {"fleiss_kappa": "fleiss_kappa", "percent_agreement": "percent_agreement"}
    same(found["humans"], reference, names)
    same(
        found["humans"]["krippendorff_alpha"], reference, {"nominal": "krippendorff_alpha_nominal"}
    )
    same(
        found["humans"]["pairwise_cohen_kappa"],
        reference,
        {"annotator_1|annotator_2": "cohen_kappa"},
    )
    assert found["judges"].keys() == {"gpt-4", "string_match"}
    for source in found["judges"]:
        expected = reference[f"{source}_vs_adjudicated"]
        same(found["judges"][source], expected, JUDGE_FIGURES)
        assert cells(found["judges"][source]["confusion"]) == cells(
            expected["confusion_rows_human_cols_judge"]
        )


@pytest.mark.parametrize("reference", ["conture_dialogs"], indirect=True)
def test_the_figures_of_the_dialogs_equal_the_reference(reference: dict[str, Any]):
    for name, expected in reference["per_dimension"].items():
        found = report(name, experiment="conture_dialogs")
        alphas = found["humans"]["krippendorff_alpha"]
        same(
            alphas,
            expected,
            {"ordinal": "krippendorff_alpha_ordinal", "interval": "krippendorff_alpha_interval"},
        )
        assert found["judges"] == {}


def _lower(confusion: dict[str, Any]) -> dict[str, Any]:
    return {**confusion, "labels": [label.lower() for label in confusion["labels"]]}


@pytest.fixture
def judge(alice: User) -> Judge:
    return create_judge(
        experiment=create_experiment(team=alice.memberships.get().team, name="shop"), name="quality"
    )


def test_undefined_figures_are_null_and_say_why(judge: Judge, alice: User):
    trace = create_trace(experiment=judge.experiment)
    create_verdict(judge=judge, trace=trace, value="poor")
    create_feedback(judge=judge, trace=trace, author=alice, value="good")
    found = report("quality")
    assert found["humans"]["fleiss_kappa"] is None
    assert found["why"]["humans.fleiss_kappa"] == "No item was answered by two people."
    (figures,) = found["judges"].values()
    assert (figures["n"], figures["accuracy"]) == (1, 0.0)
    assert found["why"].keys() >= {"humans.krippendorff_alpha.nominal", "humans.percent_agreement"}
    assert all(sentence.endswith(".") for sentence in found["why"].values())


def test_nothing_at_all_is_no_error(judge: Judge):
    found = report("quality")
    assert (found["n"], found["humans"]["raters"], found["labels"], found["judges"]) == (
        0,
        [],
        {},
        {},
    )


def test_a_correction_a_withdrawal_and_cannot_judge_do_not_count(
    judge: Judge, alice: User, lena: User
):
    trace = create_trace(experiment=judge.experiment)
    create_feedback(judge=judge, trace=trace, author=alice, value="good")
    create_feedback(judge=judge, trace=trace, author=alice, value="poor")
    create_feedback(judge=judge, trace=trace, author=lena, value=None, declined_reason="no idea")
    found = report("quality")
    assert found["humans"]["raters"] == ["alice"]
    assert found["labels"] == {"poor": 1}


def test_of_one_source_the_newest_verdict_on_a_trace_counts(judge: Judge, adam: User, alice: User):
    trace = create_trace(experiment=judge.experiment)
    create_feedback(judge=judge, trace=trace, author=alice, value="good")
    create_verdict(judge=judge, trace=trace, value="poor")
    first = judge.current_version
    assert first is not None
    edit_judge(
        actor=adam,
        judge=judge,
        instructions=first.instructions + " Be kind.",
        value_type=first.value_type,
        model=first.model,
    )
    create_verdict(judge=judge, trace=trace, value="good")
    assert report("quality")["judges"][first.model]["accuracy"] == 1.0
    assert [
        (each.version.number, each.agreement.accuracy.value) for each in version_trend(judge)
    ] == [
        (1, 0.0),
        (2, 1.0),
    ]
    agreement = agreement_of(judge)
    assert agreement.labels == {"good": 1}
    current = agreement.of_version(judge.current_version)
    assert current is not None
    assert current.accuracy.value == 1.0


def test_foreign_judges_and_programs_stand_by_their_own_name(judge: Judge, alice: User):
    trace = create_trace(experiment=judge.experiment)
    create_feedback(judge=judge, trace=trace, author=alice, value="good")
    for source_type, source_id in ((Source.LLM_JUDGE, "other"), (Source.CODE, "regex")):
        Assessment.objects.create(
            trace=trace,
            name="quality",
            source_type=source_type,
            source_id=source_id,
            value="good",
            value_key="good",
        )
    agreement = agreement_of(judge)
    assert {source: each.accuracy.value for source, each in agreement.sources.items()} == {
        "other": 1.0,
        "regex": 1.0,
    }
    assert agreement.versions == ()


def test_the_readable_form_says_the_same(judge: Judge, alice: User, lena: User):
    for value in ("good", "poor"):
        trace = create_trace(experiment=judge.experiment)
        create_verdict(judge=judge, trace=trace, value="good")
        create_feedback(judge=judge, trace=trace, author=alice, value=value)
        create_feedback(judge=judge, trace=trace, author=lena, value=value)
    out = StringIO()
    call_command("agreement", "quality", "--experiment", "shop", stdout=out)
    text = out.getvalue()
    assert "quality: 2 items with feedback. Labels: 1 good, 1 poor." in text
    assert "Among people (alice, lena); 2 items shared" in text
    assert "Accuracy: 0.500" in text
    assert "Fleiss' kappa: 1.000" in text


def test_an_unknown_judge_is_answered_with_those_there_are(judge: Judge):
    with pytest.raises(CommandError, match="has no judge “tone”; it has “quality”"):
        report("tone")


@pytest.fixture
def many(db: None) -> Judge:
    """A judge with 1,000 labelled traces, three raters and two foreign judges each."""
    experiment = create_experiment(name="shop")
    values = ("a", "b", "c")

    def assessments(number: int) -> Iterator[AssessmentRecord]:
        for place in range(5):
            yield AssessmentRecord(
                name="kind",
                value=values[(number * 7 + (place * number) % 5 // 4) % 3],
                source_type="HUMAN" if place < 3 else "LLM_JUDGE",
                source_id=f"source {place}",
            )

    import_traces(
        experiment=experiment,
        records=(
            TraceRecord(trace_id=f"t-{number}", inputs="x", assessments=tuple(assessments(number)))
            for number in range(1000)
        ),
    )
    return Judge.objects.select_related("current_version").get()


def test_the_number_of_queries_is_the_same_for_a_thousand_labels(
    many: Judge, django_assert_max_num_queries
):
    assert Label.objects.count() == 1000
    with django_assert_max_num_queries(5):
        assert agreement_of(many).sources["source 3"].n == 1000
    with django_assert_max_num_queries(1):
        assert expert_agreement(many).n == 1000
    with django_assert_max_num_queries(4):
        assert version_trend(many) == ()


def test_ordered_values_have_ordinal_figures_and_others_not(alice: User, lena: User):
    experiment = create_experiment(name="shop")
    kinds = {
        "ordered": ValueType(
            kind=ValueKind.CATEGORY, categories=("low", "mid", "high"), ordered=True
        ),
        "plain": ValueType(kind=ValueKind.CATEGORY, categories=("low", "mid", "high")),
    }
    for name, value_type in kinds.items():
        judge = create_judge(experiment=experiment, name=name, value_type=value_type)
        for first, second in (("low", "low"), ("mid", "high"), ("high", "high")):
            trace = create_trace(experiment=experiment)
            create_feedback(judge=judge, trace=trace, author=alice, value=first)
            create_feedback(judge=judge, trace=trace, author=lena, value=second)
    assert report("ordered")["humans"]["krippendorff_alpha"]["ordinal"] is not None
    assert report("plain")["humans"]["krippendorff_alpha"]["ordinal"] is None
    assert report("ordered", "plain")["n"] == 6


def test_who_adjudicates_is_no_rater(judge: Judge, alice: User):
    boss = create_user(username="boss")
    Judge.objects.filter(pk=judge.pk).update(
        label_rule=LabelRule.ADJUDICATED.value, adjudicator="boss"
    )
    judge.refresh_from_db()
    trace = create_trace(experiment=judge.experiment)
    create_feedback(judge=judge, trace=trace, author=alice, value="good")
    create_feedback(judge=judge, trace=trace, author=boss, value="poor")
    found = report("quality")
    assert found["humans"]["raters"] == ["alice"]
    assert found["labels"] == {"poor": 1}
    assert Experiment.objects.count() == 1
