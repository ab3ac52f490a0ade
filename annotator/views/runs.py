"""Alignment runs: listed, started, watched, decided."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from django.contrib import messages
from django.db.models import QuerySet
from django.http import HttpResponse, HttpResponseBase
from django.shortcuts import get_object_or_404, redirect, render
from django.utils import timezone
from django.views.decorators.http import require_GET, require_http_methods, require_POST
from django_htmx.http import HttpResponseClientRefresh

from alignment.estimates import Budget
from annotator.http import AuthedRequest, render_either
from annotator.models import AlignmentRun, Judge, Role, Trace, User, WorkStatus
from annotator.models.hidden import told_traces
from annotator.permissions import require_role, role_required
from annotator.presenters import run_figures, run_page
from annotator.presenters.diff import word_diff
from annotator.presenters.estimates import EstimateView, estimate_view
from annotator.presenters.learnt import learnt
from annotator.presenters.words import DEMO_NOTICE, is_demo_model, money
from annotator.services import run_estimates
from annotator.services import runs as run_service
from annotator.services.judges import JudgeServiceError
from annotator.services.runs import RunError
from annotator.views.judge_rows import listed_runs
from annotator.views.judges import get_judge, judge_context, posted_reason
from annotator.views.optimizer_form import RunForm
from judges.errors import NotEnoughFeedbackError, OptimizerError

PAGE_SIZE = 50
PAST_RUNS = 5
SHOWN_LOG_LINES = 400


@require_GET
def run_list(request: AuthedRequest) -> HttpResponse:
    """Every run of the user's teams, newest first; `?before=` is the key of the next page."""
    runs = listed_runs(AlignmentRun.objects.visible_to(request.user))
    judge = request.GET.get("judge", "")
    if judge.isdecimal():
        runs = runs.filter(judge=int(judge[:17]))
    before = request.GET.get("before", "")
    if before.isdecimal():
        runs = runs.filter(pk__lt=int(before[:17]))
    page = list(runs[: PAGE_SIZE + 1])
    ctx = {
        "runs": page[:PAGE_SIZE],
        "next_before": page[PAGE_SIZE - 1].pk if len(page) > PAGE_SIZE else None,
        "judge_filter": judge if judge.isdecimal() else "",
        "is_first_page": not before,
    }
    return render(request, "runs/list.html", ctx)


@require_GET
def run_detail(request: AuthedRequest, pk: int) -> HttpResponse:
    """One run: what it worked with, how it goes, what came of it."""
    run = _run(request, pk)
    judge = run.judge
    all_flips = run_page.flips(run.items)
    flips = _told(request.user, judge, all_flips)
    filters = run_page.flip_filters(flips)
    show = request.GET.get("show", "")
    if show not in {kind for kind, _, _ in filters}:
        show = next((kind for kind, _, total in filters if total), "all")
    ctx = {
        **_status_context(request, run),
        "set": run_page.set_summary(run.examples, run.split, run.excluded),
        "people": run_page.people_behind(run.examples, _names(run))
        if request.user.has_role(judge.experiment.team_id, Role.LEAD)
        else (),
        "answered_by": run_page.answered_by(run.figures),
        "compared": run_figures.compared_figures(run.figures),
        "difference": run_figures.difference_view(run.figures),
        "method": run_figures.method_sentence(run.figures) if run.figures else "",
        "chance": run_figures.chance_sentence(run.figures),
        "flips": _with_previews([flip for flip in flips if show in (flip.change, "all")]),
        "flip_filters": filters,
        "has_flips": bool(all_flips),
        "hidden_flips": len(all_flips) - len(flips),
        "show": show,
        "diff": word_diff(run.version_in.instructions, run.candidate.instructions)
        if run.candidate
        else None,
        "learnt": learnt(run.candidate) if run.candidate else None,
        "experts": run_figures.experts_view(run.figures),
        "old_name": f"Version {run.version_in.number}",
        "new_name": f"Version {run.candidate.number}" if run.candidate else "",
        "params": sorted(run.params.items()),
        "may_roll_back": run.candidate_id is not None
        and run.candidate_id == judge.current_version_id
        and judge.previous_version_id is not None,
    }
    return render(request, "runs/detail.html", ctx)


@require_GET
def run_status(request: AuthedRequest, pk: int) -> HttpResponseBase:
    """The part of the page that changes while a run lives; once it is over the page comes anew, whole."""
    # Asked for every two seconds: without the columns that hold whole traces.
    run = get_object_or_404(
        _runs(request).defer("examples", "excluded", "split", "items", "figures"), pk=pk
    )
    if request.htmx and not run.is_live:
        return HttpResponseClientRefresh()
    if not request.htmx:
        return redirect("run-detail", pk)
    return render(request, "runs/_status.html", _status_context(request, run))


@require_http_methods(["GET", "POST"])
@role_required(Role.ADMIN)
def run_start(request: AuthedRequest, pk: int) -> HttpResponse:
    """Start a run of a judge by hand."""
    judge = get_judge(request, pk)
    require_role(request.user, judge.experiment.team_id, Role.ADMIN)
    earlier = None
    if request.GET.get("from", "").isdecimal():
        earlier = judge.runs.filter(pk=int(request.GET["from"][:17])).first()
    form = RunForm(request.POST or None, judge=judge, run=earlier)
    if request.method == "POST" and "estimate" not in request.POST and form.is_valid():
        try:
            run = run_service.start_run(
                actor=request.user,
                judge=judge,
                optimizer=form.cleaned_data["optimizer"],
                params=form.params,
                model=form.cleaned_data["optimizer_model"],
                seed=form.cleaned_data["seed"],
                budget=form.budget,
            )
        except (RunError, NotEnoughFeedbackError) as error:
            form.add_error(None, str(error))
        else:
            return redirect("run-detail", run.pk)
    ctx = {
        **judge_context(request, judge, tab="runs"),
        "form": form,
        "earlier": earlier,
        "estimate": _estimate(judge, form, earlier),
    }
    status = 422 if form.is_bound and not form.is_valid() else 200
    return render_either(request, "runs/start.html", "runs/_estimate.html", ctx, status=status)


def _estimate(judge: Judge, form: RunForm, earlier: AlignmentRun | None) -> EstimateView:
    """What a run as the form has it would take; as the judge or the earlier run has it while nothing is filled in."""
    if form.is_bound and not form.is_valid():
        return EstimateView(problem="Mend what is marked, and the estimate comes back.")
    source = {"optimizer": judge.optimizer, "params": judge.optimizer_params, "model": ""}
    budget = Budget(calls=judge.max_calls, cost=judge.max_cost)
    if form.is_bound:
        model = form.cleaned_data["optimizer_model"]
        source = {
            "optimizer": form.cleaned_data["optimizer"],
            "params": form.params,
            "model": model,
        }
        budget = form.budget
    elif earlier:
        source = {name: getattr(earlier, name) for name in source}
    try:
        found = run_estimates.estimate(judge=judge, **source)
    except (NotEnoughFeedbackError, OptimizerError) as error:
        return EstimateView(problem=str(error))
    return estimate_view(found, run_estimates.over_budget(found, budget) if found else "")


@require_POST
@role_required(Role.ADMIN)
def run_cancel(request: AuthedRequest, pk: int) -> HttpResponse:
    """Stop a run within one call."""
    return _decide(request, pk, lambda run: run_service.cancel_run(actor=request.user, run=run), "")


@require_POST
@role_required(Role.ADMIN)
def run_promote(request: AuthedRequest, pk: int) -> HttpResponse:
    """Put the candidate in use."""
    reason = posted_reason(request)
    return _decide(
        request,
        pk,
        lambda run: run_service.promote_run(actor=request.user, run=run, reason=reason),
        "The new version is in use now.",
    )


@require_POST
@role_required(Role.ADMIN)
def run_reject(request: AuthedRequest, pk: int) -> HttpResponse:
    """Turn the candidate down, with a reason."""
    reason = posted_reason(request)
    return _decide(
        request,
        pk,
        lambda run: run_service.reject_run(actor=request.user, run=run, reason=reason),
        "The new version is rejected; the judge stays as it is.",
    )


def _names(run: AlignmentRun) -> dict[str, str]:
    """The names of those who gave the run its labels, by username."""
    people = {person for row in run.examples for person in row.get("votes") or ()}
    return {user.username: str(user) for user in User.objects.filter(username__in=people)}


def _told(user: User, judge: Judge, flips: list[run_page.Flip]) -> list[run_page.Flip]:
    """Those that tell the user no answer too early; a trace that was deleted tells nothing."""
    known = Trace.objects.filter(trace_id__in=[flip.trace_id for flip in flips])
    told = set(told_traces(user, judge).filter(pk__in=known).values_list("trace_id", flat=True))
    if user.has_role(judge.experiment.team_id, Role.LEAD):
        told |= {flip.trace_id for flip in flips} - set(known.values_list("trace_id", flat=True))
    return [flip for flip in flips if flip.trace_id in told]


def _with_previews(flips: list[run_page.Flip]) -> list[run_page.Flip]:
    """The same with the first words of each trace that is still there."""
    traces = Trace.objects.filter(trace_id__in=[flip.trace_id for flip in flips])
    previews = dict(traces.values_list("trace_id", "request_preview"))
    return [replace(flip, preview=previews.get(flip.trace_id, "")) for flip in flips]


def _run(request: AuthedRequest, pk: int) -> AlignmentRun:
    return get_object_or_404(_runs(request), pk=pk)


def _runs(request: AuthedRequest) -> QuerySet[AlignmentRun]:
    return AlignmentRun.objects.visible_to(request.user).select_related(
        "judge__experiment__team",
        "judge__current_version",
        "judge__previous_version",
        "version_in",
        "candidate",
        "started_by",
        "decided_by",
    )


def _decide(request: AuthedRequest, pk: int, decide: Any, done: str) -> HttpResponse:
    run = _run(request, pk)
    require_role(request.user, run.judge.experiment.team_id, Role.ADMIN)
    try:
        decide(run)
    except (RunError, JudgeServiceError) as error:
        messages.error(request, str(error))
    else:
        if done:
            messages.success(request, done)
    return redirect("run-detail", pk)


def _status_context(request: AuthedRequest, run: AlignmentRun) -> dict[str, Any]:
    now = timezone.now()
    past = run.judge.runs.filter(status=WorkStatus.SUCCEEDED, optimizer=run.optimizer).order_by(
        "-pk"
    )
    spans = past.values_list("started_at", "finished_at")[:PAST_RUNS] if run.is_live else []
    elapsed = (run.finished_at or now) - run.started_at if run.started_at else None
    return {
        "run": run,
        "judge": run.judge,
        "may_admin": request.user.has_role(run.judge.experiment.team_id, Role.ADMIN),
        "is_demo": is_demo_model(run.model) or is_demo_model(run.version_in.model),
        "demo_notice": DEMO_NOTICE,
        "steps": run_page.stepper(run.stages, status=run.status, now=now),
        "scores": run_page.step_scores(run.steps),
        "score_plot": run_page.step_plot(run.steps),
        "elapsed": elapsed.total_seconds() if elapsed else None,
        "time_left": run_page.run_time_left(
            calls=run.calls,
            calls_expected=run.calls_expected,
            seconds_so_far=elapsed.total_seconds() if elapsed else None,
            past_seconds=[
                (finished - started).total_seconds()
                for started, finished in spans
                if started and finished
            ],
        ),
        "cost": money(run.cost if run.calls else 0.0),
        "tokens": f"{run.input_tokens + run.output_tokens:,}",
        "log_lines": run.log_lines[-SHOWN_LOG_LINES:],
    }
