"""Judges through the service: made, edited, set, promoted, rolled back, and every change in the log."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from threading import Barrier
from typing import Any

import pytest
from django.db import connection

from alignment.labels import Side, Sides
from annotator.models import (
    ActivityLog,
    AlignmentRun,
    Experiment,
    Judge,
    JudgeVersion,
    Team,
    User,
)
from annotator.services.guidelines import save_guideline
from annotator.services.judges import (
    JudgeServiceError,
    add_candidate,
    create_judge,
    edit_judge,
    promote,
    roll_back,
    update_settings,
)
from judges.errors import InvalidJudgeError
from judges.instructions import Demonstration
from judges.values import ValueKind, ValueType
from tests import factories
from tests.factories import QUALITY, create_experiment, create_feedback, create_trace

pytestmark = pytest.mark.django_db

YES_NO = ValueType(kind=ValueKind.BOOLEAN)
RENAMED = ValueType(
    kind=ValueKind.CATEGORY, categories=("great", "good", "fair", "poor"), ordered=True
)


@pytest.fixture
def experiment(team: Team) -> Experiment:
    return create_experiment(team=team)


@pytest.fixture
def judge(experiment: Experiment) -> Judge:
    return factories.create_judge(experiment=experiment)


def made(experiment: Experiment, **fields: Any) -> Judge:
    """A judge made by the service itself."""
    return create_judge(
        **{
            "actor": None,
            "experiment": experiment,
            "name": "polite",
            "instructions": "Is {{ outputs }} polite?",
            "value_type": YES_NO,
            "model": "demo:/judge",
            **fields,
        }
    )


def edited(judge: Judge, actor: User, **fields: Any) -> JudgeVersion:
    """An edit that changes the instructions unless told otherwise."""
    return edit_judge(
        **{
            "actor": actor,
            "judge": judge,
            "instructions": "Grade {{ outputs }} strictly.",
            "value_type": QUALITY,
            "model": "demo:/judge",
            **fields,
        }
    )


def in_use(judge: Judge) -> JudgeVersion:
    """The judge's current version."""
    assert judge.current_version is not None
    return judge.current_version


def candidate_of(judge: Judge, **changes: Any) -> JudgeVersion:
    """A version that a run proposes."""
    version = in_use(judge)
    candidate = replace(version.to_domain(), **changes)
    return add_candidate(judge=judge, parent=version, candidate=candidate, note="Run 1")


def last_log() -> ActivityLog:
    row = ActivityLog.objects.order_by("-pk").first()
    assert row is not None
    return row


def at_once(*actions: Callable[[], object]) -> list[object]:
    together = Barrier(len(actions))

    def act(action: Callable[[], object]) -> object:
        together.wait()
        try:
            return action()
        except JudgeServiceError as error:
            return error
        finally:
            connection.close()

    with ThreadPoolExecutor(len(actions)) as pool:
        return list(pool.map(act, actions))


# --- Made


def test_a_new_judge_has_its_first_version_in_use_and_the_feedback_that_was_there_before_it(
    experiment: Experiment, adam: User, alice: User
) -> None:
    trace = create_trace(experiment=experiment)
    earlier = factories.create_judge(experiment=experiment, name="polite", value_type=YES_NO)
    create_feedback(judge=earlier, trace=trace, author=alice, value=True)
    Judge.objects.update(current_version=None)
    Judge.objects.all().delete()
    judge = made(experiment, actor=adam)
    assert judge.current_version is not None
    assert (judge.current_version.number, judge.current_version.created_by) == (1, adam)
    assert judge.previous_version is None
    assert judge.labels.get().value is True
    row = last_log()
    assert (row.actor, row.action, row.target_name, row.before) == (adam, "created", "polite", None)
    assert row.after["instructions"] == "Is {{ outputs }} polite?"


@pytest.mark.parametrize(
    ("name", "says"),
    [
        (" polite", "must not begin or end with a blank"),
        ("polite\n", "must not begin or end with a blank"),
        ("", "needs a name"),
        ("  ", "needs a name"),
        ("po\x00lite", "cannot be shown"),
        ("po\nlite", "cannot be shown"),
        ("po\ud800lite", "cannot be shown"),
        ("p" * 251, "longer than 250"),
    ],
)
@pytest.mark.parametrize("model", ["demo:/judge", ""])
def test_a_name_that_nobody_could_repeat_exactly_is_refused(
    experiment: Experiment, name: str, says: str, model: str
) -> None:
    origin = JudgeVersion.Origin.PERSON if model else JudgeVersion.Origin.IMPORT
    with pytest.raises(JudgeServiceError, match=says) as refused:
        made(experiment, name=name, model=model, origin=origin)
    assert refused.value.field == "name"
    assert not Judge.objects.exists()


def test_a_name_is_given_once_in_an_experiment_and_again_in_another(experiment: Experiment) -> None:
    made(experiment)
    with pytest.raises(JudgeServiceError, match="already has a judge “polite”") as refused:
        made(experiment)
    assert refused.value.field == "name"
    made(create_experiment())
    assert Judge.objects.count() == 2


@pytest.mark.parametrize(
    "wrong",
    [
        {"instructions": "No placeholder."},
        {"instructions": ""},
        {"model": "nonsense"},
        {"model": ""},
        {"base_url": "ftp://x"},
        {"inference_params": {"api_key": "secret"}},
        {"extra_headers": {"X-Key": 1}},
    ],
)
def test_a_wrong_definition_leaves_nothing_behind(
    experiment: Experiment, wrong: dict[str, Any]
) -> None:
    with pytest.raises(InvalidJudgeError):
        made(experiment, **wrong)
    assert not Judge.objects.exists()
    assert not ActivityLog.objects.exists()


@pytest.mark.parametrize(
    ("field", "length"),
    [("instructions", 100_001), ("model", 201), ("base_url", 501), ("description", 20_001)],
)
def test_a_text_that_is_too_long_is_said_at_its_field(
    experiment: Experiment, field: str, length: int
) -> None:
    with pytest.raises(JudgeServiceError, match="longer than") as refused:
        made(experiment, **{field: "x" * length})
    assert refused.value.field == field


def test_what_no_database_can_keep_is_taken_out_of_texts(
    experiment: Experiment, adam: User
) -> None:
    judge = made(
        experiment,
        instructions="Is {{ outputs }}\x00 polite? \ud800",
        description="For\x00 us \udfff",
    )
    judge.refresh_from_db()
    assert in_use(judge).instructions == "Is {{ outputs }} polite? ?"
    assert judge.description == "For us ?"
    save_guideline(actor=adam, judge=judge, text="Be\x00 kind.", choose_when={})
    judge.refresh_from_db()
    assert judge.guideline is not None
    assert judge.guideline.text == "Be kind."


# --- Edited


def test_an_edit_makes_a_version_puts_it_in_use_and_leaves_the_old_one_as_it_was(
    judge: Judge, adam: User
) -> None:
    first = in_use(judge)
    second = edited(judge, adam, note="Stricter.")
    assert (judge.current_version, judge.previous_version) == (second, first)
    assert (second.number, second.parent, second.note) == (2, first, "Stricter.")
    assert JudgeVersion.objects.get(pk=first.pk).instructions == first.instructions
    row = last_log()
    assert (row.action, row.before["version"], row.after["version"]) == ("edited", 1, 2)
    assert row.after["instructions"] == "Grade {{ outputs }} strictly."


def test_an_edit_that_changes_nothing_is_refused(judge: Judge, adam: User) -> None:
    edited(judge, adam)
    with pytest.raises(JudgeServiceError, match="Nothing was changed"):
        edited(judge, adam)
    assert judge.versions.count() == 2


def test_an_edit_that_is_wrong_leaves_the_judge_as_it_was(judge: Judge, adam: User) -> None:
    with pytest.raises(InvalidJudgeError):
        edited(judge, adam, instructions="No placeholder.")
    judge.refresh_from_db()
    assert in_use(judge).number == 1
    assert judge.versions.count() == 1


def test_of_headers_the_log_tells_the_names_alone(judge: Judge, adam: User) -> None:
    edited(judge, adam, extra_headers={"X-Key": "not-so-secret"}, base_url="http://127.0.0.1:1")
    after = last_log().after
    assert after["extra_headers"] == ["X-Key"]
    assert after["base_url"] == "http://127.0.0.1:1"
    assert "not-so-secret" not in str(after)


def test_what_a_run_found_is_kept_by_an_edit_as_far_as_it_fits(judge: Judge, adam: User) -> None:
    shown = [
        Demonstration(inputs="a", outputs="b", value="good"),
        Demonstration(inputs="c", outputs="d", value="excellent"),
    ]
    promote(actor=adam, judge=judge, version=candidate_of(judge, demonstrations=tuple(shown)))
    kept = edited(judge, adam)
    assert [item["value"] for item in kept.demonstrations] == ["good", "excellent"]
    fewer = edited(judge, adam, value_type=RENAMED)
    assert [item["value"] for item in fewer.demonstrations] == ["good"]
    assert fewer.to_domain().demonstrations == (shown[0],)


@pytest.mark.django_db(transaction=True)
def test_two_edits_at_once_make_two_versions_one_after_the_other(judge: Judge, adam: User) -> None:
    def edit(text: str) -> Callable[[], JudgeVersion]:
        own = Judge.objects.get(pk=judge.pk)
        return lambda: edited(own, adam, instructions=text + " {{ outputs }}")

    versions = at_once(*[edit(text) for text in ("A", "B", "C")])
    assert sorted(v.number for v in versions if isinstance(v, JudgeVersion)) == [2, 3, 4]
    judge.refresh_from_db()
    assert judge.previous_version is not None
    assert (in_use(judge).number, judge.previous_version.number) == (4, 3)
    assert in_use(judge).parent == judge.previous_version


# --- Values that change


def test_sides_that_were_decided_stay_with_the_values_that_stay(judge: Judge, adam: User) -> None:
    decided = Sides(
        by_value={
            "excellent": Side.POSITIVE,
            "good": Side.NEUTRAL,
            "fair": Side.NEGATIVE,
            "poor": Side.NEGATIVE,
        }
    )
    update_settings(actor=adam, judge=judge, sides=decided)
    edited(judge, adam, value_type=RENAMED)
    assert judge.sides.by_value == {
        "great": Side.POSITIVE,
        "good": Side.NEUTRAL,
        "fair": Side.NEGATIVE,
        "poor": Side.NEGATIVE,
    }
    edited(judge, adam, value_type=YES_NO)
    assert judge.sides.by_value == {"true": Side.POSITIVE, "false": Side.NEGATIVE}


def test_sides_that_were_guessed_are_guessed_anew(judge: Judge, adam: User) -> None:
    edited(judge, adam, value_type=ValueType(kind=ValueKind.INTEGER, minimum=1, maximum=5))
    assert judge.sides.side_of(5) is Side.POSITIVE
    update_settings(actor=adam, judge=judge, sides=Sides(positive_from=5, negative_to=4))
    edited(judge, adam, value_type=ValueType(kind=ValueKind.INTEGER, minimum=1, maximum=100))
    assert (judge.sides.positive_from, judge.sides.negative_to) == (5, 4)


# --- Set


@pytest.mark.parametrize(
    ("fields", "field"),
    [
        ({"minimum_labels": 1}, "minimum_labels"),
        ({"minimum_labels": 2_000_000}, "minimum_labels"),
        ({"recommended_labels": 0}, "recommended_labels"),
        ({"recommended_labels": 3_000_000_000}, "recommended_labels"),
        ({"minimum_share": 0.5}, "minimum_share"),
        ({"minimum_share": -0.1}, "minimum_share"),
        ({"minimum_share": float("nan")}, "minimum_share"),
        ({"realign_after": 0}, "realign_after"),
        ({"promotion_margin": 1.1}, "promotion_margin"),
        ({"max_harm_per_side": -0.1}, "max_harm_per_side"),
        ({"label_rule": "LOUDEST"}, "label_rule"),
        ({"label_rule": "ADJUDICATED"}, "adjudicator"),
        ({"label_rule": "ADJUDICATED", "adjudicator": "  "}, "adjudicator"),
        ({"alignment_policy": "SOMETIMES"}, "alignment_policy"),
        ({"promotion_policy": "SOMETIMES"}, "promotion_policy"),
        ({"optimizer_params": []}, "optimizer_params"),
        ({"adjudicator": "x" * 251}, "adjudicator"),
        ({"sides": Sides(by_value={"superb": Side.POSITIVE})}, "sides"),
    ],
)
def test_a_setting_out_of_its_bounds_is_said_at_its_field_and_changes_nothing(
    judge: Judge, adam: User, experiment: Experiment, fields: dict[str, Any], field: str
) -> None:
    before = Judge.objects.filter(pk=judge.pk).values().get()
    ActivityLog.objects.all().delete()
    with pytest.raises(JudgeServiceError) as refused:
        update_settings(actor=adam, judge=judge, description="New", **fields)
    assert refused.value.field == field
    with pytest.raises(JudgeServiceError) as refused_at_once:
        made(experiment, value_type=QUALITY, **fields)
    assert refused_at_once.value.field == field
    assert Judge.objects.filter(pk=judge.pk).values().get() == before
    assert not ActivityLog.objects.exists()


def test_settings_are_logged_as_far_as_they_changed(judge: Judge, adam: User) -> None:
    update_settings(actor=adam, judge=judge, minimum_labels=20, minimum_share=0.3)
    row = last_log()
    assert (row.actor, row.action) == (adam, "set")
    assert (row.before, row.after) == ({"minimum_labels": 10}, {"minimum_labels": 20})
    update_settings(actor=adam, judge=judge, minimum_labels=20)
    assert last_log() == row


def test_a_setting_that_does_not_exist_is_a_programming_error(judge: Judge, adam: User) -> None:
    with pytest.raises(TypeError, match="no such settings of a judge: speed"):
        update_settings(actor=adam, judge=judge, speed=11)


def test_settings_changed_by_two_people_are_both_kept(judge: Judge, adam: User) -> None:
    as_another_page_knows_it = Judge.objects.get(pk=judge.pk)
    update_settings(actor=adam, judge=judge, minimum_labels=20)
    update_settings(actor=adam, judge=as_another_page_knows_it, realign_after=5)
    judge.refresh_from_db()
    assert (judge.minimum_labels, judge.realign_after) == (20, 5)


# --- Promoted and rolled back


def test_a_promotion_is_undone_by_a_roll_back_and_that_by_another(judge: Judge, adam: User) -> None:
    first = in_use(judge)
    second = candidate_of(judge, instructions="Better: {{ outputs }}")
    assert judge.current_version == first, "a candidate is not in use"
    promote(actor=adam, judge=judge, version=second, reason="It is better.")
    assert (judge.current_version, judge.previous_version) == (second, first)
    row = last_log()
    assert (row.action, row.before) == ("promoted", {"version": 1})
    assert row.after == {"version": 2, "reason": "It is better."}
    roll_back(actor=adam, judge=judge)
    assert (judge.current_version, judge.previous_version) == (first, second)
    row = last_log()
    assert (row.action, row.before, row.after) == ("rolled back", {"version": 2}, {"version": 1})
    roll_back(actor=adam, judge=judge)
    judge.refresh_from_db()
    assert (judge.current_version, judge.previous_version) == (second, first)


def test_what_cannot_be_promoted_or_rolled_back_says_why(judge: Judge, adam: User) -> None:
    with pytest.raises(JudgeServiceError, match="no earlier version"):
        roll_back(actor=adam, judge=judge)
    with pytest.raises(JudgeServiceError, match="already the one in use"):
        promote(actor=adam, judge=judge, version=in_use(judge))
    foreign = factories.create_judge()
    with pytest.raises(JudgeServiceError, match="another judge"):
        promote(actor=adam, judge=judge, version=in_use(foreign))


def test_promoting_a_candidate_from_the_list_of_versions_decides_its_run(
    judge: Judge, adam: User
) -> None:
    candidate = candidate_of(judge, instructions="Better: {{ outputs }}")
    run = AlignmentRun.objects.create(
        judge=judge,
        trigger=AlignmentRun.Trigger.MANUAL,
        version_in=in_use(judge),
        candidate=candidate,
        optimizer="simba",
        labels_fingerprint="",
        status="SUCCEEDED",
        decision=AlignmentRun.Decision.OPEN,
    )
    promote(actor=adam, judge=judge, version=candidate, reason="I looked at it.")
    run.refresh_from_db()
    assert (run.decision, run.decided_by) == (AlignmentRun.Decision.PROMOTED, adam)
    assert run.decision_reason == "I looked at it."


# --- Guidelines


def test_a_guideline_is_versioned_in_force_at_once_and_unchanged_ones_are_refused(
    judge: Judge, adam: User
) -> None:
    first = save_guideline(
        actor=adam,
        judge=judge,
        text="Dates matter.",
        choose_when={"good": " Has a date. ", "poor": ""},
    )
    assert (first.number, first.choose_when) == (1, {"good": "Has a date."})
    assert last_log().before is None
    with pytest.raises(JudgeServiceError, match="Nothing was changed"):
        save_guideline(
            actor=adam, judge=judge, text="Dates matter.", choose_when={"good": "Has a date."}
        )
    second = save_guideline(actor=adam, judge=judge, text="Names matter.", choose_when={})
    judge.refresh_from_db()
    assert judge.guideline == second
    row = last_log()
    assert (row.action, row.before["text"], row.after["text"]) == (
        "wrote guideline",
        "Dates matter.",
        "Names matter.",
    )
    assert edited(judge, adam).guideline == second


@pytest.mark.parametrize(
    ("text", "choose_when", "field"),
    [("", {"superb": "Never."}, "choose_when"), ("x" * 50_001, {}, "text")],
)
def test_a_guideline_for_a_value_that_is_not_there_or_too_long_is_refused(
    judge: Judge, adam: User, text: str, choose_when: dict[str, str], field: str
) -> None:
    with pytest.raises(JudgeServiceError) as refused:
        save_guideline(actor=adam, judge=judge, text=text, choose_when=choose_when)
    assert refused.value.field == field
    assert not judge.guidelines.exists()


@pytest.mark.django_db(transaction=True)
def test_two_guidelines_written_at_once_are_both_kept(judge: Judge, adam: User) -> None:
    def write(text: str) -> Callable[[], object]:
        own = Judge.objects.get(pk=judge.pk)
        return lambda: save_guideline(actor=adam, judge=own, text=text, choose_when={})

    at_once(*[write(text) for text in ("A", "B", "C")])
    assert list(judge.guidelines.order_by("number").values_list("number", flat=True)) == [1, 2, 3]
