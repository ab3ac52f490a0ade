"""`import_feedback`: ground truth as CSV and JSON Lines, with names checked against the judges."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from django.core.management import CommandError, call_command

from annotator.ingest.feedback_file import neutralised, plain
from annotator.models import ActivityLog, Assessment, Experiment, Judge, Label
from tests.factories import create_experiment, create_judge, create_trace

Run = Callable[..., tuple[str, str, str]]


@pytest.fixture
def experiment(db: None) -> Experiment:
    experiment = create_experiment(name="shop")
    for number in range(1, 4):
        create_trace(experiment=experiment, trace_id=f"t-{number}")
    return experiment


@pytest.fixture
def judge(experiment: Experiment) -> Judge:
    return create_judge(experiment=experiment, name="product_quality")


@pytest.fixture
def run(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Run:
    """Runs the command on a content; its output, what it refused, and the sentence it failed with."""

    def run(
        content: str | bytes, *options: str, name: str = "feedback.csv"
    ) -> tuple[str, str, str]:
        path = tmp_path / name
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
        failure = ""
        try:
            call_command("import_feedback", str(path), "--experiment", "shop", *options)
        except CommandError as error:
            failure = str(error)
        captured = capsys.readouterr()
        return captured.out, captured.err, failure.replace(f"{path}: ", "")

    return run


def answers() -> list[tuple[Any, ...]]:
    rows = Assessment.objects.human().order_by("trace__trace_id", "source_id")
    return list(rows.values_list("trace__trace_id", "name", "value", "rationale", "source_id"))


@pytest.mark.parametrize("separator", [",", ";", "\t"])
def test_ground_truth_from_a_spreadsheet_becomes_feedback_and_labels(
    separator: str, judge: Judge, run: Run
):
    rows = [
        ["Trace_ID", " name ", "value", "rationale"],
        ["t-1", "product_quality", "Excellent", f'"says when{separator}\nand how"'],
        ["", "", "", ""],
        ["t-2", "product_quality", "poor", ""],
    ]
    content = "\ufeff" + "\r\n".join(separator.join(row) for row in rows)
    out, _, failure = run(content)
    assert failure == ""
    assert "2 new answers" in out
    assert answers() == [
        ("t-1", "product_quality", "excellent", f"says when{separator}\nand how", "ground_truth"),
        ("t-2", "product_quality", "poor", "", "ground_truth"),
    ]
    assert dict(Label.objects.values_list("trace__trace_id", "value")) == {
        "t-1": "excellent",
        "t-2": "poor",
    }


def test_the_same_file_again_changes_nothing_and_a_changed_value_corrects(judge: Judge, run: Run):
    run("trace_id,name,value\nt-1,product_quality,good\n")
    log_rows = ActivityLog.objects.count()
    assert (
        "0 new answers, 0 corrected, 1 unchanged"
        in run("trace_id,name,value\nt-1,product_quality,good\n")[0]
    )
    assert ActivityLog.objects.count() == log_rows
    assert "0 new answers, 1 corrected" in run("trace_id,name,value\nt-1,product_quality,fair\n")[0]
    assert [row[2] for row in answers()] == ["fair"]
    assert Label.objects.get().votes == {"fair": 1}
    assert Assessment.objects.filter(valid=False).count() == 1


def test_json_lines_with_own_sources_reasons_and_declined_answers(judge: Judge, run: Run):
    rows = [
        {
            "trace_id": "t-1",
            "label": "good",
            "source_id": "anna",
            "created_at": "2026-11-01T10:00:00Z",
        },
        {"trace_id": "t-1", "label": "poor", "source_id": "bert", "rationale": "no date"},
        {"trace_id": "t-2", "label": None, "declined_reason": "not my field"},
    ]
    content = "\n".join(json.dumps(row) for row in rows)
    assert run(content, "--judge", "product_quality", "--source-id", "boss")[2] == ""
    assert answers() == [
        ("t-1", "product_quality", "good", "", "anna"),
        ("t-1", "product_quality", "poor", "no date", "bert"),
        ("t-2", "product_quality", None, "", "boss"),
    ]
    assert (
        Assessment.objects.get(source_id="anna").created_at.isoformat()
        == "2026-11-01T10:00:00+00:00"
    )


def test_a_dry_run_stores_nothing(judge: Judge, run: Run):
    out, _, _ = run("trace_id,name,value\nt-1,product_quality,good\n", "--dry-run")
    assert "Nothing was stored" in out
    assert "1 new answer," in out
    assert "1 label made" in out
    assert not Assessment.objects.exists()
    assert not Label.objects.exists()


@pytest.mark.parametrize("near", ["Product Quality", "product_quality ", "PRODUCT-QUALITY"])
def test_a_near_miss_of_the_name_is_refused_and_the_mapping_offered(
    near: str, judge: Judge, run: Run
):
    content = f"trace_id,name,value\nt-1,{near},good\n"
    _, err, failure = run(content)
    assert f"line 2, name: “{near}” is almost “product_quality”" in err
    assert f'--map "{near}=product_quality"' in err
    assert failure == "1 line refused; all others are kept."
    assert not Assessment.objects.exists()
    assert run(content, "--map", f"{near}=product_quality")[2] == ""
    assert [row[1] for row in answers()] == ["product_quality"]


@pytest.mark.parametrize(
    ("row", "sentence"),
    [
        (
            "t-1,product_quality,super",
            "line 2, value: “super” is no value of “product_quality”, which is one of: excellent, good, fair, poor.",
        ),
        (
            "t-1,politeness,good",
            "line 2, name: There is no judge “politeness” in this experiment; its judges are “product_quality”.",
        ),
        (
            "t-9,product_quality,good",
            "line 2, trace_id: There is no trace “t-9” in this experiment",
        ),
        (",product_quality,good", "line 2, trace_id: It is empty"),
        (
            "t-1,product_quality,",
            "line 2, value: The value is empty; leave it out where nobody gave one.",
        ),
        (
            "t-1,,good",
            "line 2, name: It does not say which judge it is for; add a column “name” or give --judge.",
        ),
        ("t-1,product_quality,good,very", "line 2: The row has 4 cells, the header 3"),
    ],
)
def test_a_wrong_row_is_refused_with_its_place_and_remedy_and_the_others_are_kept(
    row: str, sentence: str, judge: Judge, run: Run
):
    _, err, failure = run(f"trace_id,name,value\n{row}\nt-3,product_quality,fair\n")
    assert sentence in err
    assert failure == "1 line refused; all others are kept."
    assert [answer[0] for answer in answers()] == ["t-3"]


def test_a_second_answer_of_one_source_in_one_file_is_refused(judge: Judge, run: Run):
    _, err, _ = run("trace_id,name,value\nt-1,product_quality,good\nt-1,product_quality,poor\n")
    assert "line 3, trace_id: “ground_truth” has answered for this trace on line 2 already" in err


def test_another_judge_than_the_one_asked_for_is_refused(
    experiment: Experiment, judge: Judge, run: Run
):
    create_judge(experiment=experiment, name="tone")
    _, err, _ = run("trace_id,name,value\nt-1,tone,good\n", "--judge", "product_quality")
    assert "line 2, name: It is for “tone”, not for “product_quality”; leave out --judge." in err


def test_columns_that_nobody_reads_are_named(judge: Judge, run: Run):
    _, err, failure = run("trace_id,name,value,question\nt-1,product_quality,good,Why?\n")
    assert failure == ""
    assert "Not read: question." in err


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        (b"", "The file is empty."),
        (b"\n \n", "The file holds nothing but blank lines."),
        ("id,value\n", "There is no column “trace_id”; the first line must name the columns"),
        ("trace_id,verdict\n", "There is no column “value” or “label”"),
        ("trace_id,value,value\n", "The column “value” is there twice; keep one."),
        (b"PK\x03\x04", "The file is compressed (zip); unpack it first."),
        (
            b"trace_id,value\nt-1,caf\xe9\n",
            "Byte 8 of line 2 is not UTF-8; save the file as UTF-8.",
        ),
    ],
)
def test_a_file_that_cannot_be_read_gets_one_sentence(
    content: str | bytes, sentence: str, judge: Judge, run: Run
):
    assert sentence in run(content)[2]


def test_an_unknown_experiment_or_judge_is_answered_with_those_there_are(
    judge: Judge, run: Run, tmp_path: Path
):
    assert (
        run("x", "--judge", "tone")[2]
        == "The experiment “shop” has no judge “tone”; it has “product_quality”."
    )
    with pytest.raises(CommandError, match="There is no experiment “shed”; there is “shop”"):
        call_command("import_feedback", str(tmp_path / "feedback.csv"), "--experiment", "shed")


@pytest.mark.parametrize(
    "text",
    ["=1+1", "+cmd", "-x", "@a", "\tx", "\rx", "'=1", "''@", "plain", "'tis", "", "-5", "+1.5e3"],
)
def test_neutralising_a_cell_loses_nothing(text: str):
    cell = neutralised(text)
    assert not cell.startswith(("=", "@", "\t", "\r"))
    assert plain(cell) == text
