"""Everybody's own page about notifications: of what to be told, and when."""

from __future__ import annotations

from django import forms
from django.contrib import messages
from django.http import HttpResponse, QueryDict
from django.shortcuts import redirect, render
from django.views.decorators.http import require_http_methods

from annotator.http import AuthedRequest
from annotator.models import Notification, NotificationKind, Preferences
from annotator.models.notifications import IMMEDIATE, OPT_IN
from annotator.services.notice_settings import save_notice_settings
from annotator.views.judge_forms import dress
from annotator.views.session_fields import time_zones

SHOWN = 10


class NoticeForm(forms.Form):
    """Which kinds of things to be told of, and when; all times are on the person's own clock."""

    kinds = forms.MultipleChoiceField(
        required=False, choices=NotificationKind.choices, widget=forms.CheckboxSelectMultiple
    )
    wants_digest = forms.BooleanField(
        required=False,
        label="One mail a day for what can wait",
        help_text="Otherwise each thing comes in a mail of its own.",
    )
    digest_at = forms.TimeField(
        label="That mail comes at", widget=forms.TimeInput(attrs={"type": "time"}, format="%H:%M")
    )
    quiet_from = forms.TimeField(
        label="Quiet from", widget=forms.TimeInput(attrs={"type": "time"}, format="%H:%M")
    )
    quiet_until = forms.TimeField(
        label="Quiet until",
        help_text="The same time twice: no quiet hours.",
        widget=forms.TimeInput(attrs={"type": "time"}, format="%H:%M"),
    )
    time_zone = forms.ChoiceField(label="Your time zone", choices=time_zones)

    def __init__(self, data: QueryDict | None = None, *, preferences: Preferences) -> None:
        initial = {name: getattr(preferences, name) for name in self.base_fields if name != "kinds"}
        initial["kinds"] = [
            kind
            for kind in NotificationKind.values
            if (kind in preferences.wanted if kind in OPT_IN else kind not in preferences.muted)
        ]
        super().__init__(data, initial=initial)
        for name in ("digest_at", "quiet_from", "quiet_until"):
            self.fields[name].error_messages["invalid"] = "Write the time as 08:00."
        dress(self)
        if preferences._state.adding:
            self.fields["time_zone"].widget.attrs["data-own-zone"] = "yes"


@require_http_methods(["GET", "POST"])
def settings_notifications(request: AuthedRequest) -> HttpResponse:
    """Of what the user is told, and when."""
    user = request.user
    preferences = Preferences.objects.filter(user=user).first() or Preferences(user=user)
    form = NoticeForm(request.POST or None, preferences=preferences)
    if request.method == "POST" and form.is_valid():
        save_notice_settings(user=user, **form.cleaned_data)
        messages.success(request, "Your notifications are saved.")
        return redirect("settings-notifications")
    chosen = form["kinds"].value() or []
    ctx = {
        "form": form,
        "kinds": [
            {
                "value": kind.value,
                "text": kind.label,
                "is_on": kind.value in chosen,
                "when": "at once" if kind in IMMEDIATE else "with the mail of the day",
            }
            for kind in NotificationKind
        ],
        "recent": Notification.objects.filter(user=user).order_by("-created_at", "-pk")[:SHOWN],
    }
    return render(request, "settings/notifications.html", ctx, status=422 if form.errors else 200)
