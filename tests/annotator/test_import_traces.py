"""`import_traces`: what is taken, what is refused and why, and that repeating it changes nothing."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from alignment.labels import LabelRule
from annotator.models import (
    ActivityLog,
    Assessment,
    Experiment,
    Judge,
    JudgeVersion,
    Label,
    Span,
    Team,
    Trace,
)
from annotator.services.feedback import add_feedback, withdraw_feedback
from annotator.services.judge_drafts import infer_value_type
from judges.values import ValueKind, ValueType
from tests.annotator.import_files import line, run, said, span, write
from tests.factories import create_team, create_user

__all__ = ["run", "write"]  # fixtures

DATA = Path(__file__).resolve().parents[3] / "shared" / "data"
COUNTS = {
    "ttcw_creativity": {"traces": 48, "HUMAN": 2016, "LLM_JUDGE": 3360, "judges": 14},
    "pandalm_pairwise": {"traces": 999, "HUMAN": 2997, "LLM_JUDGE": 1973, "judges": 1},
    "xstest_refusal": {"traces": 450, "HUMAN": 1350, "LLM_JUDGE": 450, "CODE": 450, "judges": 1},
    "conture_dialogs": {"traces": 119, "HUMAN": 3935, "judges": 12},
}


@pytest.mark.django_db
@pytest.mark.parametrize("name", COUNTS)
def test_a_public_data_set_is_imported_whole_and_a_second_time_changes_nothing(name: str, run):
    path = DATA / f"{name}.jsonl"
    if not path.exists():
        pytest.skip("the public data sets are not beside this checkout")
    expected = dict(COUNTS[name])
    _, _, failure = run(str(path), experiment=name)
    assert failure == ""
    assert Trace.objects.count() == expected.pop("traces")
    assert Judge.objects.count() == expected.pop("judges")
    assert Counter(Assessment.objects.values_list("source_type", flat=True)) == expected
    before = (
        set(Assessment.objects.values_list("pk", "valid")),
        set(Label.objects.values_list("pk", "settled_at")),
    )
    log_rows = ActivityLog.objects.count()
    out, _, failure = run(str(path), experiment=name)
    assert failure == ""
    assert "0 new traces, 0 updated" in out
    assert "0 new assessments, 0 corrected" in out
    assert before == (
        set(Assessment.objects.values_list("pk", "valid")),
        set(Label.objects.values_list("pk", "settled_at")),
    )
    assert ActivityLog.objects.count() == log_rows


@pytest.mark.django_db
def test_the_number_of_queries_grows_with_chunks_not_with_traces(
    write, run, django_assert_max_num_queries
):
    rows = [line(f"t-{number}", assessments=[said()], spans=[span()]) for number in range(400)]
    path = write(*rows)
    with django_assert_max_num_queries(75):
        run(path)


@pytest.mark.django_db
def test_everything_optional_is_kept(write, run):
    path = write(
        line(
            state="ERROR",
            request_time="2026-11-23T07:07:09.5+01:00",
            duration_ms=12,
            tags={"channel": "mail"},
            metadata={"release": 3},
            conversation_id="c-7",
            spans=[
                span(),
                span(span_id="s2", parent_id="s1", span_type="TOOL", attributes={"k": 1}),
            ],
            assessments=[
                said(type="expectation", name="right answer", value={"any": ["json"]}),
                said(declined_reason="I do not know it", value=None),
            ],
        )
    )
    assert run(path)[2] == ""
    trace = Trace.objects.get()
    assert (trace.state, trace.duration_ms, trace.conversation_id) == ("ERROR", 12, "c-7")
    assert trace.requested_at.isoformat() == "2026-11-23T06:07:09.500000+00:00"
    assert (trace.tags, trace.metadata) == ({"channel": "mail"}, {"release": 3})
    assert (trace.request_preview, trace.response_preview) == ("Why?", "So.")
    assert [(s.span_id, s.parent_id, s.span_type) for s in trace.spans.order_by("span_id")] == [
        ("s1", "", "UNKNOWN"),
        ("s2", "s1", "TOOL"),
    ]
    kinds = trace.assessments.values_list("kind", "name", "declined_reason").order_by("kind")
    assert list(kinds) == [
        ("EXPECTATION", "right answer", ""),
        ("FEEDBACK", "quality", "I do not know it"),
    ]


@pytest.mark.django_db
def test_a_known_trace_gets_what_is_given_and_keeps_the_rest(write, run):
    run(write(line(tags={"a": "1"}, duration_ms=5, spans=[span()])))
    run(
        write(
            line(outputs={"answer": "Therefore."}, spans=[span(end_ns=9_000), span(span_id="s2")])
        )
    )
    trace = Trace.objects.get()
    assert (trace.outputs, trace.tags, trace.duration_ms) == (
        {"answer": "Therefore."},
        {"a": "1"},
        5,
    )
    assert trace.response_preview == "Therefore."
    assert sorted(trace.spans.values_list("span_id", "end_ns")) == [("s1", 9_000), ("s2", 2_000)]
    assert Span.objects.count() == 2


@pytest.mark.django_db
def test_a_changed_value_of_the_same_source_is_a_correction_and_never_votes_twice(write, run):
    run(write(line(assessments=[said("good")]), line("t-2", assessments=[said("bad")])))
    out, _, _ = run(write(line(assessments=[said("bad", rationale="on second thought")])))
    assert "0 new assessments, 1 corrected, 0 unchanged" in out
    old, new = Assessment.objects.filter(trace__trace_id="t-1").order_by("pk")
    assert (old.valid, new.valid, new.overrides) == (False, True, old)
    label = Label.objects.get(trace__trace_id="t-1")
    assert (label.value, label.votes) == ("bad", {"bad": 1})
    out, _, _ = run(write(line(assessments=[said("good")])))
    assert "1 corrected" in out
    assert Label.objects.get(trace__trace_id="t-1").value == "good"


@pytest.mark.django_db
def test_an_old_file_undoes_neither_a_correction_nor_a_withdrawal_made_in_the_app(write, run):
    team = create_team(name="Support")
    anna, bert = create_user(username="anna", team=team), create_user(username="bert", team=team)
    path = write(
        line(assessments=[said("good"), said("good", source_id="bert")]),
        line("t-2", assessments=[said("bad")]),
    )
    run(path)
    judge, trace = Judge.objects.get(), Trace.objects.get(trace_id="t-1")
    add_feedback(author=anna, trace=trace, judge=judge, value="bad")
    berts = add_feedback(author=bert, trace=trace, judge=judge, value="bad")
    withdraw_feedback(author=bert, assessment=berts)
    out, _, _ = run(path)
    assert "0 new assessments, 0 corrected" in out
    valid = Assessment.objects.human().filter(trace=trace).values_list("source_id", "value")
    assert list(valid) == [("anna", "bad")]


@pytest.mark.django_db
def test_a_dry_run_counts_everything_and_stores_nothing(write, run):
    out, err, failure = run(write(line(assessments=[said(True)]), "{"), "--dry-run")
    assert "1 new trace," in out
    assert "1 judge drafted: quality" in out
    assert "line 2" in err
    assert failure == "1 line refused; all others are kept."
    for model in (Team, Experiment, Trace, Assessment, Judge, Label, ActivityLog):
        assert not model.objects.exists()


@pytest.mark.django_db
def test_a_judge_is_drafted_for_each_name_with_the_type_of_its_values(write, run):
    run(
        write(
            line(
                assessments=[
                    said(True, name="polite"),
                    said(1, name="stars"),
                    said(0.25, name="score"),
                    said("good", name="quality"),
                    said("Too long, and it never says when.", name="comment"),
                ]
            ),
            line("t-2", assessments=[said(4, name="stars"), said(1.5, name="score"), said("bad")]),
        )
    )
    types = {
        judge.name: judge.value_type for judge in Judge.objects.select_related("current_version")
    }
    assert types == {
        "polite": ValueType(kind=ValueKind.BOOLEAN),
        "stars": ValueType(kind=ValueKind.INTEGER, minimum=1, maximum=4),
        "score": ValueType(kind=ValueKind.NUMBER, minimum=0, maximum=2),
        "quality": ValueType(kind=ValueKind.CATEGORY, categories=("bad", "good")),
        "comment": ValueType(kind=ValueKind.TEXT),
    }
    judge = Judge.objects.get(name="quality")
    version = judge.current_version
    assert version is not None
    assert (version.number, version.origin, version.model) == (1, "IMPORT", "")
    assert "{{ inputs }}" in version.instructions
    assert "{{ outputs }}" in version.instructions
    assert "one of: bad, good" in version.instructions
    assert judge.alignment_policy == Judge.AlignmentPolicy.MANUAL
    assert Label.objects.filter(judge=judge).count() == 2


@pytest.mark.django_db
def test_a_draft_takes_up_new_values_until_somebody_completes_it(write, run):
    run(write(line(assessments=[said(2)]), line("t-2", assessments=[said(3)])))
    run(write(line("t-3", assessments=[said(5)])))
    judge = Judge.objects.get()
    assert judge.value_type == ValueType(kind=ValueKind.INTEGER, minimum=2, maximum=5)
    assert list(judge.versions.order_by("number").values_list("number", "origin")) == [
        (1, "IMPORT"),
        (2, "IMPORT"),
    ]
    JudgeVersion.objects.filter(judge=judge).update(model="demo:/judge")
    _, err, _ = run(write(line("t-4", assessments=[said(7)])))
    assert (
        "line 1, assessments[0].value: “7” is no value of “quality”, which is a whole number from 2 to 5."
        in err
    )
    assert not Trace.objects.filter(trace_id="t-4").exists()


@pytest.mark.django_db
def test_the_adjudicator_settles_alone_and_does_not_vote(write, run):
    path = write(
        line(assessments=[said("a"), said("a", source_id="b"), said("b", source_id="boss")]),
        line("t-2", assessments=[said("a")]),
    )
    run(path, "--adjudicator", "boss")
    judge = Judge.objects.get()
    assert (judge.label_rule, judge.adjudicator) == (LabelRule.ADJUDICATED, "boss")
    assert list(Label.objects.values_list("trace__trace_id", "value")) == [("t-1", "b")]


@pytest.mark.django_db
def test_the_default_adjudicator_needs_no_option(write, run):
    run(write(line(assessments=[said("a"), said("b", source_id="adjudicated")])))
    assert Label.objects.get().value == "b"


@pytest.mark.django_db
@pytest.mark.parametrize("near", ["Quality", "quality ", " QUALITY", "qua lity"])
def test_a_name_that_is_almost_a_judges_is_refused_and_the_mapping_offered(near: str, write, run):
    run(write(line(assessments=[said("good")]), line("t-2", assessments=[said("bad")])))
    path = write(line("t-3", assessments=[said("good", name=near)]))
    _, err, failure = run(path)
    assert "is almost “quality”" in err
    assert f'--map "{near}=quality"' in err
    assert failure
    assert run(path, "--map", f"{near}=quality")[2] == ""
    assert set(Assessment.objects.values_list("name", flat=True)) == {"quality"}


@pytest.mark.django_db
def test_two_names_of_one_file_that_differ_in_case_only_are_not_two_judges(write, run):
    rows = [line(assessments=[said()]), line("t-2", assessments=[said(name="Quality")])]
    _, err, _ = run(write(*rows))
    assert "line 2, assessments[0].name: “Quality” is almost “quality”" in err
    assert Judge.objects.count() == 1


@pytest.mark.django_db
def test_a_refused_line_leaves_no_mark_on_later_ones(write, run):
    refused = line(
        assessments=[said(name="Quality"), said(name="polite", value=1), said(name="quality ")]
    )
    _, err, failure = run(write(refused, line(assessments=[said(), said(True, name="polite")])))
    assert "line 1" in err
    assert failure == "1 line refused; all others are kept."
    assert set(Judge.objects.values_list("name", flat=True)) == {"quality", "polite"}


@pytest.mark.django_db
def test_the_experiment_goes_to_the_team_named_or_the_first_or_a_new_one(write, run):
    run(write(line("a")), experiment="one")
    assert Experiment.objects.get(name="one").team.name == "Default"
    create_team(name="Sales")
    run(write(line("b")), "--team", "Sales", experiment="two")
    assert Experiment.objects.get(name="two").team.name == "Sales"
    run(write(line("c")), experiment="three")
    assert Experiment.objects.get(name="three").team.name == "Default"
    assert run(write(line("d")), "--team", "Nobody")[2] == (
        "There is no team “Nobody”; there is “Default”, “Sales”."
    )
    run(write(line("e")), "--team", "Sales", experiment="one")
    assert run(write(line("f")), experiment="one")[2] == (
        "Several teams have an experiment “one”: “Default”, “Sales”. Say which with --team."
    )


@pytest.mark.django_db
def test_a_long_list_of_refusals_is_counted_by_reason(write, run):
    _, err, failure = run(write(*["{"] * 250))
    assert err.count("Refused line") == 200
    assert "Refused 50 more lines: Not valid JSON" in err
    assert failure == "250 lines refused; all others are kept."


@pytest.mark.django_db
def test_an_import_is_in_the_activity_log(write, run):
    run(write(line(assessments=[said()])))
    row = ActivityLog.objects.get(action="imported into")
    assert (row.actor, row.target_name) == (None, "shop")
    assert row.after["new_traces"] == 1


@pytest.mark.parametrize(
    ("values", "kind"),
    [
        ([True, False], ValueKind.BOOLEAN),
        ([1, 5, 2.0], ValueKind.INTEGER),
        ([1, 2.5], ValueKind.NUMBER),
        (["a", "b", "c"], ValueKind.CATEGORY),
        (["a"], ValueKind.TEXT),
        (["a", "A"], ValueKind.TEXT),
        ([f"text {number}" for number in range(13)], ValueKind.TEXT),
        (["short", "x" * 41], ValueKind.TEXT),
        ([], ValueKind.TEXT),
    ],
)
def test_the_type_is_the_narrowest_that_all_values_have(values: list[Any], kind: ValueKind):
    assert infer_value_type(values).kind is kind
