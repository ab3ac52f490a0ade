"""Judges: the list, and the page of one with its tabs."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any
from urllib.parse import urlencode

from django.contrib import messages
from django.http import HttpResponse, QueryDict
from django.shortcuts import get_object_or_404, redirect
from django.urls import reverse
from django.utils import timezone
from django.views.decorators.http import require_GET, require_POST

from alignment.anchoring import SplitAgreement
from alignment.outliers import Outlier
from alignment.readiness import Readiness
from annotator.forms import TraceFilterForm
from annotator.http import AuthedRequest, render_either
from annotator.models import (
    AlignmentRun,
    Assessment,
    Experiment,
    Judge,
    JudgeVersion,
    Label,
    Role,
    Trace,
    User,
)
from annotator.models.hidden import hidden_from
from annotator.permissions import require_role, role_required
from annotator.presenters.agreement import (
    alpha_levels,
    confusion_table,
    human_figures,
    judge_figures,
    pair_figures,
)
from annotator.presenters.diff import word_diff
from annotator.presenters.learnt import learnt
from annotator.presenters.plot import PlotPoint, line_plot, ticks_for
from annotator.presenters.state import judge_state, meter
from annotator.presenters.visibility import outlier_views, visibility_view
from annotator.presenters.words import figure_from, is_demo_model, kappa_view, number
from annotator.services import agreement as agreement_service
from annotator.services import drift_watch
from annotator.services import judges as judge_service
from annotator.services.agreement import Agreement, VersionAgreement
from annotator.services.first_answers import outliers_of, split_agreement
from annotator.services.judges import JudgeServiceError
from annotator.services.kept_figures import KeptFigures
from annotator.services.readiness import readiness_of, review_next
from annotator.services.runs import live_run, next_run
from annotator.views.judge_rows import NO_VERDICT, judge_rows, listed_runs

TABS = ("overview", "versions", "runs")
SHOWN_RUNS = 20


@require_GET
def judge_list(request: AuthedRequest) -> HttpResponse:
    """Every judge of the user's teams, by experiment."""
    judges = (
        Judge.objects.visible_to(request.user)
        .select_related("experiment__team", "current_version")
        .order_by("experiment__name", "experiment__pk", "name")
    )
    ctx = {
        "rows": judge_rows(list(judges), now=timezone.now()),
        "may_create": Role.ADMIN in request.user.team_roles().values(),
        "experiments": Experiment.objects.visible_to(request.user).order_by("name"),
    }
    return render_either(request, "judges/list.html", "judges/list.html", ctx)


@require_GET
def judge_detail(request: AuthedRequest, pk: int) -> HttpResponse:
    """One judge; `?tab=` chooses what of it."""
    judge = get_judge(request, pk)
    tab = request.GET.get("tab", TABS[0])
    if tab not in TABS:
        tab = TABS[0]
    kept = kept_figures(judge)
    ctx = judge_context(request, judge, tab=tab, kept=kept)
    if tab == "overview" and kept is not None:
        ctx.update(_overview(request, kept, ctx["agreement"]))
    elif tab == "versions":
        ctx.update(_versions(request, judge, ctx["agreement"]))
    elif tab == "runs":
        ctx["runs"] = listed_runs(judge.runs.all())[:SHOWN_RUNS]
    page = f"judges/{tab}.html"
    return render_either(request, page, page, ctx)


@require_GET
def judge_readiness(request: AuthedRequest, pk: int) -> HttpResponse:
    """The meter, with every trace left out and why; the meter alone for htmx."""
    judge = get_judge(request, pk)
    if request.htmx:
        may_lead = request.user.has_role(judge.experiment.team_id, Role.LEAD)
        kept = kept_figures(judge)
        ctx = {"judge": judge, "may_lead": may_lead}
        if kept:
            ctx |= _readiness_context(kept, kept.get(_head).readiness)
    else:
        ctx = {**judge_context(request, judge, tab="overview"), "is_whole_list": True}
    return render_either(request, "judges/readiness.html", "judges/_readiness.html", ctx)


@require_GET
def judge_review(request: AuthedRequest, pk: int) -> HttpResponse:
    """Open a list at its top: that of the trace which the user would help most by reviewing, and of others like it."""
    judge = get_judge(request, pk)
    kept = kept_figures(judge)
    state = kept.get(_head).readiness if kept else None
    following = review_next(judge=judge, user=request.user, limit=1, state=state)
    if not following:
        messages.info(request, "There is nothing left for you to review for this judge.")
        return redirect("judge-detail", pk)
    query = review_list(judge, following[0])
    listed = TraceFilterForm(QueryDict(query), user=request.user).trace_filter()
    top = listed.traces(request.user).newest_first().values_list("trace_id", flat=True).first()
    return redirect(trace_url(judge, top or following[0], query))


@require_POST
@role_required(Role.ADMIN)
def judge_rollback(request: AuthedRequest, pk: int) -> HttpResponse:
    """Put the version before the current one back in use; doing it again undoes it."""
    judge = get_judge(request, pk)
    require_role(request.user, judge.experiment.team_id, Role.ADMIN)
    try:
        judge = judge_service.roll_back(actor=request.user, judge=judge)
    except JudgeServiceError as error:
        messages.error(request, str(error))
        return redirect("judge-detail", pk)
    return _now_in_use(request, judge)


@require_POST
@role_required(Role.ADMIN)
def version_promote(request: AuthedRequest, pk: int) -> HttpResponse:
    """Put any version of a judge in use."""
    version = get_object_or_404(
        JudgeVersion.objects.select_related("judge__experiment__team").filter(
            judge__in=Judge.objects.visible_to(request.user)
        ),
        pk=pk,
    )
    judge = version.judge
    require_role(request.user, judge.experiment.team_id, Role.ADMIN)
    try:
        judge = judge_service.promote(
            actor=request.user,
            judge=judge,
            version=version,
            reason=posted_reason(request),
        )
    except JudgeServiceError as error:
        messages.error(request, str(error))
        return redirect("judge-detail", judge.pk)
    return _now_in_use(request, judge)


def get_judge(request: AuthedRequest, pk: int) -> Judge:
    """The judge, if the user may see it; else 404."""
    judges = Judge.objects.visible_to(request.user).select_related(
        "experiment__team", "current_version__judge", "previous_version", "guideline"
    )
    return get_object_or_404(judges, pk=pk)


def kept_figures(judge: Judge) -> KeptFigures | None:
    """The judge's figures; a judge without a version has none."""
    return KeptFigures(judge) if judge.current_version else None


def judge_context(
    request: AuthedRequest, judge: Judge, *, tab: str, kept: KeptFigures | None = None
) -> dict[str, Any]:
    """What the head of every page of a judge shows; `kept` are its figures, if the page has them already."""
    team = judge.experiment.team_id
    version = judge.current_version
    kept = kept or kept_figures(judge)
    head = kept.get(_head) if kept else None
    agreement = head.agreement if head else None
    current = agreement.of_version(version) if agreement else None
    kappa = current.cohen_kappa if current else figure_from({"n": 0, "why": NO_VERDICT})
    newest = (
        Label.objects.filter(judge=judge)
        .order_by("-settled_at")
        .values_list("settled_at", flat=True)
    )
    checked_at = newest.first()
    return {
        "judge": judge,
        "tab": tab,
        "may_lead": request.user.has_role(team, Role.LEAD),
        "may_admin": request.user.has_role(team, Role.ADMIN),
        "agreement": agreement,
        "kappa": kappa_view("Agreement with the experts", kappa),
        "checked_at": checked_at,
        "state": judge_state(
            kappa,
            judge=judge,
            checked_at=checked_at,
            now=timezone.now(),
            problem=drift_watch.problems([judge]).get(judge.pk, ""),
        ),
        **(_readiness_context(kept, head.readiness) if kept and head else {"meter": None}),
        "live_run": live_run(judge),
        "is_demo": version is not None and is_demo_model(version.model),
        "offer_undo": "undo" in request.GET and judge.previous_version_id is not None,
    }


@dataclass(frozen=True, kw_only=True)
class _Head:
    agreement: Agreement
    readiness: Readiness


def _head(judge: Judge) -> _Head:
    return _Head(agreement=agreement_service.agreement_of(judge), readiness=readiness_of(judge))


def _readiness_context(kept: KeptFigures, readiness: Readiness) -> dict[str, Any]:
    return {
        "readiness": readiness,
        "meter": meter(readiness),
        "next_run": next_run(kept.judge, kept=kept) if readiness.is_ready else "",
    }


def _overview(request: AuthedRequest, kept: KeptFigures, agreement: Agreement) -> dict[str, Any]:
    judge, value_type = kept.judge, kept.judge.value_type
    current = agreement.of_version(judge.current_version)
    report = current.to_dict() if current else {}
    humans = agreement.humans.to_dict()

    def link(label: str, verdict: str) -> str:
        return f"{reverse('trace-list')}?{list_query(judge, label=label, verdict=verdict)}"

    return {
        "figures": judge_figures(report) if current else [],
        "confusion": confusion_table(report.get("confusion"), value_type=value_type, link=link),
        "n": current.n if current else 0,
        "has_learnt": judge.runs.filter(candidate=judge.current_version).exists(),
        "why_no_figures": "" if current else NO_VERDICT,
        "humans_n": humans["n"],
        "human_figures": human_figures(humans, levels=alpha_levels(value_type)),
        "pair_figures": pair_figures(humans),
        **_first_answers(request, kept),
        **_trend(judge, agreement.versions),
    }


def _said_first(judge: Judge) -> tuple[SplitAgreement, list[Outlier]]:
    return split_agreement(judge), outliers_of(judge)


def _first_answers(request: AuthedRequest, kept: KeptFigures) -> dict[str, Any]:
    """What seeing the verdict does to people; for leads also who answers otherwise than all others, and where."""
    judge = kept.judge
    split, found = kept.get(_said_first)
    visibility = visibility_view(split)
    context: dict[str, Any] = {
        "visibility": visibility,
        "visibility_figures": [visibility.anchoring, visibility.gave_in],
    }
    if not request.user.has_role(judge.experiment.team_id, Role.LEAD):
        return context
    if not found:
        return context
    hidden = hidden_from(request.user).traces_of(judge.name)
    pks = {int(item) for each in found for item in each.items} - hidden
    people = User.objects.filter(username__in=[each.person for each in found])
    return context | {
        "outliers": outlier_views(
            found,
            names={user.username: str(user) for user in people},
            trace_ids={
                str(pk): trace_id
                for pk, trace_id in Trace.objects.filter(pk__in=list(pks)[:500]).values_list(
                    "pk", "trace_id"
                )
            },
        )
    }


def _trend(judge: Judge, versions: tuple[VersionAgreement, ...]) -> dict[str, Any]:
    points = [
        PlotPoint(
            label=f"v{each.version.number}",
            value=each.agreement.cohen_kappa.value,
            low=each.agreement.cohen_kappa.low,
            high=each.agreement.cohen_kappa.high,
            title=_trend_title(each),
            strong=each.version.pk == judge.current_version_id,
        )
        for each in versions
    ]
    plottable = [point for point in points if point.value is not None]
    return {
        "trend": [
            {
                "version": each.version,
                "is_current": each.version.pk == judge.current_version_id,
                "kappa": kappa_view("", each.agreement.cohen_kappa),
                "n": each.agreement.n,
            }
            for each in versions
        ],
        "trend_plot": line_plot(points, ticks=ticks_for([point.low for point in plottable]))
        if plottable
        else None,
    }


def _trend_title(each: VersionAgreement) -> str:
    value = each.agreement.cohen_kappa.value
    return f"Version {each.version.number}: κ {number(value)}" if value is not None else ""


def _versions(request: AuthedRequest, judge: Judge, agreement: Agreement | None) -> dict[str, Any]:
    versions = list(
        judge.versions.select_related("parent", "created_by", "guideline")
        .prefetch_related("candidate_of")
        .order_by("-number")
    )
    asked = request.GET.get("version", "")
    chosen = next((each for each in versions if str(each.number) == asked), None)
    rows = []
    for version in versions:
        of_version = agreement.of_version(version) if agreement else None
        rows.append(
            {
                "version": version,
                "is_current": version.pk == judge.current_version_id,
                "is_previous": version.pk == judge.previous_version_id,
                "run": (run := next(iter(version.candidate_of.all()), None)),
                "is_rejected": run is not None and run.decision == AlignmentRun.Decision.REJECTED,
                "kappa": kappa_view("", of_version.cohen_kappa) if of_version else None,
                "diff": word_diff(version.parent.instructions, version.instructions)
                if version is chosen and version.parent
                else None,
                "is_open": version is chosen,
                "learnt": learnt(version) if version is chosen else None,
            }
        )
    return {"versions": rows}


def posted_reason(request: AuthedRequest) -> str:
    """The reason of a decision, as its column can hold it; PostgreSQL keeps no NUL."""
    return request.POST.get("reason", "").replace("\0", "")[:500]


def posted_traces(request: AuthedRequest) -> list[str]:
    """The ids of the traces ticked; none of a trace has a NUL, and PostgreSQL refuses to look for one."""
    return [trace_id for trace_id in request.POST.getlist("trace") if "\0" not in trace_id]


def list_query(judge: Judge, *, label: str = "", verdict: str = "", feedback: str = "") -> str:
    """The trace list's query string for traces of the judge's experiment; label and verdict are `value_key`s."""
    filters = {"experiment": str(judge.experiment_id), "feedback": feedback}
    filters |= {
        name: f"{judge.pk}:{key}" for name, key in (("verdict", verdict), ("label", label)) if key
    }
    return urlencode({name: text for name, text in filters.items() if text})


def trace_url(judge: Judge, trace_id: str, query: str) -> str:
    """The page of a trace with the judge's form open, going on to the next of the list that the query makes."""
    kept = urlencode({"list": query, "judge": judge.pk})
    return f"{reverse('trace-detail', args=[trace_id])}?{kept}"


def review_list(judge: Judge, trace_id: str) -> str:
    """The list to go through after a trace worth reviewing: those nobody has reviewed, with the same verdict."""
    verdicts = Assessment.objects.verdicts().filter(
        trace__trace_id=trace_id, name=judge.name, span_id="", error_text=""
    )
    newest = verdicts.order_by("-created_at", "-pk").values_list("value_key", flat=True).first()
    return list_query(judge, verdict=newest or "", feedback="none")


def _now_in_use(request: AuthedRequest, judge: Judge) -> HttpResponse:
    number_in_use = judge.current_version.number if judge.current_version else 0
    messages.success(request, f"Version {number_in_use} of {judge.name} is in use now.")
    return redirect(f"{reverse('judge-detail', args=[judge.pk])}?undo=1")
