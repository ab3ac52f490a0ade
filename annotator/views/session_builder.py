"""The builder: a session planned in three steps on one page, kept as a draft, and shown before anybody hears of it."""

from __future__ import annotations

import secrets
from typing import Any

from django.contrib import messages
from django.http import HttpResponse, QueryDict
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils import timezone
from django.views.decorators.http import require_http_methods, require_POST

from annotator.http import AuthedRequest
from annotator.models import FeedbackSession, Goal, Judge, Role, SessionStatus
from annotator.permissions import require_role, role_required
from annotator.services import session_plans
from annotator.services.session_checks import SessionError
from annotator.views.session_forms import STEPS, SessionForm
from annotator.views.session_initial import (
    initial_for_draft,
    initial_for_goal,
    mix_fields,
)
from annotator.views.session_preview import mix_rows, outlook_of, people_rows, preview
from annotator.views.sessions import get_led_session

TITLES = {"what": "What", "who": "Who and how", "when": "When"}
NEXT_TEXT = {
    "what": "Next: who and how",
    "who": "Next: when",
    "when": "Next: check who gets what",
}
GOAL_HELP = {
    Goal.BALANCE: "Fill the side that a judge lacks, so that it can be aligned.",
    Goal.CALIBRATE: "Everybody answers the same traces; see how far people agree.",
    Goal.DRIFT: "A fresh, random sample: is the judge still right?",
    Goal.SETTLE: "Traces on which people, or people and judge, differ.",
    Goal.FREE: "Your own mix.",
}
SUGGEST, BY = "suggest", "by"


@require_http_methods(["GET", "POST"])
@role_required(Role.LEAD)
def session_create(request: AuthedRequest) -> HttpResponse:
    """Plan a session. `?goal=`, `?judge=` and `?traces=` fill the form; `?goal=BALANCE` with what the judge lacks."""
    judges = led_judges(request)
    if not judges:
        messages.info(
            request, "Feedback is given under a judge's name, so make a judge first, then plan."
        )
        return redirect("judge-list")
    if request.method == "GET":
        initial = initial_for_goal(request.user, judges, request.GET, now=timezone.now())
        form = SessionForm(judges=judges, initial=initial)
        return _page(request, form, step=STEPS[0])
    return _go(request, judges, session=None)


@require_http_methods(["GET", "POST"])
@role_required(Role.LEAD)
def session_edit(request: AuthedRequest, pk: int) -> HttpResponse:
    """Plan on: a draft opens as it was left."""
    session = get_led_session(request, pk)
    if session.status != SessionStatus.DRAFT:
        messages.info(
            request,
            "This session was announced already; people, overlap and time are changed here.",
        )
        return redirect("session-change", pk)
    judges = led_judges(request)
    if request.method == "GET":
        form = SessionForm(judges=judges, initial=initial_for_draft(session, now=timezone.now()))
        step = request.GET.get("step", "")
        return _page(request, form, step=step if step in STEPS else STEPS[0], session=session)
    return _go(request, judges, session=session)


@require_POST
@role_required(Role.LEAD)
def session_preview(request: AuthedRequest) -> HttpResponse:
    """What the form as it stands would draw, bring and cost; for htmx, beside the form."""
    form = SessionForm(request.POST, judges=led_judges(request))
    form.is_valid()
    step = _step(request)
    form = _taken_out(request, form)
    ctx = {"form": form, "step": step, **preview(form, outlook_of(form))}
    return render(request, "sessions/_preview.html", ctx)


@require_POST
@role_required(Role.LEAD)
def session_mix(request: AuthedRequest) -> HttpResponse:
    """The part of the form about the mix, made anew for another goal, judge or kind of strata; for htmx."""
    judges = led_judges(request)
    form = _suggested(request, judges)
    response = render(
        request, "sessions/_mix.html", {"form": form, **mix_rows(form, outlook_of(form))}
    )
    response.headers["HX-Trigger-After-Swap"] = "mix-changed"
    return response


def led_judges(request: AuthedRequest) -> list[Judge]:
    """The judges that the user may plan sessions for."""
    teams = [team for team in request.user.team_roles() if request.user.has_role(team, Role.LEAD)]
    return list(
        Judge.objects.filter(experiment__team__in=teams, current_version__isnull=False)
        .select_related("experiment__team", "current_version", "guideline")
        .order_by("experiment__name", "experiment__pk", "name")
    )


def _go(
    request: AuthedRequest, judges: list[Judge], *, session: FeedbackSession | None
) -> HttpResponse:
    """Go to the step that a button names, or keep the plan; what was typed stays in any case."""
    step = _step(request)
    go = request.POST.get("go", "")
    if go in (SUGGEST, BY):
        return _page(request, _suggested(request, judges), step=step, session=session)
    form = SessionForm(request.POST, judges=judges)
    form.is_valid()
    if "remove" in request.POST or go not in (*STEPS, "check", "draft"):
        return _page(request, _taken_out(request, form), step=step, session=session)
    if go in STEPS:
        is_forward = STEPS.index(go) > STEPS.index(step)
        wrong = form.first_wrong_step(STEPS[STEPS.index(go) - 1]) if is_forward else None
        return _page(request, form, step=wrong or go, session=session, status=422 if wrong else 200)
    wrong = form.first_wrong_step()
    if wrong is None:
        kept = _keep(request, form, session)
        if kept is not None:
            if go == "draft":
                messages.success(request, f"{kept.name} is kept as a draft. Nobody was told.")
            return redirect("session-detail", kept.pk)
        wrong = form.first_wrong_step()
    return _page(request, form, step=wrong or step, session=session, status=422)


def _keep(
    request: AuthedRequest, form: SessionForm, session: FeedbackSession | None
) -> FeedbackSession | None:
    """The draft; None when the form now says why there is none."""
    judge = form.judge
    if judge is None:
        return None
    require_role(request.user, judge.experiment.team_id, Role.LEAD)
    mix = form.mix()
    outlook = session_plans.outlook(judge, mix, but=session)
    if not outlook.picks:
        form.add_error("total", "No trace fits this choice; see what is left out, and let more in.")
        return None
    try:
        return session_plans.save_plan(
            actor=request.user,
            session=session,
            judges=form.chosen,
            guidelines=form.guidelines,
            rooms=dict.fromkeys(form.reviewers_chosen),
            picks=outlook.picks,
            selection={
                **outlook.sample.to_dict(),
                "plan": {
                    **mix.to_dict(),
                    "weights": form.weights_of([each.name for each in outlook.strata]) or None,
                    "per_reviewer": form.cleaned_data["per_reviewer"],
                },
            },
            **form.settings,
        )
    except SessionError as error:
        form.add_error(error.field if error.field in form.fields else None, str(error))
        return None


def _page(
    request: AuthedRequest,
    form: SessionForm,
    *,
    step: str,
    session: FeedbackSession | None = None,
    status: int = 200,
) -> HttpResponse:
    at = STEPS.index(step)
    if form.is_bound:
        form.keep_errors_of(STEPS[: at + 1] if status == 422 else STEPS[:at])
    found = outlook_of(form, but=session)
    ctx: dict[str, Any] = {
        "form": form,
        "title": f"Plan {session.name}" if session else "New session",
        "address": reverse("session-edit", args=[session.pk])
        if session
        else reverse("session-create"),
        "step": step,
        "steps": [
            {
                "name": name,
                "title": TITLES[name],
                "state": "current"
                if name == step
                else "done"
                if STEPS.index(name) < at
                else "next",
            }
            for name in STEPS
        ],
        "back_step": STEPS[at - 1] if at else "",
        "next_step": STEPS[at + 1] if at + 1 < len(STEPS) else "check",
        "next_text": NEXT_TEXT[step],
        "goals": [
            {"radio": radio, "help": GOAL_HELP[Goal(str(radio.data["value"]))]}
            for radio in form["goal"]
        ],
        "problem": _problem(form) if status == 422 else "",
        "people": people_rows(form, but=session),
        **mix_rows(form, found),
        **preview(form, found, but=session),
    }
    return render(request, "sessions/form.html", ctx, status=status)


def _problem(form: SessionForm) -> str:
    whole = form.non_field_errors()
    if whole:
        return str(whole[0])
    fields = len(form.errors)
    return (
        f"Nothing was lost; see the {'field' if fields == 1 else f'{fields} fields'} marked below."
    )


def _step(request: AuthedRequest) -> str:
    step = request.POST.get("step", "")
    return step if step in STEPS else STEPS[0]


def _suggested(request: AuthedRequest, judges: list[Judge]) -> SessionForm:
    """The form with the mix that its goal is usually filled with; everything else as it was typed."""
    typed = SessionForm(request.POST, judges=judges)
    data = request.POST.copy()
    if typed.judge is not None:
        typed.is_valid()
        goal = typed.cleaned_data.get("goal", "")
        keeps_by = BY in (request.POST.get("mix_for"), request.POST.get("go"))
        _set(
            data, mix_fields(typed.judge, goal, typed.mix() if keeps_by else None, seed=_seed(data))
        )
    form = SessionForm(data, judges=judges)
    form.is_valid()
    return form


def _taken_out(request: AuthedRequest, form: SessionForm) -> SessionForm:
    """The form with one more trace taken out of its list, if a button asked for that."""
    remove = request.POST.get("remove", "")
    if not (remove.isascii() and remove.isdecimal()):
        return form
    data = request.POST.copy()
    data["removed"] = ",".join(filter(None, [request.POST.get("removed", ""), remove]))
    taken_out = SessionForm(data, judges=form.all_judges)
    taken_out.is_valid()
    return taken_out


def _seed(data: QueryDict) -> int:
    text = data.get("seed", "")
    return (
        int(text)
        if text.isascii() and text.isdecimal() and len(text) < 11
        else secrets.randbits(32)
    )


def _set(data: QueryDict, values: dict[str, list[str]]) -> None:
    """Put values into a form's data; a field without any, such as a box that is not ticked, goes out of it."""
    for name in [name for name in data if name.startswith("mix:")]:
        del data[name]
    for name, texts in values.items():
        if texts:
            data.setlist(name, texts)
        elif name in data:
            del data[name]
