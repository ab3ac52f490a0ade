"""`run_judge` and `align`: a job and a run, started from a shell and watched to their ends."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from io import StringIO

import pytest
from django.core.management import CommandError, call_command

from alignment.plugins import override_optimizers
from annotator.demo.model import respond
from annotator.demo.seed import seed_demo
from annotator.demo.world import demo_world
from annotator.models import AlignmentRun, Assessment, Judge, JudgeJob, JudgeVersion, Trace, User
from annotator.services.feedback import add_feedback
from annotator.services.judges import update_settings
from annotator.services.readiness import review_next
from judges.base import AlignmentOptimizer
from judges.base import Judge as DomainJudge
from judges.entities import Trace as DomainTrace
from judges.instructions import InstructionsJudge
from judges.llm import register_local_provider
from tests.factories import create_experiment, create_judge, create_trace

# Work is queued when a transaction ends, and done where it is queued.
pytestmark = pytest.mark.django_db(transaction=True)


def run(*arguments: str) -> str:
    out = StringIO()
    call_command(*arguments, stdout=out)
    return out.getvalue()


@pytest.fixture(autouse=True)
def _demo_model() -> None:
    register_local_provider("demo", respond)


@pytest.fixture
def judge() -> Judge:
    judge = create_judge(experiment=create_experiment(name="shop"))
    for number in range(3):
        create_trace(experiment=judge.experiment, trace_id=f"t-{number}")
    return judge


def test_a_judge_runs_over_all_traces_and_the_command_waits(judge: Judge):
    out = run("run_judge", "quality", "--experiment", "shop", "--wait")
    assert "version 1 of quality over 3 traces" in out
    assert "3 of 3 done, 0 failed." in out
    assert Assessment.objects.verdicts().count() == 3
    assert JudgeJob.objects.get().selection == "all traces"


def test_a_limit_takes_the_newest(judge: Judge):
    out = run("run_judge", "quality", "--experiment", "shop", "--limit", "2", "--wait")
    assert "2 of 2 done" in out
    newest = list(Trace.objects.newest_first().values_list("trace_id", flat=True)[:2])
    judged = Assessment.objects.verdicts().values_list("trace__trace_id", flat=True)
    assert set(judged) == set(newest)


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["run_judge", "tone", "--experiment", "shop"], "has no judge “tone”; it has “quality”"),
        (["run_judge", "quality", "--experiment", "shed"], "There is no experiment “shed”"),
        (
            ["run_judge", "quality", "--experiment", "shop", "--limit", "0"],
            "“0” is no whole number from 1 to",
        ),
        (
            ["align", "quality", "--experiment", "shop"],
            "Not enough feedback to align: 3 more positive; 3 more negative",
        ),
    ],
)
def test_what_cannot_be_done_is_said_in_a_sentence(
    arguments: list[str], sentence: str, judge: Judge
):
    with pytest.raises(CommandError) as failure:
        run(*arguments)
    assert sentence in str(failure.value)


def test_a_draft_without_a_model_does_not_run(judge: Judge):
    JudgeVersion.objects.filter(judge=judge).update(model="")
    with pytest.raises(CommandError, match="has no model yet"):
        run("run_judge", "quality", "--experiment", "shop")


class Rewriter(AlignmentOptimizer):
    """Writes the experts' own guide into the instructions."""

    def align(self, judge: DomainJudge, traces: Sequence[DomainTrace]) -> DomainJudge:
        assert isinstance(judge, InstructionsJudge)
        return replace(judge, instructions=f"{judge.instructions}\n{demo_world().guideline.text}")


def test_an_alignment_shows_its_stages_and_what_came_of_it():
    seed_demo()
    judge = Judge.objects.get()
    admin = User.objects.get(username="admin")
    update_settings(actor=admin, judge=judge, alignment_policy=Judge.AlignmentPolicy.MANUAL)
    for trace_id in review_next(judge=judge, user=admin)[:3]:
        trace = Trace.objects.get(trace_id=trace_id)
        add_feedback(author=admin, trace=trace, judge=judge, value="fair")
    with override_optimizers({"rewriter": Rewriter}):
        out = run(
            *("align", "product_quality", "--experiment", judge.experiment.name),
            *("--optimizer", "rewriter"),
        )
    row = AlignmentRun.objects.get()
    assert (row.trigger, row.optimizer, row.status) == ("MANUAL", "rewriter", "SUCCEEDED")
    assert all(stage["result"] in out for stage in row.stages)
    assert row.outcome_reason in out
