"""Feedback through the service: given, corrected, withdrawn, restored, and never lost."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from threading import Barrier
from typing import Any

import pytest
from django.db import connection

from annotator.models import (
    ActivityLog,
    Assessment,
    Judge,
    Kind,
    Source,
    Team,
    Trace,
    User,
    Visibility,
)
from annotator.services.feedback import (
    RATIONALE_LENGTH,
    REASON_LENGTH,
    FeedbackError,
    add_feedback,
    restore_feedback,
    withdraw_feedback,
)
from annotator.services.guidelines import save_guideline
from annotator.services.judges import edit_judge
from annotator.services.labels import votes_by_trace
from judges.values import ValueKind, ValueType
from tests.factories import (
    QUALITY,
    create_experiment,
    create_feedback,
    create_judge,
    create_trace,
    create_user,
    create_verdict,
)

pytestmark = pytest.mark.django_db

SCORE = ValueType(kind=ValueKind.INTEGER, minimum=1, maximum=5)


@pytest.fixture
def judge(team: Team) -> Judge:
    return create_judge(experiment=create_experiment(team=team))


@pytest.fixture
def trace(judge: Judge) -> Trace:
    return create_trace(experiment=judge.experiment)


def in_force(trace: Trace) -> list[Assessment]:
    return list(Assessment.objects.human().filter(trace=trace).order_by("pk"))


def at_once(*actions: Callable[[], object]) -> list[object]:
    """What each action returned or raised, all begun at the same moment, each on a connection of its own."""
    together = Barrier(len(actions))

    def act(action: Callable[[], object]) -> object:
        together.wait()
        try:
            return action()
        except FeedbackError as error:
            return error
        finally:
            connection.close()

    with ThreadPoolExecutor(len(actions)) as pool:
        return list(pool.map(act, actions))


def test_feedback_bears_the_judges_name_its_giver_and_the_guideline_in_force(
    judge: Judge, trace: Trace, alice: User, adam: User
) -> None:
    guideline = save_guideline(actor=adam, judge=judge, text="Look for a date.", choose_when={})
    feedback = add_feedback(
        author=alice, trace=trace, judge=judge, value="Fair", rationale="  No date.  "
    )
    assert feedback.name == judge.name
    assert (feedback.source_type, feedback.source_id) == (Source.HUMAN, "alice")
    assert (feedback.value, feedback.value_key) == ("fair", "fair")
    assert feedback.rationale == "No date."
    assert feedback.guideline == guideline
    assert feedback.visibility == Visibility.BLIND
    assert judge.labels.get().value == "fair"


def test_feedback_after_a_verdict_says_that_the_verdict_was_open(
    judge: Judge, trace: Trace, alice: User
) -> None:
    create_verdict(judge=judge, trace=trace)
    assert create_feedback(judge=judge, trace=trace, author=alice).visibility == Visibility.OPEN


def test_a_correction_supersedes_stays_in_history_and_never_votes_twice(
    judge: Judge, trace: Trace, alice: User
) -> None:
    first = create_feedback(judge=judge, trace=trace, author=alice, value="good")
    second = create_feedback(judge=judge, trace=trace, author=alice, value="poor")
    first.refresh_from_db()
    assert not first.valid
    assert first.withdrawn_at is None
    assert second.overrides == first
    assert in_force(trace) == [second]
    assert [vote.value for vote in votes_by_trace(judge)[trace.pk]] == ["poor"]
    assert judge.labels.get().votes == {"poor": 1}


def test_an_answer_imported_under_ones_name_is_corrected_by_ones_own(
    judge: Judge, trace: Trace, alice: User
) -> None:
    imported = Assessment.objects.create(
        trace=trace, name=judge.name, source_type=Source.HUMAN, source_id="alice", value="good"
    )
    assert create_feedback(judge=judge, trace=trace, author=alice).overrides == imported


def test_a_person_who_was_renamed_still_has_one_vote(
    judge: Judge, trace: Trace, alice: User
) -> None:
    create_feedback(judge=judge, trace=trace, author=alice, value="good")
    alice.username = "alice.smith"
    alice.save()
    newest = create_feedback(judge=judge, trace=trace, author=alice, value="poor")
    assert in_force(trace) == [newest]
    assert judge.labels.get().votes == {"poor": 1}


@pytest.mark.django_db(transaction=True)
def test_two_tabs_at_once_leave_one_answer_in_force_and_both_in_history(
    judge: Judge, trace: Trace, alice: User
) -> None:
    def submit(value: str) -> Callable[[], Assessment]:
        own = Judge.objects.get(pk=judge.pk)
        return lambda: create_feedback(judge=own, trace=trace, author=alice, value=value)

    given = at_once(submit("good"), submit("poor"), submit("fair"), submit("excellent"))
    assert all(isinstance(feedback, Assessment) for feedback in given), given
    assert Assessment.objects.filter(trace=trace).count() == 4
    [valid] = in_force(trace)
    assert judge.labels.get().value == valid.value
    assert Assessment.objects.filter(trace=trace, overrides=None).count() == 1
    superseded = Assessment.objects.filter(trace=trace).exclude(overrides=None)
    assert len(set(superseded.values_list("overrides", flat=True))) == 3


@pytest.mark.django_db(transaction=True)
def test_people_who_answer_at_once_are_all_counted_in_the_label(
    judge: Judge, trace: Trace, team: Team
) -> None:
    people = [create_user(team=team) for _ in range(4)]

    def submit(author: User) -> Callable[[], Assessment]:
        own = Judge.objects.get(pk=judge.pk)
        return lambda: create_feedback(judge=own, trace=trace, author=author, value="good")

    at_once(*[submit(person) for person in people])
    assert judge.labels.get().votes == {"good": 4}


@pytest.mark.django_db(transaction=True)
def test_of_two_withdrawn_answers_restored_at_once_one_is_in_force(
    judge: Judge, trace: Trace, alice: User
) -> None:
    withdrawn = []
    for value in ("good", "poor"):
        feedback = create_feedback(judge=judge, trace=trace, author=alice, value=value)
        withdrawn.append(withdraw_feedback(author=alice, assessment=feedback))
    results = at_once(
        *[lambda row=row: restore_feedback(author=alice, assessment=row) for row in withdrawn]
    )
    assert len([result for result in results if isinstance(result, FeedbackError)]) == 1
    assert len(in_force(trace)) == 1


def test_cannot_judge_is_an_answer_and_never_a_vote(
    judge: Judge, trace: Trace, alice: User
) -> None:
    create_feedback(judge=judge, trace=trace, author=alice, value="good")
    declined = create_feedback(
        judge=judge, trace=trace, author=alice, value=None, declined_reason="Outside my field"
    )
    assert declined.valid
    assert declined.value is None
    assert not declined.is_vote
    assert not judge.labels.exists()


def test_withdrawn_feedback_stops_voting_and_restored_feedback_votes_again(
    judge: Judge, trace: Trace, alice: User
) -> None:
    feedback = create_feedback(judge=judge, trace=trace, author=alice, value="poor")
    withdraw_feedback(author=alice, assessment=feedback)
    assert not feedback.valid
    assert feedback.withdrawn_at is not None
    assert not judge.labels.exists()
    with pytest.raises(FeedbackError, match="already corrected or deleted"):
        withdraw_feedback(author=alice, assessment=feedback)
    feedback = restore_feedback(author=alice, assessment=feedback)
    assert feedback.valid
    assert feedback.withdrawn_at is None
    assert judge.labels.get().value == "poor"
    with pytest.raises(FeedbackError, match="Only deleted feedback"):
        restore_feedback(author=alice, assessment=feedback)


def test_a_restore_is_refused_while_a_newer_answer_is_in_force(
    judge: Judge, trace: Trace, alice: User
) -> None:
    first = create_feedback(judge=judge, trace=trace, author=alice, value="good")
    withdraw_feedback(author=alice, assessment=first)
    second = create_feedback(judge=judge, trace=trace, author=alice, value="poor")
    with pytest.raises(FeedbackError, match="delete that one first"):
        restore_feedback(author=alice, assessment=first)
    withdraw_feedback(author=alice, assessment=second)
    restore_feedback(author=alice, assessment=first)
    assert in_force(trace) == [first]


def test_a_corrected_answer_cannot_be_restored(judge: Judge, trace: Trace, alice: User) -> None:
    first = create_feedback(judge=judge, trace=trace, author=alice, value="good")
    second = create_feedback(judge=judge, trace=trace, author=alice, value="poor")
    withdraw_feedback(author=alice, assessment=second)
    with pytest.raises(FeedbackError, match="Only deleted feedback"):
        restore_feedback(author=alice, assessment=first)


def test_only_its_giver_or_an_admin_withdraws_and_restores(
    judge: Judge, trace: Trace, team: Team, alice: User, lena: User, adam: User, olga: User
) -> None:
    feedback = create_feedback(judge=judge, trace=trace, author=alice)
    for other in (create_user(team=team), lena, olga):
        with pytest.raises(FeedbackError, match="Only the person who gave it, or an admin"):
            withdraw_feedback(author=other, assessment=feedback)
    withdraw_feedback(author=adam, assessment=feedback)
    with pytest.raises(FeedbackError, match="Only the person"):
        restore_feedback(author=lena, assessment=feedback)
    restore_feedback(author=adam, assessment=feedback)
    assert feedback.source_id == "alice"


def test_verdicts_and_expectations_are_no_feedback_to_withdraw(
    judge: Judge, trace: Trace, adam: User
) -> None:
    expectation = Assessment.objects.create(
        trace=trace,
        kind=Kind.EXPECTATION,
        name=judge.name,
        source_type=Source.HUMAN,
        source_id="adam",
        author=adam,
        value="good",
    )
    for row in (create_verdict(judge=judge, trace=trace), expectation):
        with pytest.raises(FeedbackError, match="not feedback by a person"):
            withdraw_feedback(author=adam, assessment=row)


@pytest.mark.parametrize(
    ("value_type", "value", "stored"),
    [
        (SCORE, 4, 4),
        (SCORE, 4.0, 4),
        (SCORE, " 4 ", 4),
        (ValueType(kind=ValueKind.BOOLEAN), "Yes", True),
        (ValueType(kind=ValueKind.BOOLEAN), False, False),
        (ValueType(kind=ValueKind.NUMBER, minimum=0, maximum=1), 0, 0),
        (ValueType(kind=ValueKind.TEXT), "  Too short. ", "Too short."),
    ],
)
def test_values_are_stored_as_the_judge_writes_them(
    team: Team, alice: User, value_type: ValueType, value: object, stored: object
) -> None:
    judge = create_judge(experiment=create_experiment(team=team), value_type=value_type)
    trace = create_trace(experiment=judge.experiment)
    feedback = add_feedback(author=alice, trace=trace, judge=judge, value=value)
    feedback.refresh_from_db()
    assert (feedback.value, type(feedback.value)) == (stored, type(stored))


def test_4_and_4_point_0_are_one_value_in_the_tally(team: Team, alice: User, lena: User) -> None:
    judge = create_judge(experiment=create_experiment(team=team), value_type=SCORE)
    trace = create_trace(experiment=judge.experiment)
    add_feedback(author=alice, trace=trace, judge=judge, value=4)
    add_feedback(author=lena, trace=trace, judge=judge, value="4.0")
    assert judge.labels.get().votes == {"4": 2}


@pytest.mark.parametrize(
    ("value_type", "value", "says"),
    [
        (None, "superb", "'superb' is not one of: excellent, good, fair, poor"),
        (None, None, "Choose a value first"),
        (None, "", "Choose a value first"),
        (None, "\x00", "Choose a value first"),
        (None, ["good"], "is not one of"),
        (None, {"value": "good"}, "is not one of"),
        (None, "x" * 5_000, "…"),
        (SCORE, 6, "6 is not a whole number from 1 to 5"),
        (SCORE, 0, "0 is not a whole number from 1 to 5"),
        (SCORE, 2.5, "is not a whole number"),
        (SCORE, True, "is not a whole number"),
        (SCORE, "nan", "is not a whole number"),
        (SCORE, "9" * 400, "is not a whole number"),
        (SCORE, float("inf"), "is not a whole number"),
        (ValueType(kind=ValueKind.BOOLEAN), 1, "is not true or false"),
        (ValueType(kind=ValueKind.TEXT), " \x00 ", "Choose a value first"),
        (ValueType(kind=ValueKind.TEXT), "x" * (RATIONALE_LENGTH + 1), "longer than 20,000"),
    ],
)
def test_a_value_that_the_judge_does_not_allow_is_refused_and_changes_nothing(
    team: Team, alice: User, value_type: ValueType | None, value: object, says: str
) -> None:
    judge = create_judge(experiment=create_experiment(team=team), value_type=value_type or QUALITY)
    trace = create_trace(experiment=judge.experiment)
    with pytest.raises(FeedbackError) as refused:
        add_feedback(author=alice, trace=trace, judge=judge, value=value)
    assert says in str(refused.value)
    assert len(str(refused.value)) < 250
    assert refused.value.field == "value"
    assert not Assessment.objects.exists()


@pytest.mark.parametrize(
    ("fields", "field"),
    [
        ({"value": "good", "rationale": "x" * (RATIONALE_LENGTH + 1)}, "rationale"),
        ({"declined_reason": "x" * (REASON_LENGTH + 1)}, "declined_reason"),
        ({"value": "good", "declined_reason": "No idea"}, "value"),
        ({"declined_reason": "   "}, "value"),
        ({"value": "good", "span_id": "no-such-span"}, "span_id"),
        ({"value": "good", "span_id": "\x00\ud800"}, "span_id"),
    ],
)
def test_what_is_wrong_beside_the_value_is_said_at_its_field(
    judge: Judge, trace: Trace, alice: User, fields: dict[str, Any], field: str
) -> None:
    with pytest.raises(FeedbackError) as refused:
        add_feedback(author=alice, trace=trace, judge=judge, **fields)
    assert refused.value.field == field
    assert not Assessment.objects.exists()


def test_what_no_database_can_keep_is_taken_out_of_texts(
    judge: Judge, trace: Trace, alice: User
) -> None:
    feedback = add_feedback(
        author=alice, trace=trace, judge=judge, value="go\x00od", rationale="A\x00B \ud800 C"
    )
    feedback.refresh_from_db()
    assert feedback.value == "good"
    assert feedback.rationale == "AB ? C"
    declined = add_feedback(
        author=alice, trace=trace, judge=judge, declined_reason="Un\x00clear \udfff"
    )
    declined.refresh_from_db()
    assert declined.declined_reason == "Unclear ?"


def test_a_long_text_is_kept_whole_and_its_key_is_cut(team: Team, alice: User) -> None:
    judge = create_judge(
        experiment=create_experiment(team=team), value_type=ValueType(kind=ValueKind.TEXT)
    )
    trace = create_trace(experiment=judge.experiment)
    text = "ä" * RATIONALE_LENGTH
    feedback = add_feedback(author=alice, trace=trace, judge=judge, value=text)
    feedback.refresh_from_db()
    assert feedback.value == text
    assert feedback.value_key == "ä" * 250
    assert judge.labels.get().value == text


def test_a_judge_of_another_experiment_is_refused(judge: Judge, alice: User) -> None:
    with pytest.raises(FeedbackError, match="does not belong"):
        add_feedback(author=alice, trace=create_trace(), judge=judge, value="good")


def test_feedback_on_a_step_stands_beside_that_on_the_trace_and_makes_no_label(
    judge: Judge, trace: Trace, alice: User
) -> None:
    trace.spans.create(span_id="s1", name="search", start_ns=1)
    on_step = create_feedback(judge=judge, trace=trace, author=alice, value="poor", span_id="s1")
    assert not judge.labels.exists()
    on_trace = create_feedback(judge=judge, trace=trace, author=alice, value="good")
    assert in_force(trace) == [on_step, on_trace]
    assert judge.labels.get().value == "good"


def test_a_value_is_measured_by_the_judge_as_it_is_now_and_not_as_the_page_knew_it(
    judge: Judge, trace: Trace, alice: User, adam: User
) -> None:
    as_the_page_knew_it = Judge.objects.get(pk=judge.pk)
    assert as_the_page_knew_it.value_type.choices
    edit_judge(
        actor=adam,
        judge=judge,
        instructions="Is {{ outputs }} polite?",
        value_type=ValueType(kind=ValueKind.BOOLEAN),
        model="demo:/judge",
    )
    with pytest.raises(FeedbackError, match="is not true or false"):
        add_feedback(author=alice, trace=trace, judge=as_the_page_knew_it, value="good")


def test_every_change_leaves_a_row_with_before_and_after(
    judge: Judge, trace: Trace, team: Team, alice: User, adam: User
) -> None:
    ActivityLog.objects.all().delete()
    create_feedback(judge=judge, trace=trace, author=alice, value="good", rationale="Fine.")
    second = create_feedback(judge=judge, trace=trace, author=alice, value="poor")
    withdraw_feedback(author=adam, assessment=second)
    restore_feedback(author=alice, assessment=second)
    good = {"value": "good", "rationale": "Fine.", "cannot_judge": ""}
    poor = {"value": "poor", "rationale": "", "cannot_judge": ""}
    rows = ActivityLog.objects.order_by("pk")
    assert [(row.actor, row.action, row.before, row.after) for row in rows] == [
        (alice, "gave", None, good),
        (alice, "corrected", good, poor),
        (adam, "withdrew", poor, None),
        (alice, "restored", None, poor),
    ]
    assert {row.team for row in rows} == {team}
    assert {row.target_name for row in rows} == {f"{judge.name} on {trace.trace_id}"}


def test_the_number_of_queries_does_not_depend_on_the_history(
    judge: Judge, trace: Trace, team: Team, alice: User, django_assert_max_num_queries
) -> None:
    for _ in range(5):
        create_feedback(judge=judge, trace=trace, author=create_user(team=team))
    create_feedback(judge=judge, trace=trace, author=alice)
    with django_assert_max_num_queries(21):
        create_feedback(judge=judge, trace=trace, author=alice, value="poor")
