"""`export_feedback`: each answer beside its label and verdict, safe in a spreadsheet, and importable again."""

from __future__ import annotations

import csv
import json
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
from django.core.management import CommandError, call_command

from annotator.models import Assessment, Experiment, Judge, User
from annotator.services.exports import FEEDBACK_COLUMNS
from annotator.services.guidelines import save_guideline
from judges.values import ValueKind, ValueType
from tests.factories import (
    create_experiment,
    create_feedback,
    create_judge,
    create_trace,
    create_verdict,
)


@pytest.fixture
def judge(alice: User) -> Judge:
    judge = create_judge(
        experiment=create_experiment(team=alice.memberships.get().team, name="shop")
    )
    save_guideline(actor=None, judge=judge, text="Look for a date.", choose_when={})
    return judge


def export(capsys: pytest.CaptureFixture[str], *options: str) -> str:
    call_command("export_feedback", "--experiment", "shop", *options)
    return capsys.readouterr().out


def rows_of(text: str) -> list[dict[str, str]]:
    return list(csv.DictReader(StringIO(text, newline="")))


def test_an_answer_comes_with_reviewer_versions_label_and_verdict(
    judge: Judge, alice: User, lena: User, capsys
):
    trace = create_trace(experiment=judge.experiment, trace_id="t-1")
    create_verdict(judge=judge, trace=trace, value="good")
    create_feedback(
        judge=judge, trace=trace, author=alice, value="poor", rationale="No date,\nat all"
    )
    create_feedback(judge=judge, trace=trace, author=lena, value="poor")
    first, second = rows_of(export(capsys))
    assert tuple(first) == FEEDBACK_COLUMNS
    assert (first["trace_id"], first["name"], first["source_id"]) == ("t-1", "quality", "alice")
    assert (first["value"], first["rationale"]) == ("poor", "No date,\nat all")
    assert (first["label"], first["label_rule"], first["guideline_version"]) == (
        "poor",
        "MAJORITY",
        "1",
    )
    version = judge.current_version
    assert version is not None
    assert (first["verdict"], first["verdict_by"], first["judge_version"]) == (
        "good",
        version.model,
        "1",
    )
    assert second["source_id"] == "lena"


def test_a_correction_is_exported_and_not_what_it_corrected(judge: Judge, alice: User, capsys):
    trace = create_trace(experiment=judge.experiment)
    create_feedback(judge=judge, trace=trace, author=alice, value="poor")
    create_feedback(judge=judge, trace=trace, author=alice, value="good")
    assert [row["value"] for row in rows_of(export(capsys))] == ["good"]


@pytest.mark.parametrize(
    ("rationale", "cell"),
    [
        ("=HYPERLINK(1)", "'=HYPERLINK(1)"),
        ("+1 for this", "'+1 for this"),
        ("-- no", "'-- no"),
        ("@sum", "'@sum"),
        ("-5", "-5"),
        ("a=b", "a=b"),
    ],
)
def test_a_spreadsheet_takes_no_text_for_a_formula(
    rationale: str, cell: str, judge: Judge, alice: User, capsys
):
    trace = create_trace(experiment=judge.experiment)
    create_feedback(judge=judge, trace=trace, author=alice, rationale=rationale)
    assert rows_of(export(capsys))[0]["rationale"] == cell


@pytest.mark.parametrize("form", ["csv", "jsonl"])
def test_an_export_can_be_imported_again(
    form: str, judge: Judge, alice: User, lena: User, tmp_path: Path, capsys
):
    traces = [create_trace(experiment=judge.experiment) for _ in range(3)]
    create_verdict(judge=judge, trace=traces[0])
    create_feedback(
        judge=judge, trace=traces[0], author=alice, value="good", rationale="=1 “quoted”,\n'=x"
    )
    create_feedback(judge=judge, trace=traces[0], author=lena, value="poor")
    create_feedback(
        judge=judge, trace=traces[1], author=alice, value=None, declined_reason="no idea"
    )
    create_feedback(judge=judge, trace=traces[2], author=lena, value="fair")
    columns = (
        "trace__trace_id",
        "name",
        "source_id",
        "value",
        "rationale",
        "declined_reason",
        "created_at",
    )
    before = list(Assessment.objects.human().order_by("trace", "source_id").values_list(*columns))
    path = tmp_path / f"feedback.{form}"
    export(capsys, "--format", form, "--output", str(path))
    call_command("import_feedback", str(path), "--experiment", "shop")
    captured = capsys.readouterr()
    assert "0 new answers, 0 corrected, 4 unchanged" in captured.out
    assert "Not read" not in captured.err
    Assessment.objects.human().delete()
    call_command("import_feedback", str(path), "--experiment", "shop")
    after = list(Assessment.objects.human().order_by("trace", "source_id").values_list(*columns))
    assert after == before


def test_json_lines_keep_the_types_of_values(alice: User, capsys):
    experiment = create_experiment(team=alice.memberships.get().team, name="shop")
    judge = create_judge(experiment=experiment, value_type=ValueType(kind=ValueKind.BOOLEAN))
    create_feedback(
        judge=judge, trace=create_trace(experiment=experiment), author=alice, value=True
    )
    row: dict[str, Any] = json.loads(export(capsys, "--format", "jsonl"))
    assert (row["value"], row["label"], row["verdict"]) == (True, True, None)
    assert rows_of(export(capsys))[0]["value"] == "true"


def test_one_judge_alone_can_be_exported(judge: Judge, alice: User, capsys):
    other = create_judge(experiment=judge.experiment, name="tone")
    trace = create_trace(experiment=judge.experiment)
    create_feedback(judge=judge, trace=trace, author=alice)
    create_feedback(judge=other, trace=trace, author=alice)
    assert [row["name"] for row in rows_of(export(capsys, "--judge", "tone"))] == ["tone"]
    assert len(rows_of(export(capsys))) == 2


def test_the_number_of_queries_does_not_grow_with_the_rows(
    judge: Judge, alice: User, capsys, django_assert_max_num_queries
):
    for _ in range(12):
        create_feedback(judge=judge, trace=create_trace(experiment=judge.experiment), author=alice)
    with django_assert_max_num_queries(8):
        export(capsys)


def test_nothing_to_export_gives_the_header_and_a_bad_place_a_sentence(
    judge: Judge, tmp_path: Path, capsys
):
    assert rows_of(export(capsys)) == []
    with pytest.raises(CommandError, match="cannot be written: No such file or directory"):
        export(capsys, "--output", str(tmp_path / "none" / "feedback.csv"))
    with pytest.raises(CommandError, match="There is no experiment “shed”"):
        call_command("export_feedback", "--experiment", "shed")
    assert Experiment.objects.count() == 1
