"""Everybody's own page about notifications: of what to be told, and when."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from django import forms
from django.contrib import messages
from django.http import HttpResponse, QueryDict
from django.shortcuts import redirect, render
from django.views.decorators.http import require_http_methods

from annotator.http import AuthedRequest
from annotator.models import Notification, NotificationKind, Preferences, Role, Timing
from annotator.models.notifications import ADMINS_ONLY
from annotator.services.notice_settings import save_notice_settings
from annotator.views.judge_forms import dress
from annotator.views.session_fields import time_zones

SHOWN = 10


class NoticeForm(forms.Form):
    """Which kinds of things to be told of, and when; all times are on the person's own clock."""

    digest_at = forms.TimeField(
        label="The mail of the day comes at",
        widget=forms.TimeInput(attrs={"type": "time"}, format="%H:%M"),
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

    def __init__(
        self,
        data: QueryDict | None = None,
        *,
        preferences: Preferences,
        kinds: Sequence[NotificationKind],
    ) -> None:
        initial: dict[str, Any] = {name: getattr(preferences, name) for name in self.base_fields}
        super().__init__(data, initial=initial)
        self.kinds = kinds
        for kind in kinds:
            self.fields[kind.value] = forms.ChoiceField(
                label=kind.label, choices=Timing.choices, initial=preferences.timing_of(kind)
            )
        for name in ("digest_at", "quiet_from", "quiet_until"):
            self.fields[name].error_messages["invalid"] = "Write the time as 08:00."
        dress(self)
        if preferences._state.adding:
            self.fields["time_zone"].widget.attrs["data-own-zone"] = "yes"

    @property
    def timing(self) -> dict[str, str]:
        """When to be told of each kind."""
        return {kind.value: self.cleaned_data[kind.value] for kind in self.kinds}

    def rows(self) -> list[forms.BoundField]:
        """A field for each kind."""
        return [self[kind.value] for kind in self.kinds]


@require_http_methods(["GET", "POST"])
def settings_notifications(request: AuthedRequest) -> HttpResponse:
    """Of what the user is told, and when."""
    user = request.user
    preferences = Preferences.objects.filter(user=user).first() or Preferences(user=user)
    is_admin = user.is_superuser or Role.ADMIN in user.team_roles().values()
    kinds = [kind for kind in NotificationKind if is_admin or kind not in ADMINS_ONLY]
    form = NoticeForm(request.POST or None, preferences=preferences, kinds=kinds)
    if request.method == "POST" and form.is_valid():
        times = {name: form.cleaned_data[name] for name in NoticeForm.base_fields}
        save_notice_settings(user=user, timing=form.timing, **times)
        messages.success(request, "Your notifications are saved.")
        return redirect("settings-notifications")
    ctx = {
        "form": form,
        "recent": Notification.objects.filter(user=user).order_by("-created_at", "-pk")[:SHOWN],
    }
    return render(request, "settings/notifications.html", ctx, status=422 if form.errors else 200)
