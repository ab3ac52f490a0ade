"""The guideline that a judge's experts go by, its versions, and what a change of it touches."""

from __future__ import annotations

from typing import Any
from urllib.parse import urlencode

from django.contrib import messages
from django.http import HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.views.decorators.http import require_http_methods, require_safe

from annotator.http import AuthedRequest
from annotator.models import (
    Cause,
    DisagreementCause,
    Goal,
    GuidelineVersion,
    Judge,
    Role,
    Trace,
    User,
)
from annotator.permissions import require_role
from annotator.presenters.diff import word_diff
from annotator.presenters.guidelines import plain_text, value_words
from annotator.services import guidelines as guideline_service
from annotator.services.judges import JudgeServiceError
from annotator.services.kept_figures import KeptFigures
from annotator.views.guideline_forms import GuidelineForm
from annotator.views.judges import get_judge, judge_context, kept_figures, trace_url

MOST_GAPS = 50
PAGE_SIZE = 30
MOST_IN_SESSION = 60


@require_http_methods(["GET", "POST"])
def judge_guideline(request: AuthedRequest, pk: int) -> HttpResponse:
    """Everybody in the team reads the guideline; leads and admins write it."""
    judge = get_judge(request, pk)
    team = judge.experiment.team_id
    if request.method == "POST":
        require_role(request.user, team, Role.LEAD)
    may_lead = request.user.has_role(team, Role.LEAD)
    gaps = _open_gaps(judge) if may_lead else []
    form = GuidelineForm(
        request.POST or None, judge=judge, gaps=gaps, ticked=request.GET.getlist("gap")
    )
    if request.method == "POST" and form.is_valid() and _save(request, judge, form):
        messages.success(request, f"The guideline of {judge.name} is saved and in force.")
        return redirect("judge-guideline", pk)
    shown = _version(judge, request.GET.get("number", "")) or judge.guideline
    kept = kept_figures(judge)
    ctx = {
        **judge_context(request, judge, tab="guideline", kept=kept),
        **_versions_context(request, judge, shown),
        "form": form,
        "gaps": gaps,
        "editing": form.is_bound or "edit" in request.GET or shown is None,
        "to_redo": len(_touched(request, judge, kept)),
    }
    return render(request, "guidelines/detail.html", ctx, status=422 if form.is_bound else 200)


@require_safe
def judge_rereview(request: AuthedRequest, pk: int) -> HttpResponse:
    """The work list after a change: traces whose answers it touches; an expert's own ones, all of them for a lead."""
    judge = get_judge(request, pk)
    may_lead = request.user.has_role(judge.experiment.team_id, Role.LEAD)
    kept = kept_figures(judge)
    touched = _touched(request, judge, kept)
    after = request.GET.get("after", "")
    rest = [row for row in touched if not after.isdecimal() or row.trace_pk < int(after[:18])]
    rows = rest[:PAGE_SIZE]
    traces = Trace.objects.without_content().in_bulk([row.trace_pk for row in rows])
    sources = {person for row in rows for person, _, _ in row.answers}
    names = {user.username: str(user) for user in User.objects.filter(username__in=sources)}
    ctx = {
        **judge_context(request, judge, tab="guideline", kept=kept),
        "rows": [
            {
                "trace": traces[row.trace_pk],
                "href": trace_url(judge, traces[row.trace_pk].trace_id, ""),
                "answers": [
                    {"person": names.get(person, person), "key": key, "number": number}
                    for person, key, number in row.answers
                ],
            }
            for row in rows
            if row.trace_pk in traces
        ],
        "total": len(touched),
        "next": rows[-1].trace_pk if len(rest) > PAGE_SIZE else None,
        "is_own": not may_lead,
        **(_session_of(judge, [row.trace_pk for row in touched]) if may_lead else {}),
    }
    return render(request, "guidelines/rereview.html", ctx)


def _touched(
    request: AuthedRequest, judge: Judge, kept: KeptFigures | None
) -> list[guideline_service.TouchedTrace]:
    """What has to be looked at again: for a lead everybody's answers, for an expert their own."""
    if not request.user.has_role(judge.experiment.team_id, Role.LEAD):
        return guideline_service.touched_traces(judge, user=request.user)
    touched = guideline_service.touched_traces
    return kept.get(touched) if kept else touched(judge)


def _session_of(judge: Judge, traces: list[int]) -> dict[str, Any]:
    """The address part with which the builder takes these traces, as many as an address holds."""
    known = Trace.objects.without_content().in_bulk(traces[:MOST_IN_SESSION])
    names = [known[pk].trace_id for pk in traces[:MOST_IN_SESSION] if pk in known]
    query = {"judge": judge.pk, "goal": Goal.SETTLE, "traces": ",".join(names)}
    return {"session_query": urlencode(query) if names else "", "session_size": len(names)}


def _open_gaps(judge: Judge) -> list[DisagreementCause]:
    gaps = DisagreementCause.objects.open_gaps().filter(judge=judge).select_related("trace")
    return list(
        gaps.defer("trace__inputs", "trace__outputs", "trace__search_text").order_by("-pk")[
            :MOST_GAPS
        ]
    )


def _version(judge: Judge, number: str) -> GuidelineVersion | None:
    if not number.isdecimal():
        return None
    return get_object_or_404(judge.guidelines, number=int(number[:9]))


def _versions_context(
    request: AuthedRequest, judge: Judge, shown: GuidelineVersion | None
) -> dict[str, Any]:
    """The version that is shown with what it is compared to, why it was written, and the list of all."""
    against = _version(judge, request.GET.get("against", ""))
    versions = list(judge.guidelines.select_related("created_by").order_by("-number"))
    context: dict[str, Any] = {"guidelines": versions, "shown": shown, "against": against}
    if shown is None:
        return context
    reasons = DisagreementCause.objects.filter(answered_by=shown, cause=Cause.GUIDELINE)
    before = next((each for each in versions if each.number == shown.number - 1), None)
    return {
        **context,
        "before": before,
        "diff": word_diff(plain_text(judge, against), plain_text(judge, shown))
        if against
        else None,
        "values": value_words(
            judge,
            shown,
            pinned=guideline_service.pinned_examples(judge, user=request.user)
            if shown.pk == judge.guideline_id
            else None,
        ),
        "reasons_count": reasons.count(),
        # What was answered on these traces is no business of an expert who has not answered.
        "reasons": list(reasons.select_related("trace").order_by("-pk")[:MOST_GAPS])
        if judge.may_be_settled_by(request.user)
        else [],
    }


def _save(request: AuthedRequest, judge: Judge, form: GuidelineForm) -> bool:
    try:
        guideline_service.save_guideline(
            actor=request.user,
            judge=judge,
            text=form.cleaned_data["text"].replace("\r\n", "\n"),
            choose_when=form.lines("when"),
            do_not_choose=form.lines("not"),
            example=form.lines("example"),
            change_note=form.cleaned_data["change_note"],
            touches_all=form.cleaned_data["touches_all"],
            answers=form.answered,
        )
    except JudgeServiceError as error:
        form.add_error(error.field if error.field in form.fields else None, str(error))
        return False
    return True
