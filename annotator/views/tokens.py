"""Tokens for programs: made, shown once with the lines to paste, and revoked."""

from __future__ import annotations

from typing import Any

from django import forms
from django.contrib import messages
from django.http import HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.utils import timezone
from django.views.decorators.http import require_http_methods, require_POST

from annotator.http import AuthedRequest
from annotator.models import ApiToken, Role, Scope, Team, User
from annotator.permissions import role_required
from annotator.presenters.connecting import snippets
from annotator.services import tokens as token_service
from annotator.services.tokens import TokenError
from annotator.views.judge_forms import dress

MOST_SHOWN = 200
_SHORT = {
    Scope.READ: "read",
    Scope.WRITE_TRACES: "traces",
    Scope.WRITE_FEEDBACK: "feedback",
    Scope.WRITE_JUDGES: "judges",
}


class TokenForm(forms.Form):
    """What a new token is for."""

    name = forms.CharField(
        max_length=token_service.LONGEST_NAME,
        label="What is it for?",
        help_text="The program or the machine, so that you know later which one to revoke.",
    )
    days = forms.TypedChoiceField(
        label="It ends after",
        coerce=int,
        empty_value=None,
        required=False,
        initial="365",
        choices=[
            ("30", "30 days"),
            ("90", "90 days"),
            ("365", "a year"),
            ("", "never, until revoked"),
        ],
    )

    def __init__(self, data: Any, *, user: User) -> None:
        super().__init__(data)
        teams = Team.objects.filter(pk__in=user.team_roles()).order_by("name")
        allowed = {
            scope
            for team in user.team_roles()
            for scope in token_service.scopes_allowed(user, team)
        }
        choices = [(scope.value, scope.label) for scope in Scope if scope in allowed]
        self.fields["scopes"] = forms.MultipleChoiceField(
            label="The program may",
            widget=forms.CheckboxSelectMultiple,
            choices=choices,
            initial=[value for value, _ in choices],
        )
        self.fields["team"] = forms.ModelChoiceField(
            teams,
            empty_label=None,
            initial=teams.first(),
            widget=forms.HiddenInput if len(teams) == 1 else forms.Select,
        )
        self.may_judge = Scope.WRITE_JUDGES in allowed


@require_http_methods(["GET", "POST"])
@role_required(Role.EXPERT)
def settings_tokens(request: AuthedRequest) -> HttpResponse:
    """The tokens, a form for another one, and, just after it was made, the token itself."""
    form = TokenForm(request.POST or None, user=request.user)
    secret = ""
    if request.method == "POST" and form.is_valid():
        try:
            # It is shown on this very page: a token that travelled on through a session would lie in the database.
            _, secret = token_service.create_token(
                user=request.user, actor=request.user, **form.cleaned_data
            )
        except TokenError as error:
            form.add_error(error.field or None, str(error))
        else:
            form = TokenForm(None, user=request.user)
    dress(form)
    ctx = {
        "form": form,
        "secret": secret,
        "snippets": snippets(request.build_absolute_uri("/").rstrip("/"), secret),
        "rows": _rows(request.user),
        "is_admin": Role.ADMIN in request.user.team_roles().values(),
        "has_several_teams": len(request.user.team_roles()) > 1,
        "may_judge": form.may_judge,
    }
    response = render(request, "settings/tokens.html", ctx, status=422 if form.errors else 200)
    if secret:
        response["Cache-Control"] = "no-store"
    return response


@require_POST
def token_revoke(request: AuthedRequest, pk: int) -> HttpResponse:
    """End a token."""
    visible = ApiToken.objects.visible_to(request.user).select_related("team", "user")
    token = get_object_or_404(visible, pk=pk)
    try:
        token_service.revoke_token(actor=request.user, token=token)
    except TokenError as error:
        messages.error(request, str(error))
    else:
        messages.success(request, f"The token {token.name or token.prefix} is revoked.")
    return redirect("settings-tokens")


def _rows(user: User) -> list[dict[str, Any]]:
    """The tokens that the user may see: those in force first, the newest first."""
    now = timezone.now()
    rows = []
    for token in (
        ApiToken.objects.visible_to(user)
        .select_related("user", "team")
        .order_by("-created_at", "-pk")[:MOST_SHOWN]
    ):
        is_expired = token.expires_at is not None and token.expires_at <= now
        rows.append(
            {
                "token": token,
                "is_mine": token.user_id == user.pk,
                "is_in_force": token.revoked_at is None and not is_expired,
                "state": "revoked" if token.revoked_at else "expired" if is_expired else "in force",
                "scopes": [_SHORT[scope] for scope in Scope if scope in token.scopes],
            }
        )
    return sorted(rows, key=lambda row: not row["is_in_force"])
