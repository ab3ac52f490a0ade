"""A session's standing rule: others like it, made from time to time and filled with new traces."""

from __future__ import annotations

from django import forms
from django.contrib import messages
from django.http import HttpResponse, QueryDict
from django.shortcuts import redirect
from django.views.decorators.http import require_POST

from annotator.http import AuthedRequest
from annotator.models import Role, SessionStatus, StandingRule
from annotator.permissions import role_required
from annotator.presenters.words import count
from annotator.services.session_checks import SessionError
from annotator.services.standing_rules import set_rule
from annotator.views.judge_forms import dress
from annotator.views.session_forms import LEAST_RANDOM
from annotator.views.sessions import get_led_session

FIELDS = ("items", "every_days", "window_hours")


class RuleForm(forms.Form):
    """How often, with how many traces, and for how long. The random share is asked for in per cent."""

    every_days = forms.IntegerField(label="Every … days", min_value=1, max_value=366, initial=7)
    items = forms.IntegerField(label="New traces at most", min_value=1, max_value=500, initial=20)
    window_hours = forms.IntegerField(
        label="Open for … hours", min_value=1, max_value=24 * 60, initial=72
    )
    random_share = forms.IntegerField(
        label="Drawn at random (%)", min_value=LEAST_RANDOM, max_value=100, initial=100
    )

    def __init__(self, data: QueryDict | None = None, *, rule: StandingRule | None) -> None:
        initial = {}
        if rule is not None:
            initial = {name: getattr(rule, name) for name in FIELDS}
            initial["random_share"] = round(100 * rule.random_share)
        super().__init__(data, initial=initial, prefix="rule")
        dress(self)


@require_POST
@role_required(Role.LEAD)
def session_rule(request: AuthedRequest, pk: int) -> HttpResponse:
    """Switch the standing rule of a session on or off, or change it."""
    session = get_led_session(request, pk)
    rule = StandingRule.objects.filter(template=session).first()
    form = RuleForm(request.POST, rule=rule)
    if not form.is_valid():
        name, errors = next(iter(form.errors.items()))
        messages.error(request, f"{form.fields[name].label}: {errors[0]}")
        return redirect("session-detail", pk)
    if session.status in (SessionStatus.DRAFT, SessionStatus.CANCELLED):
        messages.error(request, "Schedule this session first; others like it can follow then.")
        return redirect("session-detail", pk)
    is_on = request.POST.get("action") != "off"
    try:
        set_rule(
            actor=request.user,
            template=session,
            random_share=form.cleaned_data["random_share"] / 100,
            is_active=is_on,
            **{name: form.cleaned_data[name] for name in FIELDS},
        )
    except SessionError as error:
        messages.error(request, str(error))
        return redirect("session-detail", pk)
    if is_on:
        days = form.cleaned_data["every_days"]
        messages.success(request, f"On: one like this every {count(days, 'day')}.")
    else:
        messages.success(request, "Off: no further session like this is made.")
    return redirect("session-detail", pk)
