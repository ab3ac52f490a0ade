"""Whether a judge still agrees with the experts: rounds of checks, alarms, and the standing sample."""

from __future__ import annotations

from typing import Any

from django import forms
from django.contrib import messages
from django.http import HttpResponse, QueryDict
from django.shortcuts import get_object_or_404, redirect, render
from django.views.decorators.http import require_http_methods, require_POST

from annotator.http import AuthedRequest
from annotator.models import DriftAlarm, Judge, Role, User
from annotator.permissions import require_role, role_required
from annotator.presenters.drift import chart_plot, round_rows
from annotator.services import drift, drift_watch
from annotator.services.drift_rounds import chart_of, rounds_of
from annotator.services.session_checks import SessionError
from annotator.views.judge_forms import dress
from annotator.views.judges import get_judge, judge_context, posted_reason

SHOWN_ENDED = 20


class WatchForm(forms.Form):
    """Who checks how much, and how often."""

    reviewers = forms.ModelMultipleChoiceField(
        queryset=User.objects.none(), label="Who checks", widget=forms.CheckboxSelectMultiple
    )
    items = forms.IntegerField(label="Verdicts a round", min_value=5, max_value=200)
    every_days = forms.IntegerField(label="Every (days)", min_value=1, max_value=366)
    window_hours = forms.IntegerField(label="Time to answer (hours)", min_value=1, max_value=1440)

    def __init__(self, data: QueryDict | None = None, *, judge: Judge) -> None:
        rule = drift_watch.rules_of(judge).first()
        initial: dict[str, Any] = {"items": 20, "every_days": 7, "window_hours": 72}
        if rule:
            initial = {name: getattr(rule, name) for name in initial}
            initial["reviewers"] = [each.user_id for each in rule.template.reviewers.all()]
        super().__init__(data, initial=initial)
        members = User.objects.filter(
            memberships__team=judge.experiment.team_id, is_active=True
        ).order_by("username")
        self.fields["reviewers"].queryset = members  # type: ignore[attr-defined]  # a field of this class
        dress(self)


@require_http_methods(["GET", "POST"])
@role_required(Role.LEAD)
def judge_drift(request: AuthedRequest, pk: int) -> HttpResponse:
    """The rounds on their chart and the alarms; a lead sets the standing sample here."""
    judge = get_judge(request, pk)
    require_role(request.user, judge.experiment.team_id, Role.LEAD)
    form = WatchForm(request.POST or None, judge=judge)
    if request.method == "POST" and form.is_valid():
        try:
            drift_watch.watch(actor=request.user, judge=judge, **form.cleaned_data)
        except SessionError as error:
            form.add_error(error.field if error.field in form.fields else None, str(error))
        else:
            messages.success(request, f"{judge.name} is watched from now on.")
            return redirect("judge-drift", pk)
    rounds = rounds_of(judge)
    points = chart_of(judge, rounds)
    alarms = judge.drift_alarms.select_related("version", "ended_by").order_by("-raised_at", "-pk")
    ctx = {
        **judge_context(request, judge, tab="drift"),
        "form": form,
        "rule": drift_watch.rules_of(judge).first(),
        "plot": chart_plot(points),
        "rows": round_rows(rounds, points),
        "ringing": alarms.filter(ended_at=None),
        "ended": alarms.exclude(ended_at=None)[:SHOWN_ENDED],
    }
    return render(request, "judges/drift.html", ctx, status=422 if form.is_bound else 200)


@require_POST
@role_required(Role.LEAD)
def drift_stop(request: AuthedRequest, pk: int) -> HttpResponse:
    """Make no more rounds."""
    judge = get_judge(request, pk)
    require_role(request.user, judge.experiment.team_id, Role.LEAD)
    drift_watch.stop(actor=request.user, judge=judge)
    messages.success(request, f"{judge.name} is not watched any more; what was checked stays.")
    return redirect("judge-drift", pk)


@require_POST
@role_required(Role.LEAD)
def drift_dismiss(request: AuthedRequest, pk: int) -> HttpResponse:
    """End an alarm with a reason."""
    alarm = get_object_or_404(
        DriftAlarm.objects.visible_to(request.user).select_related("judge__experiment__team"), pk=pk
    )
    require_role(request.user, alarm.judge.experiment.team_id, Role.LEAD)
    try:
        drift.dismiss(actor=request.user, alarm=alarm, reason=posted_reason(request))
    except drift.DriftError as error:
        messages.error(request, str(error))
    return redirect("judge-drift", alarm.judge_id)
