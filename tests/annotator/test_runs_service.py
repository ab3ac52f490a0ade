"""Alignment runs through the services, with a model that does what its instructions say."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from threading import Barrier
from typing import Any

import pytest
from django.db import connection, transaction

from alignment import plugins
from alignment.labels import LabelRule
from annotator.demo import model as demo_model
from annotator.demo.http_stub import StubAnswer, StubServer
from annotator.models import ActivityLog, AlignmentRun, Assessment, Judge, Team, User, WorkStatus
from annotator.services import feedback, jobs, judges, label_previews, runs
from annotator.services.agreement import agreement_of
from annotator.services.readiness import labelled_traces
from judges.base import Judge as DomainJudge
from judges.entities import Trace
from judges.errors import NotEnoughFeedbackError
from judges.instructions import InstructionsJudge
from judges.llm import register_local_provider
from judges.memory import Memory
from tests.annotator.run_rows import create_run
from tests.annotator.tagged_world import (
    HARMFUL,
    LEARNT,
    AddsARule,
    create_tagged_judge,
    label_traces,
    respond,
)
from tests.factories import create_experiment, create_feedback, create_trace, create_verdict
from tests.processes import eventually, worker_on_test_database

# a run writes from several threads, so that its rows have to be really there
pytestmark = pytest.mark.django_db(transaction=True)

AUTOMATIC = Judge.AlignmentPolicy.AUTOMATIC


class AddsAContradiction(AddsARule):
    """Learns well from feedback that contradicts itself."""

    def align(self, judge: DomainJudge, traces: Sequence[Trace]) -> DomainJudge:
        better = super().align(judge, traces)
        assert isinstance(better, InstructionsJudge)
        return replace(better, memory=Memory(contradictions=("Two say yes to slang, two say no.",)))


@pytest.fixture(autouse=True)
def _world() -> Iterator[None]:
    register_local_provider("tagged", respond)
    register_local_provider("demo", demo_model.respond)
    ours = {"adds-a-rule": AddsARule, "adds-a-contradiction": AddsAContradiction}
    with plugins.override_optimizers({**plugins.BUILTIN, **ours}):
        yield


@pytest.fixture
def judge(team: Team, alice: User) -> Judge:
    """A judge with 44 labels, every second one against its verdict."""
    judge = create_tagged_judge(experiment=create_experiment(team=team))
    label_traces(judge=judge, author=alice, count=44)
    return judge


def finished(run: AlignmentRun) -> AlignmentRun:
    """The run as it is now: its task was done when it was sent."""
    run.refresh_from_db()
    run.judge.refresh_from_db()
    return run


def test_the_last_missing_feedback_starts_a_run_by_itself_and_a_better_judge_is_promoted(
    team: Team, alice: User
) -> None:
    judge = create_tagged_judge(experiment=create_experiment(team=team), minimum_labels=44)
    label_traces(judge=judge, author=alice, count=43)
    Judge.objects.filter(pk=judge.pk).update(alignment_policy=AUTOMATIC)
    judge.refresh_from_db()
    assert not judge.runs.exists()

    label_traces(judge=judge, author=alice, count=1, first=43)

    run = judge.runs.get()
    judge.refresh_from_db()
    assert run.trigger == AlignmentRun.Trigger.AUTOMATIC
    assert run.status == WorkStatus.SUCCEEDED, run.error_text
    assert run.outcome == AlignmentRun.Outcome.PROMOTE, run.outcome_reason
    assert run.decision == AlignmentRun.Decision.PROMOTED
    assert judge.current_version == run.candidate
    assert judge.previous_version == run.version_in
    assert run.figures["after"]["accuracy"] == 1.0
    assert run.figures["before"]["accuracy"] == pytest.approx(0.5, abs=0.1)
    assert [stage["name"] for stage in run.stages] == [
        "FREEZE",
        "SPLIT",
        "BASELINE",
        "OPTIMIZE",
        "EVALUATE",
        "GATE",
        "PROMOTE",
    ]
    assert all(stage["finished_at"] and stage["result"] for stage in run.stages)


def test_a_set_of_labels_starts_one_run_by_itself_and_new_labels_start_the_next(
    judge: Judge, alice: User
) -> None:
    Judge.objects.filter(pk=judge.pk).update(
        alignment_policy=AUTOMATIC,
        promotion_policy=Judge.PromotionPolicy.APPROVAL,
        realign_after=2,
    )
    judge.refresh_from_db()
    assert runs.start_run_if_due(judge.pk) is not None
    assert runs.start_run_if_due(judge.pk) is None

    assert "after 2 new or changed labels" in runs.next_run(judge)
    label_traces(judge=judge, author=alice, count=1, first=100)
    assert judge.runs.count() == 1, "one new label is fewer than two"
    assert "after 1 new or changed label;" in runs.next_run(judge)
    label_traces(judge=judge, author=alice, count=1, first=101)
    assert judge.runs.count() == 2


def test_workers_that_see_a_ready_judge_at_once_start_one_run(judge: Judge, adam: User) -> None:
    Judge.objects.filter(pk=judge.pk).update(alignment_policy=AUTOMATIC, optimizer="simba")
    gate = Barrier(4)

    def look() -> AlignmentRun | None:
        try:
            gate.wait()
            return runs.start_run_if_due(judge.pk)
        finally:
            connection.close()

    with worker_on_test_database(), ThreadPoolExecutor(4) as pool:
        started = [run for run in pool.map(lambda _: look(), range(4)) if run]
        assert len(started) == 1
        assert judge.runs.count() == 1
        runs.cancel_run(actor=adam, run=started[0])


def test_a_harmful_optimizer_is_never_promoted(judge: Judge, adam: User) -> None:
    run = finished(runs.start_run(actor=adam, judge=judge, params={"rule": HARMFUL}))
    assert run.status == WorkStatus.SUCCEEDED, run.error_text
    assert run.outcome == AlignmentRun.Outcome.REJECT
    assert run.decision == AlignmentRun.Decision.REJECTED
    assert run.judge.current_version == run.version_in
    assert run.decision_reason


def test_an_optimizer_that_changes_nothing_proposes_nothing(judge: Judge, adam: User) -> None:
    run = finished(runs.start_run(actor=adam, judge=judge, params={"rule": "Be fair."}))
    assert run.outcome == AlignmentRun.Outcome.REJECT
    with pytest.raises(runs.RunError, match="better"):
        runs.promote_run(actor=adam, run=run)


def test_the_held_out_verdicts_of_both_versions_are_on_the_run_and_the_candidates_on_the_traces(
    judge: Judge, adam: User
) -> None:
    run = finished(runs.start_run(actor=adam, judge=judge))
    held_out = set(run.split["held_out"])
    assert held_out == {item["trace_id"] for item in run.items}
    assert len(held_out) == pytest.approx(0.4 * 44, abs=2)
    for item in run.items:
        assert item["after"] == item["label"]
        assert item["before"] == "good"
        assert item["change"] == ("FIXED" if item["label"] == "poor" else "SAME")
        assert item["after_rationale"] == f"I read {item['label']}."
    logged = Assessment.objects.verdicts().filter(judge_version=run.candidate)
    assert set(logged.values_list("trace__trace_id", flat=True)) == held_out


def test_agreement_of_a_version_leaves_out_the_traces_it_learnt_from(
    judge: Judge, adam: User
) -> None:
    run = finished(runs.start_run(actor=adam, judge=judge))
    assert run.candidate is not None
    job = jobs.start_job(
        actor=adam,
        version=run.candidate,
        traces=list(judge.experiment.traces.values_list("pk", flat=True)),
    )
    assert jobs.job_progress(job).done == 44
    agreement = agreement_of(judge).of_version(run.candidate)
    assert agreement is not None
    assert agreement.n == len(run.split["held_out"])


def test_a_held_out_trace_stays_held_out_in_later_runs(
    judge: Judge, adam: User, alice: User
) -> None:
    first = finished(runs.start_run(actor=adam, judge=judge, params={"rule": HARMFUL}))
    label_traces(judge=judge, author=alice, count=20, first=44)
    second = finished(runs.start_run(actor=adam, judge=judge))
    assert set(first.split["held_out"]) < set(second.split["held_out"])
    learnt = set(first.split["train"]) | set(first.split["selection"])
    assert not learnt & set(second.split["held_out"])


@pytest.mark.parametrize("how", ["its label is gone", "it was imported again"])
def test_what_was_held_out_is_not_learnt_from_under_another_name(
    judge: Judge, adam: User, alice: User, how: str
) -> None:
    first = finished(runs.start_run(actor=adam, judge=judge, params={"rule": HARMFUL}))
    held = judge.experiment.traces.get(trace_id=first.split["held_out"][0])
    double = create_trace(experiment=judge.experiment)
    double.inputs, double.outputs = held.inputs, held.outputs
    double.save()
    create_verdict(judge=judge, trace=double, value="good")
    create_feedback(judge=judge, trace=double, author=alice, value="good")
    # With so few labels left to learn from, nothing more would be held out by itself.
    gone = set(first.split["train"][:16])
    if how == "its label is gone":
        gone.add(held.trace_id)
    else:
        held.delete()
    for each in Assessment.objects.human().filter(trace__trace_id__in=gone):
        feedback.withdraw_feedback(author=alice, assessment=each)
    second = finished(runs.start_run(actor=adam, judge=judge))
    assert held.trace_id not in {row["trace"]["trace_id"] for row in second.examples}
    assert double.trace_id in second.split["held_out"]


def test_few_labels_are_cross_validated_and_the_run_says_so(
    team: Team, alice: User, adam: User
) -> None:
    judge = create_tagged_judge(experiment=create_experiment(team=team))
    label_traces(judge=judge, author=alice, count=16)
    run = finished(runs.start_run(actor=adam, judge=judge))
    assert run.status == WorkStatus.SUCCEEDED, run.error_text
    assert "cross-validation" in run.stages[1]["result"]
    assert run.figures["is_cross_validated"]
    assert len(run.items) == 16
    assert not Assessment.objects.verdicts().filter(judge_version=run.candidate).exists()


def test_roll_back_puts_the_version_before_in_use_and_again_undoes_it(
    judge: Judge, adam: User
) -> None:
    run = finished(runs.start_run(actor=adam, judge=judge))
    judge = judges.roll_back(actor=adam, judge=run.judge)
    assert judge.current_version == run.version_in
    judge = judges.roll_back(actor=adam, judge=judge)
    assert judge.current_version == run.candidate
    actions = list(ActivityLog.objects.order_by("pk").values_list("action", flat=True))
    assert actions[-3:] == ["promoted", "rolled back", "rolled back"]


def test_a_candidate_waits_where_the_policy_asks_for_an_admin(judge: Judge, adam: User) -> None:
    judges.update_settings(actor=adam, judge=judge, promotion_policy=Judge.PromotionPolicy.APPROVAL)
    run = finished(runs.start_run(actor=adam, judge=judge))
    assert run.outcome == AlignmentRun.Outcome.PROMOTE
    assert run.decision == AlignmentRun.Decision.OPEN
    assert run.judge.current_version == run.version_in
    with pytest.raises(runs.RunError, match="why"):
        runs.reject_run(actor=adam, run=run, reason=" ")
    runs.promote_run(actor=adam, run=run)
    judge.refresh_from_db()
    assert judge.current_version == run.candidate
    with pytest.raises(runs.RunError, match="decided already"):
        runs.reject_run(actor=adam, run=run, reason="Too late.")


def test_the_model_that_answered_is_kept_with_the_run(team: Team, alice: User, adam: User) -> None:
    with StubServer(demo_model.respond) as stub:
        judge = create_tagged_judge(
            experiment=create_experiment(team=team), model="openai:/stub", base_url=stub.base_url
        )
        label_traces(judge=judge, author=alice, count=44)
        run = finished(runs.start_run(actor=adam, judge=judge))
    assert run.figures["answered_by"] == {"openai:/stub": ["stub"]}


def test_a_candidate_waits_where_the_feedback_contradicts_itself(judge: Judge, adam: User) -> None:
    run = finished(runs.start_run(actor=adam, judge=judge, optimizer="adds-a-contradiction"))
    assert run.outcome == AlignmentRun.Outcome.PROMOTE
    assert run.decision == AlignmentRun.Decision.OPEN
    assert run.judge.current_version == run.version_in
    assert "the feedback contradicts itself" in run.stages[-1]["result"]
    runs.promote_run(actor=adam, run=run)
    judge.refresh_from_db()
    assert judge.current_version == run.candidate


def test_a_judge_edited_meanwhile_is_not_overwritten_by_the_run(judge: Judge, adam: User) -> None:
    with transaction.atomic():  # the worker hears of the run when all of this stands
        run = runs.start_run(actor=adam, judge=judge)
        edited = judges.edit_judge(
            actor=adam,
            judge=judge,
            instructions="Judge {{ outputs }} anew.",
            value_type=judge.value_type,
            model="tagged:/model",
        )
    finished(run)
    assert run.decision == AlignmentRun.Decision.OPEN
    assert run.judge.current_version == edited
    assert "was changed since" in run.stages[-1]["result"]


def test_a_correction_made_during_a_run_does_not_change_what_it_learns(
    judge: Judge, adam: User, alice: User
) -> None:
    trace = judge.experiment.traces.earliest("pk")
    with transaction.atomic():
        run = runs.start_run(actor=adam, judge=judge)
        create_feedback(judge=judge, trace=trace, author=alice, value="poor")
    frozen = {row["trace"]["trace_id"]: row["value"] for row in finished(run).examples}
    assert frozen[trace.trace_id] == "good"


def test_too_little_feedback_is_refused_with_what_is_missing(
    team: Team, alice: User, adam: User
) -> None:
    judge = create_tagged_judge(experiment=create_experiment(team=team))
    trace = create_trace(experiment=judge.experiment, answer="[good]")
    create_verdict(judge=judge, trace=trace)
    create_feedback(judge=judge, trace=trace, author=alice, value="good")
    with pytest.raises(NotEnoughFeedbackError) as refused:
        runs.start_run(actor=adam, judge=judge)
    assert refused.value.missing == ["2 more positive", "3 more negative", "4 more labels"]


def test_unknown_optimizers_and_parameters_are_refused_at_once(judge: Judge, adam: User) -> None:
    with pytest.raises(runs.RunError, match="There is no optimizer “magic”"):
        runs.start_run(actor=adam, judge=judge, optimizer="magic")
    with pytest.raises(runs.RunError, match="does not take"):
        runs.start_run(actor=adam, judge=judge, params={"speed": 11})


def test_one_run_at_a_time(judge: Judge, adam: User) -> None:
    with transaction.atomic():
        run = runs.start_run(actor=adam, judge=judge)
        with pytest.raises(runs.RunError, match="under way"):
            runs.start_run(actor=adam, judge=judge)
        runs.cancel_run(actor=adam, run=run)
    assert finished(run).status == WorkStatus.CANCELLED
    with pytest.raises(runs.RunError, match="over"):
        runs.cancel_run(actor=adam, run=run)
    assert finished(runs.start_run(actor=adam, judge=judge)).status == WorkStatus.SUCCEEDED


def test_a_provider_that_refuses_ends_the_run_with_its_sentence(judge: Judge, adam: User) -> None:
    with StubServer(respond) as stub:
        stub.always = StubAnswer(status=401)
        judges.edit_judge(
            actor=adam,
            judge=judge,
            instructions="Read {{ outputs }}.",
            value_type=judge.value_type,
            model="openai:/stub",
            base_url=stub.base_url,
        )
        run = finished(runs.start_run(actor=adam, judge=judge))
    assert run.status == WorkStatus.FAILED
    assert run.error_kind == "ProviderAuthError"
    assert "OPENAI_API_KEY" in run.error_text


@pytest.mark.parametrize(
    ("optimizer", "params", "after"),
    [
        ("simba", {"steps": 2}, 60),
        # which asks for guidelines and lets GEPA start from them
        ("best_of", {"max_calls": 150}, 60),
    ],
)
def test_a_run_whose_worker_is_killed_goes_on_with_another_and_asks_nothing_twice(
    team: Team, alice: User, adam: User, optimizer: str, params: dict[str, Any], after: int
) -> None:
    with StubServer(demo_model.respond) as stub:
        stub.latency_s = 0.05
        judge = create_tagged_judge(
            experiment=create_experiment(team=team),
            model="openai:/stub",
            base_url=stub.base_url,
            optimizer=optimizer,
        )
        label_traces(judge=judge, author=alice, count=44)
        with worker_on_test_database(OPENAI_API_KEY="stub", LLM_CONCURRENCY="4") as worker:
            run = runs.start_run(actor=adam, judge=judge, params=params)
            assert eventually(lambda: run.answers.count() > after), worker.process.text
            worker.kill()
            unanswered = stub.calls - run.answers.count()
            worker.restart()
            assert eventually(
                lambda: AlignmentRun.objects.filter(pk=run.pk, status=WorkStatus.SUCCEEDED).exists()
            ), worker.process.text
        run.refresh_from_db()
        asked = [json.dumps(body, sort_keys=True) for body in stub.bodies]
    assert run.attempt == 2
    assert run.outcome
    # Every answer that came was written down before the run went on: only what was in flight is asked again.
    assert len(asked) - len(set(asked)) <= unanswered <= 4


def test_changing_the_rule_shows_first_what_it_does_to_the_labels(
    judge: Judge, adam: User, alice: User
) -> None:
    trace = judge.experiment.traces.earliest("pk")
    create_feedback(judge=judge, trace=trace, author=adam, value="poor")
    preview = label_previews.preview_rule(
        judge=judge, rule=LabelRule.ADJUDICATED, adjudicator="adam"
    )
    assert preview.counts() == {"before": 43, "after": 1, "changed": 0, "gained": 1, "lost": 43}
    judges.update_settings(
        actor=adam, judge=judge, label_rule=LabelRule.ADJUDICATED.value, adjudicator="adam"
    )
    assert judge.labels.count() == 1


@pytest.mark.parametrize("optimizer", ["simba", "gepa", "memory", "best_of"])
def test_a_repeated_run_comes_to_the_same_result_and_promotes_nothing(
    team: Team, alice: User, adam: User, optimizer: str
) -> None:
    judge = create_tagged_judge(experiment=create_experiment(team=team), model="demo:/judge")
    label_traces(judge=judge, author=alice, count=44)
    first = finished(runs.start_run(actor=adam, judge=judge, optimizer=optimizer, seed=3))
    assert first.status == WorkStatus.SUCCEEDED, first.error_text
    versions = judge.versions.count()
    again = finished(runs.repeat_run(actor=adam, run=first))
    assert again.decision_reason == f"The same result as run {first.pk}."
    assert (again.trigger, again.candidate, again.seed) == ("REPEAT", None, 3)
    assert judge.versions.count() == versions
    assert again.items == first.items


def test_a_repeat_that_comes_out_otherwise_names_what_differs(judge: Judge, adam: User) -> None:
    first = finished(
        runs.start_run(actor=adam, judge=judge, optimizer="adds-a-rule", params={"rule": LEARNT})
    )
    AlignmentRun.objects.filter(pk=first.pk).update(params={"rule": HARMFUL})
    again = finished(runs.repeat_run(actor=adam, run=finished(first)))
    assert again.decision_reason.startswith(
        f"Another result than run {first.pk}: it differs in the"
    )
    assert "candidate" in again.decision_reason
    assert not AlignmentRun.objects.filter(pk=again.pk, decision="OPEN").exists()


def test_a_run_that_did_not_finish_cannot_be_repeated(judge: Judge, adam: User) -> None:
    run = create_run(judge, status=WorkStatus.FAILED)
    with pytest.raises(runs.RunError, match="did not finish"):
        runs.repeat_run(actor=adam, run=run)


def test_a_repeat_does_not_count_as_the_last_run(judge: Judge, adam: User) -> None:
    first = finished(runs.start_run(actor=adam, judge=judge, optimizer="adds-a-rule"))
    usable, _ = labelled_traces(judge)
    before = runs.labels_since_last_run(judge, usable)
    runs.repeat_run(actor=adam, run=first)
    assert runs.labels_since_last_run(judge, usable) == before == 0
