"""A judge run over many traces: started, watched, cancelled."""

from __future__ import annotations

from typing import Any

from django.contrib import messages
from django.http import HttpResponse, QueryDict
from django.shortcuts import get_object_or_404, redirect, render
from django.views.decorators.http import require_GET, require_http_methods, require_POST

from annotator.forms import NewTracesForm, TraceFilterForm
from annotator.http import AuthedRequest, render_either
from annotator.models import Assessment, Judge, JudgeJob, NewTraces, Role, Trace
from annotator.models.search import ANY_VERDICT
from annotator.models.traces import TraceQuerySet
from annotator.permissions import require_role, role_required
from annotator.presenters.words import DEMO_NOTICE, count, is_demo_model, money, time_left
from annotator.services import jobs as job_service
from annotator.services import new_traces
from annotator.services.jobs import JobError
from annotator.services.new_traces import NewTracesError
from annotator.views.judges import get_judge, judge_context, list_query, posted_traces

MOST_SELECTED = 1_000
SHOWN_TRACES = 50
SHOWN_JOBS = 10


@require_http_methods(["GET", "POST"])
@role_required(Role.LEAD)
def judge_run(request: AuthedRequest, pk: int) -> HttpResponse:
    """Run the version in use over all, selected or filtered traces.

    The trace list sends its selection as `trace` (ids), and its filter as the query string it was called with.
    """
    judge = get_judge(request, pk)
    require_role(request.user, judge.experiment.team_id, Role.LEAD)
    query = request.POST.get("filter", "") or request.GET.urlencode()
    traces, is_filtered = _filtered(request, judge, query)
    problem = ""
    if request.method == "POST":
        job, problem = _start(request, judge, traces if is_filtered else None)
        if job is not None:
            return redirect("job-detail", job.pk)
    choices = _choices(judge, traces if is_filtered else None)
    ctx = {
        **judge_context(request, judge, tab="run"),
        "problem": problem,
        "choices": choices,
        "scope": request.POST.get("scope")
        or next((choice["scope"] for choice in choices if choice["total"]), ""),
        "filter": query,
        "is_filtered": is_filtered,
        "traces": traces.without_content().newest_first()[:SHOWN_TRACES],
        "selected": posted_traces(request)[:MOST_SELECTED],
        "demo_notice": DEMO_NOTICE,
        "jobs": _recent_jobs(judge),
        "new_traces": NewTraces.objects.filter(judge=judge).first(),
    }
    return render(request, "jobs/start.html", ctx, status=422 if problem else 200)


@require_POST
@role_required(Role.LEAD)
def judge_new_traces(request: AuthedRequest, pk: int) -> HttpResponse:
    """Have a share of the traces that come judged by itself, or stop that."""
    judge = get_judge(request, pk)
    require_role(request.user, judge.experiment.team_id, Role.LEAD)
    form = NewTracesForm(request.POST)
    problem = "" if form.is_valid() else str(next(iter(form.errors.values()))[0])
    if not problem:
        try:
            setting = new_traces.judge_new_traces(
                actor=request.user,
                judge=judge,
                share=form.cleaned_data["percent"] / 100,
                filter=form.cleaned_data["filter"],
            )
        except NewTracesError as error:
            problem = str(error)
        else:
            said = f"{setting.share:.0%} of the traces that come are judged by itself from now on."
            messages.success(request, said if setting.share else "New traces wait for a job again.")
    if problem:
        messages.error(request, problem)
    return redirect("judge-run", pk)


@require_GET
def job_detail(request: AuthedRequest, pk: int) -> HttpResponse:
    """How a job stands; the changing part alone for htmx."""
    job = _job(request, pk)
    progress = job_service.job_progress(job)
    judge = job.version.judge
    ctx = {
        "job": job,
        "judge": judge,
        "progress": progress,
        "finished": progress.done + progress.failed,
        "tokens": f"{progress.tokens:,}",
        "cost": money(progress.cost if progress.calls else 0.0),
        "time_left": time_left(progress.seconds_left),
        "may_cancel": progress.is_live
        and request.user.has_role(judge.experiment.team_id, Role.LEAD),
        "is_stopping": progress.is_live and job.shards.filter(cancel_requested=True).exists(),
        "is_demo": is_demo_model(job.version.model),
        "demo_notice": DEMO_NOTICE,
        "list_query": list_query(judge, verdict=ANY_VERDICT),
    }
    return render_either(request, "jobs/detail.html", "jobs/_progress.html", ctx)


@require_POST
@role_required(Role.LEAD)
def job_cancel(request: AuthedRequest, pk: int) -> HttpResponse:
    """Stop a job; the verdicts it has given stay."""
    job = _job(request, pk)
    require_role(request.user, job.version.judge.experiment.team_id, Role.LEAD)
    job_service.cancel_job(actor=request.user, job=job)
    messages.success(request, "The job stops. The verdicts it has given stay.")
    return redirect("job-detail", pk)


def _job(request: AuthedRequest, pk: int) -> JudgeJob:
    jobs = JudgeJob.objects.visible_to(request.user).select_related(
        "version__judge__experiment__team", "created_by"
    )
    return get_object_or_404(jobs, pk=pk)


def _filtered(request: AuthedRequest, judge: Judge, query: str) -> tuple[TraceQuerySet, bool]:
    """The traces of the judge's experiment that a query string of the trace list lets through, and whether it filters."""
    wanted = QueryDict(query, mutable=True)
    wanted["experiment"] = str(judge.experiment_id)
    form = TraceFilterForm(wanted, user=request.user)
    traces = form.trace_filter().traces(request.user)
    narrowed = any(wanted.get(name) for name in form.fields if name != "experiment")
    return traces, narrowed and form.is_valid()


def _start(
    request: AuthedRequest, judge: Judge, filtered: TraceQuerySet | None
) -> tuple[JudgeJob | None, str]:
    """The job, or the sentence why there is none."""
    if judge.current_version is None:
        return None, "The judge has no version yet; an admin writes its instructions first."
    traces, selection = _chosen(request, judge, filtered)
    if traces is None:
        return None, "Choose which traces the judge is to run over."
    try:
        job = job_service.start_job(
            actor=request.user,
            version=judge.current_version,
            traces=list(traces.values_list("pk", flat=True)),
            selection=selection,
        )
    except JobError as error:
        return None, str(error)
    return job, ""


def _chosen(
    request: AuthedRequest, judge: Judge, filtered: TraceQuerySet | None
) -> tuple[TraceQuerySet | None, str]:
    """The traces that the form asks for, newest first, and the selection in words."""
    traces = Trace.objects.filter(experiment=judge.experiment_id).newest_first()
    ids = posted_traces(request)[:MOST_SELECTED]
    match request.POST.get("scope") or ("selected" if ids else ""):
        case "all":
            return traces, "all traces"
        case "missing":
            return _without_verdict(traces, judge), "traces without a verdict of this version"
        case "filtered" if filtered is not None:  # a filter that is wrong lets everything through
            return filtered.newest_first(), "filtered traces"
        case "selected":
            ticked = traces.filter(trace_id__in=ids)
            return ticked, count(ticked.count(), "selected trace")
    return None, ""


def _without_verdict(traces: TraceQuerySet, judge: Judge) -> TraceQuerySet:
    judged = Assessment.objects.verdicts().filter(
        judge_version=judge.current_version, span_id="", error_text=""
    )
    return traces.exclude(pk__in=judged.values("trace_id"))


def _choices(judge: Judge, filtered: TraceQuerySet | None) -> list[dict[str, Any]]:
    """What can be chosen apart from single traces, each with its number of traces; a filter comes first."""
    traces = Trace.objects.filter(experiment=judge.experiment_id)
    choices = [
        {
            "scope": "missing",
            "text": "Those this version has not judged yet",
            "total": _without_verdict(traces, judge).count(),
        },
        {"scope": "all", "text": "All traces of the experiment", "total": traces.count()},
    ]
    if filtered is not None:
        choices.insert(
            0,
            {
                "scope": "filtered",
                "text": "Those that the filter lets through",
                "total": filtered.count(),
            },
        )
    return choices


def _recent_jobs(judge: Judge) -> list[dict[str, Any]]:
    jobs = (
        JudgeJob.objects.filter(version__judge=judge)
        .select_related("version", "created_by")
        .prefetch_related("shards")
        .order_by("-pk")[:SHOWN_JOBS]
    )
    return [{"job": job, "progress": job_service.job_progress(job)} for job in jobs]
