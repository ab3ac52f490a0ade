"""Assessments over the wire: logged, read, changed, taken back; and what they mean to judges and to people."""

from __future__ import annotations

from typing import Any

import pytest

from annotator.models import ActivityLog, Assessment, Judge, Label, Scope, Trace, User
from annotator.services.readiness import labelled_traces
from tests.annotator.programs import V3, Program, expectation, feedback, source
from tests.factories import (
    create_experiment,
    create_feedback,
    create_judge,
    create_trace,
    create_user,
    create_verdict,
)

pytestmark = pytest.mark.django_db


@pytest.fixture
def trace(team) -> Trace:
    return create_trace(experiment=create_experiment(team=team))


@pytest.fixture
def judge(trace: Trace) -> Judge:
    return create_judge(experiment=trace.experiment)


@pytest.fixture
def program(lena: User) -> Program:
    return Program(lena)


def at(trace: Trace, assessment_id: str = "") -> str:
    base = f"{V3}/traces/{trace.trace_id}/assessments"
    return f"{base}/{assessment_id}" if assessment_id else base


def log(program: Program, trace: Trace, data: dict[str, Any]) -> dict[str, Any]:
    answer: dict[str, Any] = program.ok("POST", at(trace), {"assessment": data})["assessment"]
    return answer


def read(program: Program, trace: Trace, assessment_id: str) -> dict[str, Any]:
    answer: dict[str, Any] = program.ok("GET", at(trace, assessment_id))["assessment"]
    return answer


def test_feedback_comes_back_as_it_was_sent(program, trace):
    sent = feedback(rationale="clear", metadata={"m": "1"}, span_id="cf371b802190dd78")
    logged = log(program, trace, sent)
    assert logged["assessment_id"].startswith("a-")
    assert logged == {
        **sent,
        "assessment_id": logged["assessment_id"],
        "trace_id": trace.trace_id,
    }
    assert read(program, trace, logged["assessment_id"]) == logged


@pytest.mark.parametrize(
    "value",
    [
        True,
        False,
        3.0,
        3,
        -0.5,
        "",
        "yes",
        None,
        [],
        [1, "a"],
        {},
        {"a": {"b": None}},
        "é ✓",
        2**53,
    ],
)
def test_a_value_keeps_its_type(program, trace, value):
    back = log(program, trace, feedback(value=value))["feedback"]["value"]
    assert (back, type(back)) == (value, type(value))


@pytest.mark.parametrize(
    ("sent", "kept"),
    [
        (b"NaN", "NaN"),
        (b"-Infinity", "-Infinity"),
        (b"1" * 30, "1" * 30),
        (b'"a\\u0000\\ud800b"', "a?b"),
        (b'{"\\ud800": [NaN]}', {"?": ["NaN"]}),
    ],
)
def test_a_value_that_the_client_could_not_read_back_becomes_text(program, trace, sent, kept):
    body = b'{"assessment": {"assessment_name": "x", "feedback": {"value": ' + sent + b"}}}"
    assert program.ok("POST", at(trace), body)["assessment"]["feedback"]["value"] == kept


def test_an_error_takes_the_place_of_a_value(program, trace):
    error = {"error_code": "TIMEOUT", "error_message": "too slow", "stack_trace": "line 1"}
    sent = feedback(value=None, **source("LLM_JUDGE", "openai:/x"))
    sent["feedback"]["error"] = error
    assert log(program, trace, sent)["feedback"] == {"value": None, "error": error}


@pytest.mark.parametrize(
    "value",
    [
        {"value": "42"},
        {"value": 4.5},
        {"value": False},
        {"serialized_value": {"serialization_format": "JSON_FORMAT", "value": '{"a": [1, 2.0]}'}},
        {"serialized_value": {"serialization_format": "JSON_FORMAT", "value": '"text"'}},
    ],
)
def test_an_expectation_comes_back_in_the_form_it_came_in(program, trace, value):
    assert log(program, trace, expectation(value))["expectation"] == value


def test_without_a_source_feedback_is_a_programs_and_an_expectation_a_persons(program, trace):
    plain = {"assessment_name": "x", "feedback": {"value": 1}}
    assert log(program, trace, plain)["source"] == {"source_type": "CODE", "source_id": "default"}
    plain = {"assessment_name": "x", "expectation": {"value": 1}}
    assert log(program, trace, plain)["source"] == {"source_type": "HUMAN", "source_id": "default"}


@pytest.mark.parametrize(
    "changed",
    [
        {"assessment_name": ""},
        {"assessment_name": "x" * 251},
        {"feedback": None},
        {"feedback": "good"},
        {"expectation": {"value": 1}},
        {"source": {"source_type": "ROBOT"}},
        {"source": {"source_type": True}},
        {"source": "me"},
        {"create_time": 1795417628745},
        {"create_time": "2026-11-23 07:07:15"},
        {"create_time": "2026-13-41T07:07:15Z"},
        {"create_time": "0001-01-01T00:00:00+14:00"},
        {"metadata": ["a"]},
        {"metadata": {"a": {"b": 1}}},
        {"rationale": 5},
        {"span_id": "x" * 65},
        {"valid": "perhaps"},
    ],
)
def test_a_wrong_field_is_refused(program, trace, changed):
    body = {"assessment": {**feedback(), **changed}}
    assert program.refused("POST", at(trace), body) == (400, "INVALID_PARAMETER_VALUE")
    assert not Assessment.objects.exists()


def test_an_unknown_trace_and_an_unknown_assessment_are_not_there(program, trace):
    gone = (404, "RESOURCE_DOES_NOT_EXIST")
    body = {"assessment": feedback()}
    assert program.refused("POST", f"{V3}/traces/tr-none/assessments", body) == gone
    assert program.refused("GET", at(trace, "a-none")) == gone
    mask = {**body, "update_mask": "feedback"}
    assert program.refused("PATCH", at(trace, "a-none"), mask) == gone
    assert program.ok("DELETE", at(trace, "a-none")) == {}
    with_target = {"assessment": feedback(overrides="a-none")}
    assert program.refused("POST", at(trace), with_target) == gone


def test_a_change_touches_what_the_mask_names_and_nothing_else(program, trace):
    first = log(program, trace, feedback(rationale="so", metadata={"a": "1", "b": "2"}))
    body = {
        "assessment": {
            **feedback("tone", "fair", rationale="not this", **source("CODE", "other")),
            "metadata": {"b": "3", "c": "4"},
        },
        "update_mask": "assessmentName,feedback,metadata",
    }
    changed = program.ok("PATCH", at(trace, first["assessment_id"]), body)["assessment"]
    assert changed.pop("last_update_time") > first.pop("last_update_time")
    assert changed == {
        **first,
        "assessment_name": "tone",
        "feedback": {"value": "fair"},
        "metadata": {"a": "1", "b": "3", "c": "4"},
    }


@pytest.mark.parametrize(
    "mask", [None, "", "source", "feedback,,", 5, ["feedback", 5], "expectation"]
)
def test_a_wrong_mask_is_refused(program, trace, mask):
    first = log(program, trace, feedback())
    body = {"assessment": feedback(value="fair"), "update_mask": mask}
    refused = program.refused("PATCH", at(trace, first["assessment_id"]), body)
    assert refused == (400, "INVALID_PARAMETER_VALUE")
    assert read(program, trace, first["assessment_id"]) == first


def test_feedback_cannot_become_an_expectation(program, trace):
    first = log(program, trace, feedback())
    body = {"assessment": expectation({"value": 1}), "update_mask": "expectation"}
    refused = program.refused("PATCH", at(trace, first["assessment_id"]), body)
    assert refused == (400, "INVALID_PARAMETER_VALUE")


def test_what_is_overridden_is_invalid_until_the_other_is_deleted(program, trace):
    verdict = log(program, trace, feedback(**source("LLM_JUDGE", "openai:/x")))
    answer = log(program, trace, feedback(value="poor", overrides=verdict["assessment_id"]))
    assert answer["overrides"] == verdict["assessment_id"]
    assert read(program, trace, verdict["assessment_id"])["valid"] is False
    assert program.ok("DELETE", at(trace, answer["assessment_id"])) == {}
    assert read(program, trace, verdict["assessment_id"]) == verdict
    assert program.refused("GET", at(trace, answer["assessment_id"]))[0] == 404


def test_a_verdict_that_a_person_overrides_still_teaches_with_the_answer(program, judge, trace):
    verdict = log(program, trace, feedback(**source("LLM_JUDGE", "openai:/x")))
    log(program, trace, feedback(value="poor", overrides=verdict["assessment_id"]))
    usable, _ = labelled_traces(judge)
    assert [(each.verdict, each.value) for each in usable] == [("good", "poor")]


def test_a_persons_feedback_labels_a_verdict_and_a_programs_do_not(program, judge, trace):
    log(program, trace, feedback(value="fair", **source("CODE", "regex")))
    log(program, trace, feedback(value="fair", **source("LLM_JUDGE", "openai:/x")))
    assert not Label.objects.exists()
    log(program, trace, feedback(value="poor"))
    assert Label.objects.get(judge=judge).value == "poor"


def test_a_second_answer_of_one_person_takes_the_place_of_the_first(program, judge, trace):
    first = log(program, trace, feedback(value="poor"))
    second = log(program, trace, feedback(value="good", create_time="2026-11-23T08:00:00Z"))
    assert second["overrides"] == first["assessment_id"]
    assert read(program, trace, first["assessment_id"]) == {**first, "valid": False}
    assert Label.objects.get(judge=judge).value == "good"
    program.ok("DELETE", at(trace, second["assessment_id"]))
    assert Label.objects.get(judge=judge).value == "poor"


def test_two_people_are_two_votes(program, judge, trace):
    log(program, trace, feedback(value="poor", **source("HUMAN", "ann")))
    log(program, trace, feedback(value="good", **source("HUMAN", "ben")))
    _, states = labelled_traces(judge)
    assert "tied" in str(states[0].no_label)


@pytest.mark.parametrize("value", ["perfect", 5, ["good"], {"grade": "good"}, None])
def test_a_value_that_is_none_of_the_judges_is_kept_and_said_to_teach_nothing(
    program, judge, trace, value
):
    logged = log(program, trace, feedback(value=value))
    assert read(program, trace, logged["assessment_id"])["feedback"]["value"] == value
    _, states = labelled_traces(judge)
    assert states[0].no_label
    assert not Label.objects.exists()


def test_a_changed_value_changes_the_label_and_the_log_keeps_the_old_one(program, judge, trace):
    first = log(program, trace, feedback(value="poor"))
    body = {"assessment": feedback(value="good"), "update_mask": "feedback"}
    program.ok("PATCH", at(trace, first["assessment_id"]), body)
    assert Label.objects.get(judge=judge).value == "good"
    row = ActivityLog.objects.get(action="corrected")
    assert (row.before["value"], row.after["value"]) == ("poor", "good")


def test_a_changed_name_takes_the_vote_along(program, judge, trace):
    tone = create_judge(experiment=trace.experiment, name="tone")
    first = log(program, trace, feedback())
    body = {"assessment": feedback("tone"), "update_mask": "assessmentName"}
    program.ok("PATCH", at(trace, first["assessment_id"]), body)
    assert [label.judge for label in Label.objects.all()] == [tone]


def test_what_was_sent_twice_is_there_once(program, trace):
    first = log(program, trace, feedback())
    assert log(program, trace, feedback()) == first
    again = {**feedback(), "assessment_id": first["assessment_id"]}
    assert log(program, trace, again) == first
    assert Assessment.objects.count() == 1


def test_an_id_of_another_trace_is_refused(program, trace):
    other = create_trace(experiment=trace.experiment)
    first = log(program, other, feedback())
    body = {"assessment": feedback(assessment_id=first["assessment_id"])}
    assert program.refused("POST", at(trace), body) == (400, "INVALID_PARAMETER_VALUE")


def test_feedback_given_in_the_browser_is_read_with_the_persons_name(program, judge, trace, alice):
    row = create_feedback(judge=judge, trace=trace, author=alice, rationale="It helps.")
    data = read(program, trace, row.assessment_id)
    assert data["assessment_id"].startswith("a-")
    assert data["source"] == {"source_type": "HUMAN", "source_id": "alice"}
    assert (data["feedback"], data["rationale"], data["valid"]) == (
        {"value": "good"},
        "It helps.",
        True,
    )


def test_a_verdict_of_ours_names_its_version(program, judge, trace):
    row = create_verdict(judge=judge, trace=trace)
    assert read(program, trace, row.assessment_id)["metadata"] == {"annotator.judge_version": "1"}


def test_a_persons_own_token_speaks_for_them_in_the_app_too(judge, trace, alice):
    create_feedback(judge=judge, trace=trace, author=alice, value="poor")
    log(Program(alice), trace, feedback(value="good", **source("HUMAN", "alice")))
    assert [row.value for row in Assessment.objects.human()] == ["good"]
    assert Assessment.objects.human().get().author == alice


def test_an_experts_token_does_not_speak_for_a_colleague(judge, trace, alice, lena, team):
    ben = create_user(username="ben", team=team, email="ben@example.com")
    theirs = create_feedback(judge=judge, trace=trace, author=ben, value="poor")
    program = Program(alice)
    for name in ("ben", "BEN@example.com"):
        body = {"assessment": feedback(value="good", **source("HUMAN", name))}
        assert program.refused("POST", at(trace), body) == (403, "PERMISSION_DENIED")
    log(program, trace, feedback(**source("HUMAN", "alice")))  # now she sees his
    one = at(trace, theirs.assessment_id)
    assert program.refused("DELETE", one) == (403, "PERMISSION_DENIED")
    mask = {"assessment": feedback(), "update_mask": "feedback"}
    assert program.refused("PATCH", one, mask) == (403, "PERMISSION_DENIED")
    assert Program(lena).ok("PATCH", one, mask)["assessment"]["feedback"] == {"value": "good"}


def test_an_experts_token_sees_a_colleagues_answer_only_after_their_own(judge, trace, alice, lena):
    theirs = create_feedback(judge=judge, trace=trace, author=lena)
    program = Program(alice)
    one = at(trace, theirs.assessment_id)
    assert program.refused("GET", one) == (404, "RESOURCE_DOES_NOT_EXIST")
    body = {"assessment": feedback(overrides=theirs.assessment_id)}
    assert program.refused("POST", at(trace), body) == (404, "RESOURCE_DOES_NOT_EXIST")
    assert program.ok("DELETE", one) == {}
    log(program, trace, feedback(**source("HUMAN", "alice")))
    assert program.ok("GET", one)["assessment"]["source"]["source_id"] == "lena"


def test_another_teams_trace_is_not_there(trace, olga):
    program = Program(olga)
    body = {"assessment": feedback()}
    assert program.refused("POST", at(trace), body) == (404, "RESOURCE_DOES_NOT_EXIST")


def test_each_call_needs_its_scope(trace, lena):
    reader, writer = (
        Program(lena, scopes=[Scope.READ]),
        Program(lena, scopes=[Scope.WRITE_FEEDBACK]),
    )
    first = log(writer, trace, feedback())
    denied = (403, "PERMISSION_DENIED")
    one = at(trace, first["assessment_id"])
    assert reader.refused("POST", at(trace), {"assessment": feedback()}) == denied
    assert reader.refused("PATCH", one, {}) == denied
    assert reader.refused("DELETE", one) == denied
    assert writer.refused("GET", one) == denied
