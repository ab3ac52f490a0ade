"""Kept figures: after every kind of write, by whatever way, a page shows those of the state it left, and no earlier one."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from django.core.management import call_command
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from annotator.models import AlignmentRun, Assessment, Experiment, Judge, Team, Trace, User
from annotator.services import runs
from annotator.services.agreement import agreement_of
from annotator.services.disagreements import differences_in
from annotator.services.feedback import restore_feedback, withdraw_feedback
from annotator.services.first_answers import outliers_of, split_agreement
from annotator.services.guidelines import save_guideline, touched_traces
from annotator.services.judges import edit_judge, update_settings
from annotator.services.kept_figures import KeptFigures
from annotator.services.label_previews import preview_rules
from annotator.services.readiness import labelled_traces, readiness_of
from annotator.services.settling import reopen, settle_label
from annotator.services.trace_changes import delete_traces
from annotator.views import health
from tests.annotator.programs import V3, Program
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

LONG_AGO = datetime(2020, 1, 1, tzinfo=UTC)

FIGURES: tuple[Callable[[Judge], Any], ...] = (
    agreement_of,
    readiness_of,
    runs.fresh_labels,
    differences_in,
    preview_rules,
    touched_traces,
    split_agreement,
    outliers_of,
)


@dataclass
class World:
    """A judge with a guideline, six traces that alice and ben answered, and one that nobody did."""

    judge: Judge
    traces: list[Trace]
    alice: User
    ben: User
    lena: User
    adam: User
    folder: Path

    @property
    def experiment(self) -> Experiment:
        return self.judge.experiment

    def answer_of(self, user: User, number: int = 0) -> Assessment:
        return Assessment.objects.human().get(author=user, trace=self.traces[number])

    def program(self) -> Program:
        return Program(self.lena)

    def settle(self) -> None:
        settle_label(actor=self.lena, judge=self.judge, trace=self.traces[2], value="fair")


@pytest.fixture
def world(team: Team, alice: User, lena: User, adam: User, tmp_path: Path) -> World:
    ben = create_user(username="ben", team=team)
    experiment = create_experiment(team=team, name="shop")
    judge = create_judge(
        experiment=experiment, name="quality", minimum_labels=4, alignment_policy="MANUAL"
    )
    save_guideline(actor=lena, judge=judge, text="", choose_when={"good": "It answers."})
    traces = [create_trace(experiment=experiment) for _ in range(7)]
    said = [
        ("good", "poor", "good"),
        ("good", "good", "good"),
        ("poor", "excellent", "fair"),
        ("poor", "poor", "poor"),
        ("good", "good", "poor"),
        ("fair", "poor", "poor"),
    ]
    for trace, (by_alice, by_ben, verdict) in zip(traces, said, strict=False):
        create_verdict(judge=judge, trace=trace, value=verdict)
        create_feedback(judge=judge, trace=trace, author=alice, value=by_alice)
        create_feedback(judge=judge, trace=trace, author=ben, value=by_ben)
    create_verdict(judge=judge, trace=traces[6], value="poor")
    return World(judge, traces, alice, ben, lena, adam, tmp_path)


def first_answer(world: World) -> None:
    create_feedback(judge=world.judge, trace=world.traces[6], author=world.alice, value="poor")


def correction(world: World) -> None:
    create_feedback(judge=world.judge, trace=world.traces[0], author=world.alice, value="poor")


def withdrawal(world: World) -> None:
    withdraw_feedback(author=world.alice, assessment=world.answer_of(world.alice))


def withdrawal_put_back(world: World) -> None:
    row = world.answer_of(world.alice)
    withdraw_feedback(author=world.alice, assessment=row)
    look(world.judge)
    create_feedback(judge=world.judge, trace=world.traces[6], author=world.ben, value="poor")
    restore_feedback(author=world.alice, assessment=Assessment.objects.get(pk=row.pk))


def cannot_judge(world: World) -> None:
    create_feedback(
        judge=world.judge,
        trace=world.traces[0],
        author=world.ben,
        value=None,
        declined_reason="It is in Dutch.",
    )


def verdict_again(world: World) -> None:
    create_verdict(judge=world.judge, trace=world.traces[4], value="good")


def verdict_on_a_trace_nobody_answered(world: World) -> None:
    create_verdict(
        judge=world.judge, trace=create_trace(experiment=world.experiment), value="excellent"
    )


def verdict_by_a_new_version(world: World) -> None:
    edit_judge(
        actor=world.adam,
        judge=world.judge,
        instructions="Be strict with {{ outputs }}.",
        value_type=QUALITY,
        model="demo:/judge",
        note="Stricter.",
    )
    world.judge.refresh_from_db()
    create_verdict(judge=world.judge, trace=world.traces[0], value="poor")


def settlement(world: World) -> None:
    world.settle()


def settlement_reopened(world: World) -> None:
    world.settle()
    look(world.judge)
    reopen(actor=world.lena, settlement=world.judge.settlements.get())
    first_answer(world)


def rule_change(world: World) -> None:
    update_settings(actor=world.adam, judge=world.judge, label_rule="UNANIMOUS")


def thresholds(world: World) -> None:
    update_settings(actor=world.adam, judge=world.judge, minimum_labels=40)


def guideline_reworded(world: World) -> None:
    save_guideline(
        actor=world.lena, judge=world.judge, text="", choose_when={"good": "It answers fully."}
    )


def old_wordings_left_out(world: World) -> None:
    guideline_reworded(world)
    look(world.judge)
    update_settings(actor=world.adam, judge=world.judge, only_current_guideline=True)


def imported(world: World) -> None:
    file = world.folder / "feedback.csv"
    file.write_text(
        f"trace_id,name,value,source_id\n{world.traces[6].trace_id},quality,good,carl\n"
    )
    call_command("import_feedback", str(file), "--experiment", "shop")


def changed_by_a_program(world: World) -> None:
    row = world.answer_of(world.alice)
    world.program().ok(
        "PATCH",
        f"{V3}/traces/{row.trace.trace_id}/assessments/{row.assessment_id}",
        {"assessment": {"feedback": {"value": "fair"}}, "update_mask": "feedback"},
    )


def taken_back_by_a_program(world: World) -> None:
    row = world.answer_of(world.alice)
    world.program().ok(
        "DELETE", f"{V3}/traces/{row.trace.trace_id}/assessments/{row.assessment_id}"
    )


def traces_deleted(world: World) -> None:
    delete_traces(
        actor=world.adam, experiment=world.experiment, trace_ids=[world.traces[4].trace_id]
    )


def answer_out_of_force_in_the_database(world: World) -> None:
    Assessment.objects.filter(pk=world.answer_of(world.alice).pk).update(valid=False)


def verdict_of_another_judge(world: World) -> None:
    Assessment.objects.create(
        trace=world.traces[1],
        name="quality",
        source_type="LLM_JUDGE",
        source_id="outside",
        value="poor",
        value_key="poor",
        created_at=LONG_AGO,
        updated_at=LONG_AGO,
    )


def run_started(world: World) -> None:
    first_answer(world)
    look(world.judge)
    runs.start_run(actor=world.adam, judge=world.judge)


WRITES = (
    first_answer,
    correction,
    withdrawal,
    withdrawal_put_back,
    cannot_judge,
    verdict_again,
    verdict_on_a_trace_nobody_answered,
    verdict_by_a_new_version,
    settlement,
    settlement_reopened,
    rule_change,
    thresholds,
    guideline_reworded,
    old_wordings_left_out,
    imported,
    changed_by_a_program,
    taken_back_by_a_program,
    traces_deleted,
    answer_out_of_force_in_the_database,
    verdict_of_another_judge,
    run_started,
)


def look(judge: Judge) -> list[Any]:
    """Every figure of the judge as a page gets it."""
    kept = KeptFigures(Judge.objects.get(pk=judge.pk))
    return [kept.get(work_out) for work_out in FIGURES]


def work_out_anew(judge: Judge) -> list[Any]:
    fresh = Judge.objects.get(pk=judge.pk)
    return [work_out(fresh) for work_out in FIGURES]


@pytest.mark.parametrize("write", WRITES)
def test_figures_follow_every_write_at_once(world: World, write: Callable[[World], None]) -> None:
    before = look(world.judge)
    assert look(world.judge) == before
    write(world)
    assert look(world.judge) == work_out_anew(world.judge) != before
    assert look(world.judge) == work_out_anew(world.judge), "found, and still the same"


def test_the_pages_show_them(world: World, client: Client) -> None:
    client.force_login(world.lena)
    page = reverse("judge-detail", args=[world.judge.pk])
    readiness = reverse("judge-readiness", args=[world.judge.pk])
    for write in (lambda _: None, first_answer, verdict_by_a_new_version, settlement, rule_change):
        write(world)
        judge = Judge.objects.get(pk=world.judge.pk)
        response = client.get(page)
        usable, _ = labelled_traces(judge)
        assert response.context["agreement"] == agreement_of(judge)
        assert response.context["meter"].usable == len(usable)
        part = client.get(readiness, headers={"HX-Request": "true"})
        assert part.context["meter"] == response.context["meter"]


def test_the_meter_counts_what_a_run_takes(world: World) -> None:
    first_answer(world)
    counted = KeptFigures(world.judge).get(readiness_of).usable
    run = runs.start_run(actor=world.adam, judge=world.judge)
    assert len(AlignmentRun.objects.get(pk=run.pk).examples) == counted


def test_figures_are_worked_out_once_for_one_state(world: World) -> None:
    times = []

    def figure(judge: Judge) -> int:
        times.append(judge.pk)
        return len(times)

    assert [KeptFigures(world.judge).get(figure) for _ in range(3)] == [1, 1, 1]
    first_answer(world)
    assert [KeptFigures(world.judge).get(figure) for _ in range(3)] == [2, 2, 2]


def test_figures_of_nothing_are_kept_too(world: World) -> None:
    times = []

    def figure(judge: Judge) -> None:
        times.append(judge.pk)

    for _ in range(2):
        KeptFigures(world.judge).get(figure)
    assert len(times) == 1


def test_figures_are_not_kept_when_something_is_written_while_they_are_worked_out(
    world: World,
) -> None:
    """Else they would be found again when that is undone, and be of no state that ever was."""

    def labels_with_a_trace_more(judge: Judge) -> int:
        trace = create_trace(experiment=judge.experiment)
        create_feedback(judge=judge, trace=trace, author=world.alice, value="poor")
        found = judge.labels.count()
        after.append(trace.trace_id)
        return found

    after: list[str] = []
    now = world.judge.labels.count()
    assert KeptFigures(world.judge).get(labels_with_a_trace_more) == now + 1
    delete_traces(actor=world.adam, experiment=world.experiment, trace_ids=after)
    KeptFigures(world.judge).get(labels_with_a_trace_more)
    assert len(after) == 2


def test_another_judge_of_the_same_name_has_its_own(world: World) -> None:
    other = create_judge(experiment=create_experiment(team=world.experiment.team), name="quality")
    create_feedback(
        judge=other, trace=create_trace(experiment=other.experiment), author=world.alice
    )
    assert look(other) == work_out_anew(other) != look(world.judge) == work_out_anew(world.judge)


@pytest.mark.parametrize(
    "page",
    ["judge-detail", "judge-disagreements", "judge-rule", "judge-guideline", "judge-rereview"],
)
def test_neither_first_nor_later_looks_ask_more_of_the_database_with_more_answers(
    world: World, client: Client, page: str
) -> None:
    client.force_login(world.lena)

    def queries() -> int:
        health.banner_state.forget()  # asked for anew after a while, and thus at some looks and not at others
        with CaptureQueriesContext(connection) as asked:
            assert client.get(reverse(page, args=[world.judge.pk])).status_code == 200
        return len(asked)

    queries()
    few = []
    for _ in range(2):
        first_answer(world)
        few.append((queries(), queries()))
        for _ in range(4):
            trace = create_trace(experiment=world.experiment)
            create_verdict(judge=world.judge, trace=trace)
            for author, value in ((world.alice, "poor"), (world.ben, "good")):
                create_feedback(judge=world.judge, trace=trace, author=author, value=value)
        world.traces[6] = create_trace(experiment=world.experiment)
    assert few[0] == few[1]
    assert few[0][1] < few[0][0]
