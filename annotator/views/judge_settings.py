"""A judge's policies."""

from __future__ import annotations

from django.contrib import messages
from django.http import HttpResponse
from django.shortcuts import redirect, render
from django.views.decorators.http import require_http_methods

from annotator.http import AuthedRequest
from annotator.models import Judge, Role
from annotator.permissions import require_role
from annotator.services import judges as judge_service
from annotator.services.judges import JudgeServiceError
from annotator.views.judges import get_judge, judge_context
from annotator.views.label_rule import RULES
from annotator.views.optimizer_form import OptimizerForm
from annotator.views.policy_forms import SettingsForm


@require_http_methods(["GET", "POST"])
def judge_settings(request: AuthedRequest, pk: int) -> HttpResponse:
    """Everybody in the team reads a judge's policies; an admin changes them."""
    judge = get_judge(request, pk)
    if request.method == "POST":
        require_role(request.user, judge.experiment.team_id, Role.ADMIN)
    form = SettingsForm(request.POST or None, judge=judge)
    optimizer_form = OptimizerForm(request.POST or None, judge=judge)
    if (
        request.method == "POST"
        and all(
            [form.is_valid(), optimizer_form.is_valid()]
        )  # both, so that both show their errors
        and _save(request, judge, form, optimizer_form)
    ):
        messages.success(request, f"The settings of {judge.name} are saved.")
        return redirect("judge-settings", pk)
    ctx = {
        **judge_context(request, judge, tab="settings"),
        "form": form,
        "optimizer_form": optimizer_form,
        "rule": dict(RULES)[judge.label_rule],
    }
    return render(request, "judges/settings.html", ctx, status=422 if form.is_bound else 200)


def _save(
    request: AuthedRequest, judge: Judge, form: SettingsForm, optimizer_form: OptimizerForm
) -> bool:
    try:
        judge_service.update_settings(
            actor=request.user,
            judge=judge,
            sides=form.sides if form.sides != judge.sides else None,
            optimizer=optimizer_form.cleaned_data["optimizer"],
            optimizer_params=optimizer_form.params,
            optimizer_model=optimizer_form.cleaned_data["optimizer_model"],
            **form.changes,
        )
    except JudgeServiceError as error:
        form.add_error(error.field if error.field in form.fields else None, str(error))
        return False
    return True
