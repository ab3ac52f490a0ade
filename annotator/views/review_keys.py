"""Keys of the review screen, as each person likes them."""

from __future__ import annotations

from typing import Any

from django.contrib import messages
from django.http import HttpResponse
from django.shortcuts import redirect, render
from django.views.decorators.http import require_http_methods

from annotator.http import AuthedRequest
from annotator.keymap import ACTIONS, DEFAULTS, KeyMap, KeyMapError
from annotator.models import Preferences
from annotator.services import review_keys as review_keys_service

SWITCHES = ("letter_keys", "auto_submit", "auto_advance")


@require_http_methods(["GET", "HEAD", "POST"])
def settings_keys(request: AuthedRequest) -> HttpResponse:
    """Every action with its key; a POST keeps them, or puts the defaults back."""
    saved = Preferences.objects.filter(user=request.user).first() or Preferences()
    typed: dict[str, str] = KeyMap(changed=saved.keys).all_keys
    switches = {name: getattr(saved, name) for name in SWITCHES}
    problems: dict[str, str] = {}
    if request.method == "POST":
        is_reset = request.POST.get("action") == "reset"
        typed = {name: "" if is_reset else request.POST.get(name, "") for name in DEFAULTS}
        switches = {name: name in request.POST for name in SWITCHES}
        try:
            review_keys_service.save_review_keys(user=request.user, typed=typed, **switches)
        except KeyMapError as error:
            problems = error.problems
        else:
            messages.success(request, "Your keys are saved.")
            return redirect("settings-keys")
    context: dict[str, Any] = {
        "rows": [
            {"action": action, "key": typed[action.name], "problem": problems.get(action.name, "")}
            for action in ACTIONS
        ],
        "first_problem": next(iter(problems), ""),
        **switches,
    }
    return render(request, "settings/keys.html", context, status=422 if problems else 200)
