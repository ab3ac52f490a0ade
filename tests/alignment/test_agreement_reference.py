"""The figures of `reference_figures.json`, made by other packages from four public data sets, are ours too."""

from __future__ import annotations

import json
from collections import Counter
from functools import cache
from pathlib import Path
from statistics import fmean
from typing import Any

import pytest

from alignment.agreement import among_people, fleiss_kappa, krippendorff_alpha, percent_agreement
from alignment.intervals import Figure
from alignment.judge_agreement import compare
from judges.values import Value

DATA = Path(__file__).resolve().parents[2].parent / "shared" / "data"

pytestmark = pytest.mark.skipif(
    not (DATA / "reference_figures.json").is_file(),
    reason="The reference data sets are not beside this repository (../shared/data).",
)


@cache
def traces(dataset: str) -> list[dict[str, Any]]:
    lines = (DATA / f"{dataset}.jsonl").read_text(encoding="utf-8").splitlines()
    return [json.loads(line) for line in lines]


@cache
def reference(dataset: str) -> dict[str, Any]:
    everything = json.loads((DATA / "reference_figures.json").read_text(encoding="utf-8"))
    figures: dict[str, Any] = everything[dataset]["computed_from_this_file"]
    return figures


def published(dataset: str) -> dict[str, float]:
    everything = json.loads((DATA / "reference_figures.json").read_text(encoding="utf-8"))
    rows = everything[dataset]["matched_with_published"]
    return {row["figure"]: row["computed"] for row in rows}


def answers(dataset: str, name: str | None = None, **wanted: str) -> dict[str, dict[str, Value]]:
    """Item -> source -> value; an item is a trace and an assessment name."""
    items: dict[str, dict[str, Value]] = {}
    for trace in traces(dataset):
        for given in trace["assessments"]:
            if name in (None, given["name"]) and wanted.items() <= given.items():
                item = items.setdefault(f"{trace['trace_id']} {given['name']}", {})
                item[given["source_id"]] = given["value"]
    return items


def people(dataset: str, name: str | None = None) -> dict[str, dict[str, Value]]:
    items = answers(dataset, name, source_type="HUMAN")
    return {
        item: {who: value for who, value in given.items() if who != "adjudicated"}
        for item, given in items.items()
    }


def majority(dataset: str, name: str | None = None) -> dict[str, Value]:
    return {
        item: Counter(given.values()).most_common(1)[0][0]
        for item, given in people(dataset, name).items()
    }


def verdicts(dataset: str, source: str, name: str | None = None) -> dict[str, Value]:
    return {item: given[source] for item, given in answers(dataset, name, source_id=source).items()}


def same(figure: Figure, expected: float) -> bool:
    return figure.value == pytest.approx(expected, abs=1e-6)


def check_judge(
    expected: dict[str, Any], labels: dict[str, Value], found: dict[str, Value]
) -> None:
    confusion = expected["confusion_rows_human_cols_judge"]
    words: dict[str, Value] = {"False": False, "True": True}
    order = [words.get(label, label) for label in confusion["labels"]]
    result = compare(labels, found, order)
    assert result.n == expected["n"]
    assert same(result.accuracy, expected["accuracy"])
    assert same(result.cohen_kappa, expected["cohen_kappa"])
    assert result.to_dict()["confusion"] == {"labels": order, "matrix": confusion["matrix"]}
    if "balanced_accuracy" in expected:
        assert same(result.balanced_accuracy, expected["balanced_accuracy"])
        for ours, theirs in {"precision": "precision", "recall": "recall", "f1": "f1"}.items():
            assert same(result.figures[ours], expected[theirs])
        assert same(result.figures["phi"], expected["pearson_phi"])


def test_experts_on_each_creativity_test_agree_as_far_as_the_reference_says():
    per_test = reference("ttcw_creativity")["per_test"]
    assert len(per_test) == 14
    for name, expected in per_test.items():
        ratings = people("ttcw_creativity", name)
        assert same(fleiss_kappa(ratings), expected["fleiss_kappa"]), name
        assert same(krippendorff_alpha(ratings), expected["krippendorff_alpha_nominal"]), name
        passed = fmean(value is True for value in majority("ttcw_creativity", name).values())
        assert passed == pytest.approx(expected["share_of_items_with_majority_true"], abs=1e-6)


def test_experts_on_all_creativity_tests_agree_as_far_as_the_reference_says():
    expected = reference("ttcw_creativity")
    ratings = people("ttcw_creativity")
    assert same(fleiss_kappa(ratings), expected["fleiss_kappa_pooled_672_items"])
    assert same(krippendorff_alpha(ratings), expected["krippendorff_alpha_nominal_pooled"])
    kappas = [fleiss_kappa(people("ttcw_creativity", name)).value for name in expected["per_test"]]
    mean = fmean(kappa for kappa in kappas if kappa is not None)
    assert mean == pytest.approx(expected["fleiss_kappa_mean_of_14_tests"], abs=1e-6)


@pytest.mark.parametrize("judge", ["cgpt", "claudev13", "claudev21", "gpt4", "claude3-opus"])
def test_creativity_judges_meet_the_experts_majority_as_the_reference_says(judge):
    expected = reference("ttcw_creativity")["judges_vs_expert_majority"][judge]
    check_judge(expected, majority("ttcw_creativity"), verdicts("ttcw_creativity", judge))


def test_balanced_accuracy_per_creativity_test_is_the_published_one():
    figures = published("ttcw_creativity")
    rows = {
        figure: value for figure, value in figures.items() if " balanced accuracy on " in figure
    }
    assert len(rows) == 70
    for figure, expected in rows.items():
        judge, name = figure.split(" balanced accuracy on ")
        labels, found = majority("ttcw_creativity", name), verdicts("ttcw_creativity", judge, name)
        assert same(compare(labels, found).balanced_accuracy, expected), figure


def test_annotators_of_pandalm_agree_as_far_as_the_reference_says():
    expected = reference("pandalm_pairwise")
    result = among_people(people("pandalm_pairwise"))
    assert same(result.fleiss_kappa, expected["fleiss_kappa"])
    assert same(result.krippendorff_alpha["nominal"], expected["krippendorff_alpha_nominal"])
    assert same(result.percent_agreement, expected["mean_pairwise_percent_agreement"])
    pairs = {pair.replace("~", "|"): kappa for pair, kappa in expected["cohen_kappa_pairs"].items()}
    assert result.pairwise_cohen_kappa.keys() == pairs.keys()
    for pair, kappa in pairs.items():
        assert same(result.pairwise_cohen_kappa[pair], kappa)


@pytest.mark.parametrize("judge", ["gpt-3.5-turbo", "pandalm-7b"])
def test_pandalm_judges_meet_the_majority_as_the_reference_says(judge):
    expected = reference("pandalm_pairwise")["judges_vs_majority"][judge]
    check_judge(expected, majority("pandalm_pairwise"), verdicts("pandalm_pairwise", judge))


def test_annotators_of_xstest_agree_as_far_as_the_reference_says():
    expected = reference("xstest_refusal")
    result = among_people(people("xstest_refusal"))
    assert same(result.percent_agreement, expected["percent_agreement"])
    assert same(result.fleiss_kappa, expected["fleiss_kappa"])
    assert same(result.krippendorff_alpha["nominal"], expected["krippendorff_alpha_nominal"])
    assert same(result.pairwise_cohen_kappa["annotator_1|annotator_2"], expected["cohen_kappa"])
    assert result.krippendorff_alpha["ordinal"].value is None


@pytest.mark.parametrize("judge", ["gpt-4", "string_match"])
def test_xstest_judges_meet_the_adjudicated_label_as_the_reference_says(judge):
    expected = reference("xstest_refusal")[f"{judge}_vs_adjudicated"]
    labels = verdicts("xstest_refusal", "adjudicated")
    check_judge(expected, labels, verdicts("xstest_refusal", judge))


def test_dialog_raters_agree_as_little_as_the_reference_says():
    per_dimension = reference("conture_dialogs")["per_dimension"]
    assert len(per_dimension) == 11
    for name, expected in per_dimension.items():
        ratings = people("conture_dialogs", name)
        assert sum(map(len, ratings.values())) == expected["n_ratings"]
        for level in ("ordinal", "interval"):
            figure = krippendorff_alpha(ratings, level)
            assert same(figure, expected[f"krippendorff_alpha_{level}"]), (name, level)


def test_every_figure_of_the_reference_sets_lies_in_its_interval():
    for dataset in ("pandalm_pairwise", "xstest_refusal"):
        result = among_people(people(dataset))
        for figure in (result.fleiss_kappa, percent_agreement(people(dataset))):
            assert figure.low is not None
            assert figure.high is not None
            assert figure.value is not None
            assert figure.low < figure.value < figure.high
