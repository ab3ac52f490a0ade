"""What a run would take, before it is started: from the labels as they are, past calls, and the prices known."""

from __future__ import annotations

from typing import Any

from django.conf import settings

from alignment.estimates import Budget, Estimate, estimate_run, plan_of
from alignment.plugins import build_optimizer
from alignment.stages import split_of
from annotator.models import AlignmentRun, Judge, JudgeShard, WorkStatus
from annotator.services.prices import load_prices
from annotator.services.readiness import labelled_traces
from annotator.services.run_examples import freeze, thaw
from annotator.services.runs import setup_of
from judges.calls import split_model
from judges.prices import entered_price, listed_price

PAST_RUNS = 5
PAST_SHARDS = 20
DEMO_PROVIDER = "demo"


def estimate(
    *, judge: Judge, optimizer: str, params: dict[str, Any], model: str = ""
) -> Estimate | None:
    """The most that a run with these settings would take now; None while nothing can be aligned.

    `seconds` is None until a run with the same models, or a job with the judge's, has finished.

    Raises:
        NotEnoughFeedbackError: when the labels cannot be divided into those that teach and those that test.
        OptimizerError: when the optimizer does not take the parameters.
    """
    version = judge.current_version
    if version is None or not version.model or version.not_runnable:
        return None
    usable, _ = labelled_traces(judge)
    if not usable:
        return None
    model = model or judge.optimizer_model or version.model
    frozen = freeze(judge, usable)
    examples = thaw(frozen, judge.sides)
    setup = setup_of(judge, frozen)
    split = split_of(
        judge.name,
        examples,
        frozenset(setup["held_out_before"]),
        frozenset(setup["learnt_before"]),
    )
    domain = version.to_domain()
    plan = plan_of(build_optimizer(optimizer, model=model, params=params), domain, split)
    load_prices()
    return estimate_run(
        plan,
        domain,
        examples,
        price=_dearest(version.model, model),
        seconds_per_call=_seconds_per_call(version.model, model),
        concurrency=settings.LLM_CONCURRENCY,
    )


def over_budget(estimate: Estimate, budget: Budget) -> str:
    """Whether the run might not get to its end, in a sentence; empty when it does."""
    if budget.calls is not None and estimate.calls is not None and estimate.calls > budget.calls:
        return f"It may need more than the {budget.calls:,} calls allowed, and would then stop without a result."
    if budget.cost is not None:
        if estimate.cost is None:
            return "The price of a model is unknown, so a budget in money cannot be kept: enter its price, or bound the calls."
        if estimate.cost > budget.cost:
            return f"It may cost more than the ${budget.cost:,.2f} allowed, and would then stop without a result."
    return ""


def _dearest(*models: str) -> tuple[float, float] | None:
    """The higher price of the judge's and the optimizer's model; None when one is unknown."""
    prices = []
    for model in set(models):
        known = entered_price(model) or listed_price(model)
        if split_model(model)[0] == DEMO_PROVIDER:
            known = (0.0, 0.0)
        if known is None:
            return None
        prices.append(known)
    return max(asked for asked, _ in prices), max(answered for _, answered in prices)


def _seconds_per_call(judge_model: str, optimizer_model: str) -> float | None:
    """How long a worker's slot was busy for a call: in the latest runs with the same models, else in jobs of the judge's."""
    past = AlignmentRun.objects.filter(
        status=WorkStatus.SUCCEEDED,
        model=optimizer_model,
        version_in__model=judge_model,
        calls__gt=0,
    )
    columns = ("calls", "started_at", "finished_at")
    latest = list(past.order_by("-pk").values_list(*columns)[:PAST_RUNS])
    if not latest:
        shards = JudgeShard.objects.filter(
            status=WorkStatus.SUCCEEDED, job__version__model=judge_model, calls__gt=0
        )
        latest = list(shards.order_by("-pk").values_list(*columns)[:PAST_SHARDS])
    calls, busy = 0, 0.0
    for made, started, finished in latest:
        if started and finished:
            calls += made
            slots = min(settings.LLM_CONCURRENCY, made)
            busy += slots * (finished - started).total_seconds()
    return busy / calls if calls else None
