"""Alignment runs: started by hand or by themselves, cancelled, decided. `execution` does them."""

from __future__ import annotations

import hashlib
import json
import logging
from typing import Any

from django.db import IntegrityError, transaction
from django.db.models import Q
from django.utils import timezone

from alignment.estimates import Budget
from alignment.plugins import build_optimizer, version_of
from annotator import tasks
from annotator.models import LIVE, AlignmentRun, Judge, User, WorkStatus
from annotator.services import judges, log
from annotator.services.kept_figures import KeptFigures
from annotator.services.queueing import send_on_commit
from annotator.services.readiness import LabelledTrace, labelled_traces, readiness_from
from annotator.services.run_examples import freeze, kin_of
from judges.calls import split_model
from judges.errors import InvalidJudgeError, NotEnoughFeedbackError, OptimizerError
from judges.values import value_key

logger = logging.getLogger(__name__)

# Labels that keep changing are left to `reconcile` after so many looks.
MOST_LOOKS = 5
UNDER_WAY = "A run of this judge is under way; wait for it or cancel it."


class RunError(ValueError):
    """The run cannot be started or changed so; the message says what to do."""


def start_run(
    *,
    actor: User | None,
    judge: Judge,
    optimizer: str = "",
    params: dict[str, Any] | None = None,
    model: str = "",
    seed: int = 0,
    budget: Budget | None = None,
) -> AlignmentRun:
    """Start a run by hand, with the judge's own optimizer settings and budget where none are given.

    Raises:
        RunError: when one is under way, or the judge cannot run.
        NotEnoughFeedbackError: when the feedback does not suffice. It says what is missing.
    """
    return _start(
        actor=actor,
        judge=judge,
        trigger=AlignmentRun.Trigger.MANUAL,
        optimizer=optimizer or judge.optimizer,
        params=judge.optimizer_params if params is None else params,
        model=model or judge.optimizer_model,
        seed=seed,
        budget=budget,
    )


def repeat_run(*, actor: User | None, run: AlignmentRun) -> AlignmentRun:
    """Do a finished run once more, with all that it had: the demo model must come to the same result.

    A repeat checks; it makes no version and promotes nothing.

    Raises:
        RunError: when the run did not finish, another one is under way, or what it ran with is not here any more.
    """
    if run.status != WorkStatus.SUCCEEDED:
        raise RunError(f"Run {run.pk} did not finish, so there is no result to compare with.")
    if (here := version_of(run.optimizer)) != run.optimizer_version:
        raise RunError(
            f"Run {run.pk} used version {run.optimizer_version or 'unknown'} of {run.optimizer}; here is "
            f"{here or 'none'}, which may come to another result."
        )
    kept = ("judge", "version_in", "optimizer", "optimizer_version", "params", "model", "seed", "policy", "setup",
            "labels_fingerprint", "examples", "excluded")  # fmt: skip
    try:
        with transaction.atomic():
            repeat = AlignmentRun.objects.create(
                trigger=AlignmentRun.Trigger.REPEAT,
                started_by=actor,
                repeat_of=run,
                **{name: getattr(run, name) for name in kept},
            )
            _log(actor, "repeated run", repeat, after={"run": run.pk})
            send_on_commit(tasks.execute_run, [repeat.pk])
    except IntegrityError:
        raise RunError(UNDER_WAY) from None
    return repeat


def start_run_if_due(judge_pk: int) -> AlignmentRun | None:
    """Start a run by itself, once per new set of labels and one at a time per judge.

    Two workers may see at the same moment that a judge is ready: the database's constraints let one start it.
    """
    run = None
    for _ in range(MOST_LOOKS):
        judge = (
            Judge.objects.select_related("current_version", "experiment__team")
            .filter(pk=judge_pk)
            .first()
        )
        if judge is None:
            return None
        run = _start_if_due(judge) or run
        # Only if nothing changed while we looked; else we look again, because no other message comes.
        unchanged = Judge.objects.filter(pk=judge.pk, readiness_due_at=judge.readiness_due_at)
        if unchanged.update(readiness_due_at=None):
            break
    return run


def _start_if_due(judge: Judge) -> AlignmentRun | None:
    if judge.alignment_policy != Judge.AlignmentPolicy.AUTOMATIC:
        return None
    version = judge.current_version
    if version is None or not version.model or version.not_runnable:
        return None
    if judge.runs.live().exists():
        return None
    usable, states = labelled_traces(judge)
    if not readiness_from(judge, states).is_ready:
        return None
    fresh = labels_since_last_run(judge, usable)
    if fresh is not None and fresh < judge.realign_after:
        return None
    try:
        return _start(
            actor=None,
            judge=judge,
            trigger=AlignmentRun.Trigger.AUTOMATIC,
            optimizer=judge.optimizer,
            params=judge.optimizer_params,
            model=judge.optimizer_model,
            seed=0,
        )
    except (RunError, NotEnoughFeedbackError) as error:
        logger.info("No run of judge %s was started: %s", judge.pk, error)
        return None


def cancel_run(*, actor: User, run: AlignmentRun) -> None:
    """Stop a run within one call.

    Raises:
        RunError: when it is over.
    """
    with transaction.atomic():
        waiting = AlignmentRun.objects.filter(pk=run.pk, status=WorkStatus.QUEUED).update(
            status=WorkStatus.CANCELLED, cancel_requested=True, finished_at=timezone.now()
        )
        running = AlignmentRun.objects.filter(pk=run.pk, status=WorkStatus.RUNNING).update(
            cancel_requested=True
        )
        if not waiting and not running:
            raise RunError("The run is over already.")
        _log(actor, "cancelled run", run)


def promote_run(*, actor: User | None, run: AlignmentRun, reason: str = "") -> None:
    """Put the run's candidate in use. Against the gate's advice a reason is required.

    Raises:
        RunError: when there is no candidate, it was decided already, or the reason is missing.
    """
    if run.candidate is None:
        raise RunError("This run proposed no new version, so there is nothing to promote.")
    if run.outcome == AlignmentRun.Outcome.REJECT and not reason.strip():
        raise RunError(
            "The test did not find it better: say in a sentence why it is to be promoted all the same."
        )
    with transaction.atomic():
        _decide(run, AlignmentRun.Decision.PROMOTED, actor, reason, also_rejected_by_gate=True)
        judges.promote(
            actor=actor,
            judge=run.judge,
            version=run.candidate,
            reason=reason or run.outcome_reason,
        )


def reject_run(*, actor: User, run: AlignmentRun, reason: str) -> None:
    """Turn the run's candidate down.

    Raises:
        RunError: when it was decided already, or the reason is missing.
    """
    if not reason.strip():
        raise RunError("Say in a sentence why it is rejected.")
    with transaction.atomic():
        _decide(run, AlignmentRun.Decision.REJECTED, actor, reason)
        _log(actor, "rejected", run, after={"reason": reason})


def fingerprint(labels: list[LabelledTrace]) -> str:
    """A sha256 that is the same exactly when the labels are."""
    rows = sorted((label.trace_id, value_key(label.value)) for label in labels)
    return hashlib.sha256(json.dumps(rows).encode()).hexdigest()


def _start(
    *,
    actor: User | None,
    judge: Judge,
    trigger: str,
    optimizer: str,
    params: dict[str, Any],
    model: str,
    seed: int,
    budget: Budget | None = None,
) -> AlignmentRun:
    version = judge.current_version
    if version is None or not version.model:
        raise RunError("The judge has no model yet; edit it and name one.")
    if version.not_runnable:
        raise RunError(version.not_runnable)
    try:
        # Wrong parameters show now, on the form, and not later in a worker.
        split_model(model or version.model)
        build_optimizer(optimizer, model=model or version.model, params=params)
    except (InvalidJudgeError, OptimizerError) as error:
        raise RunError(str(error)) from None
    usable, states = labelled_traces(judge)
    state = readiness_from(judge, states)
    if not state.is_ready:
        raise NotEnoughFeedbackError(state.missing)
    if state.usable != len(usable):
        raise AssertionError(f"The meter counts {state.usable} labels, the run has {len(usable)}.")
    examples = freeze(judge, usable)
    try:
        with transaction.atomic():
            run = AlignmentRun.objects.create(
                judge=judge,
                trigger=trigger,
                started_by=actor,
                version_in=version,
                optimizer=optimizer,
                params=params,
                model=model or version.model,
                seed=seed,
                optimizer_version=version_of(optimizer),
                policy={
                    "margin": judge.promotion_margin,
                    "max_harm_per_side": judge.max_harm_per_side,
                    "promotion": judge.promotion_policy,
                    "max_calls": judge.max_calls if budget is None else budget.calls,
                    "max_cost": judge.max_cost if budget is None else budget.cost,
                },
                setup=setup_of(judge, examples),
                labels_fingerprint=fingerprint(usable),
                examples=examples,
                excluded=[
                    {"trace_id": trace_id, "code": reason.code.value, "reason": reason.text}
                    for trace_id, reason in state.excluded
                    if reason.code != "NO_FEEDBACK"
                ],
            )
            _log(actor, "started run", run, after={"optimizer": optimizer, "labels": len(usable)})
            send_on_commit(tasks.execute_run, [run.pk])
    except IntegrityError:
        raise RunError(UNDER_WAY) from None
    return run


def setup_of(judge: Judge, examples: list[dict[str, Any]]) -> dict[str, Any]:
    """What decides a run's result besides its labels and its policy, as it is now.

    Args:
        judge: The judge.
        examples: The frozen labels.
    """
    splits = list(judge.runs.values_list("split", flat=True))
    held_out, train, selection = (
        {trace_id for split in splits for trace_id in split.get(part, ())}
        for part in ("held_out", "train", "selection")
    )
    learnt = train | selection
    return {
        "sides": judge.sides.to_dict(),
        "costs": judge.costs.to_dict(),
        "held_out_before": sorted(held_out | (kin_of(examples, held_out, judge=judge) - learnt)),
        "learnt_before": sorted(learnt),
    }


def labels_since_last_run(judge: Judge, usable: list[LabelledTrace]) -> int | None:
    """How many labels are new or changed since the last run that was not cancelled; None before the first."""
    runs = judge.runs.exclude(status=WorkStatus.CANCELLED)
    last = runs.exclude(trigger=AlignmentRun.Trigger.REPEAT).order_by("-pk").first()
    if last is None:
        return None
    seen = {row["trace"]["trace_id"]: value_key(row["value"]) for row in last.examples}
    return sum(1 for item in usable if seen.get(item.trace_id) != value_key(item.value))


def fresh_labels(judge: Judge) -> int | None:
    """How many labels a run would now learn from that the last one did not; None before the first."""
    usable, _ = labelled_traces(judge)
    return labels_since_last_run(judge, usable)


def next_run(judge: Judge, *, kept: KeptFigures | None = None) -> str:
    """When a judge that is ready is aligned next, in a sentence for people; in fewer queries with its kept figures."""
    if judge.runs.live().exists():
        return "A run is under way."
    if judge.alignment_policy != Judge.AlignmentPolicy.AUTOMATIC:
        return "An admin starts the run; this judge's policy is not automatic."
    if judge.current_version is None or not judge.current_version.model:
        return "Name a model in the judge first; then a run starts by itself."
    fresh = kept.get(fresh_labels) if kept else fresh_labels(judge)
    if fresh is None or fresh >= judge.realign_after:
        return "A run starts by itself as soon as a worker is free."
    more = judge.realign_after - fresh
    return (
        f"The last run has used these labels. The next starts by itself after {more} new or changed "
        f"{'label' if more == 1 else 'labels'}; an admin can start one at any time."
    )


def _decide(
    run: AlignmentRun,
    decision: str,
    actor: User | None,
    reason: str,
    *,
    also_rejected_by_gate: bool = False,
) -> None:
    undecided = Q(decision=AlignmentRun.Decision.OPEN)
    if also_rejected_by_gate:
        undecided |= Q(decision=AlignmentRun.Decision.REJECTED, decided_by=None)
    decided = AlignmentRun.objects.filter(undecided, pk=run.pk).update(
        decision=decision,
        decided_by=actor,
        decided_at=timezone.now(),
        decision_reason=reason.strip(),
    )
    if not decided:
        raise RunError("This run was decided already; reload the page.")
    run.refresh_from_db()


def _log(actor: User | None, action: str, run: AlignmentRun, after: Any = None) -> None:
    log.record(
        actor=actor,
        action=action,
        target=run,
        team=run.judge.experiment.team,
        name=run.judge.name,
        after=after,
    )


def live_run(judge: Judge) -> AlignmentRun | None:
    """The judge's waiting or running run."""
    return judge.runs.filter(status__in=LIVE).first()
