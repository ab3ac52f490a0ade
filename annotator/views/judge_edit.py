"""Judges made, edited, and tried on a few traces before they are saved."""

from __future__ import annotations

from typing import Any

from django.conf import settings
from django.contrib import messages
from django.core.exceptions import PermissionDenied
from django.http import HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import reverse
from django.views.decorators.http import require_GET, require_http_methods, require_POST

from annotator.http import AuthedRequest, render_either
from annotator.models import Experiment, Judge, JudgeTrial, JudgeVersion, Role, Trace
from annotator.permissions import require_role, role_required
from annotator.presenters.words import DEMO_NOTICE, is_demo_model, value_text
from annotator.services import judges as judge_service
from annotator.services import trials as trial_service
from annotator.services.judges import JudgeServiceError
from annotator.services.trials import MOST_TRACES
from annotator.views.judge_forms import JudgeForm, judge_form_initial
from annotator.views.judges import get_judge, judge_context, posted_traces
from judges.errors import InvalidJudgeError
from judges.render import VARIABLES
from judges.values import ValueType

TRACES_TO_CHOOSE_FROM = 12

VARIABLE_HINTS = {
    "inputs": "what the application was given",
    "outputs": "what it answered",
    "expectations": "what the right answer would have been, where somebody wrote it down",
    "trace": "every step it took",
    "conversation": "the whole conversation as turns",
}


@require_http_methods(["GET", "POST"])
@role_required(Role.ADMIN)
def judge_create(request: AuthedRequest) -> HttpResponse:
    """Make a judge in an experiment."""
    experiment = _experiment(request)
    form = JudgeForm(request.POST or None, initial={"model": settings.ANNOTATOR_DEFAULT_MODEL})
    if (
        request.method == "POST"
        and form.is_valid()
        and (judge := _create(request, experiment, form))
    ):
        messages.success(request, f"The judge {judge.name} is made. Run it over traces next.")
        return redirect("judge-detail", judge.pk)
    return _form_page(request, form, experiment=experiment, judge=None)


@require_http_methods(["GET", "POST"])
@role_required(Role.ADMIN)
def judge_edit(request: AuthedRequest, pk: int) -> HttpResponse:
    """Make a new version of a judge."""
    judge = get_judge(request, pk)
    require_role(request.user, judge.experiment.team_id, Role.ADMIN)
    form = JudgeForm(request.POST or None, judge=judge, initial=_initial(request, judge))
    if request.method == "POST" and form.is_valid() and (version := _edit(request, judge, form)):
        messages.success(request, f"Version {version.number} of {judge.name} is saved and in use.")
        return redirect(f"{reverse('judge-detail', args=[pk])}?undo=1")
    return _form_page(request, form, experiment=judge.experiment, judge=judge)


@require_POST
@role_required(Role.ADMIN)
def judge_try(request: AuthedRequest) -> HttpResponse:
    """Try what the form holds, unsaved, on a few traces; the form keeps its contents."""
    experiment, judge = _experiment(request), None
    if request.POST.get("judge"):
        judge = get_object_or_404(
            Judge.objects.visible_to(request.user), pk=_pk(request.POST["judge"])
        )
        experiment = judge.experiment
        require_role(request.user, experiment.team_id, Role.ADMIN)
    form = JudgeForm(request.POST, judge=judge)
    trial = _known_trial(request)
    if trial is None and form.is_valid():
        trial = _start_trial(request, form, experiment=experiment, judge=judge)
    if not request.htmx:
        return _form_page(
            request, form, experiment=experiment, judge=judge, trial=trial, status=200
        )
    status = 200 if trial else 422
    ctx = {**_trial_context(trial), "problems": _problems(form)}
    return render(request, "judges/_trial.html", ctx, status=status)


@require_GET
def judge_trial(request: AuthedRequest, pk: int) -> HttpResponse:
    """How a trial stands; only who started it may look."""
    trial = get_object_or_404(JudgeTrial, pk=pk, created_by=request.user)
    return render_either(request, "judges/trial.html", "judges/_trial.html", _trial_context(trial))


def _experiment(request: AuthedRequest) -> Experiment:
    """The experiment named in the request, or the first in which the user may make judges."""
    admin_of = [team for team, role in request.user.team_roles().items() if role == Role.ADMIN]
    experiments = (
        Experiment.objects.visible_to(request.user).select_related("team").order_by("name", "pk")
    )
    asked = request.POST.get("experiment") or request.GET.get("experiment")
    if asked:
        experiment = get_object_or_404(experiments, pk=_pk(asked))
        require_role(request.user, experiment.team_id, Role.ADMIN)
        return experiment
    experiment_or_none = experiments.filter(team__in=admin_of).first()
    if experiment_or_none is None:
        raise PermissionDenied(
            "There is no experiment yet: import traces or send some, then make a judge."
        )
    return experiment_or_none


def _pk(text: str) -> int:
    """A key from a form; what is none finds nothing."""
    return int(text) if text.isascii() and text.isdecimal() and len(text) < 18 else 0


def _initial(request: AuthedRequest, judge: Judge) -> dict[str, Any]:
    """The current version, or the one asked for by number."""
    version = judge.current_version
    if number := _pk(request.GET.get("from", "")):
        version = get_object_or_404(JudgeVersion, judge=judge, number=number)
    return judge_form_initial(version) if version else {}


def _create(request: AuthedRequest, experiment: Experiment, form: JudgeForm) -> Judge | None:
    data = form.cleaned_data
    try:
        return judge_service.create_judge(
            actor=request.user,
            experiment=experiment,
            name=data["name"],
            description=data["description"],
            sides=form.sides,
            **_definition(form),
        )
    except (JudgeServiceError, InvalidJudgeError) as error:
        form.add_error(getattr(error, "field", "") or None, str(error))
        return None


def _edit(request: AuthedRequest, judge: Judge, form: JudgeForm) -> JudgeVersion | None:
    try:
        return judge_service.edit_judge(
            actor=request.user, judge=judge, note=form.cleaned_data["note"], **_definition(form)
        )
    except (JudgeServiceError, InvalidJudgeError) as error:
        form.add_error(getattr(error, "field", "") or None, str(error))
        return None


def _definition(form: JudgeForm) -> dict[str, Any]:
    names = ("instructions", "model", "inference_params", "base_url", "extra_headers")
    return {"value_type": form.value_type, **{name: form.cleaned_data[name] for name in names}}


def _start_trial(
    request: AuthedRequest, form: JudgeForm, *, experiment: Experiment, judge: Judge | None
) -> JudgeTrial | None:
    traces = Trace.objects.filter(experiment=experiment).newest_first()
    chosen = posted_traces(request)
    pks = list(
        (traces.filter(trace_id__in=chosen) if chosen else traces).values_list("pk", flat=True)[
            :MOST_TRACES
        ]
    )
    if not pks:
        form.add_error(
            None, "This experiment has no trace to try the judge on; import or send some first."
        )
        return None
    if form.definition is None:
        return None
    return trial_service.start_trial(
        actor=request.user, judge=judge, definition=form.definition.to_dict(), traces=pks
    )


def _known_trial(request: AuthedRequest) -> JudgeTrial | None:
    """The trial to look at again, for browsers without JavaScript."""
    if request.POST.get("look_again") is None:
        return None
    return JudgeTrial.objects.filter(
        pk=_pk(request.POST.get("trial", "")), created_by=request.user
    ).first()


def _trial_context(trial: JudgeTrial | None) -> dict[str, Any]:
    if trial is None:
        return {"trial": None}
    value_type = ValueType.from_dict(trial.definition["value_type"])
    return {
        "trial": trial,
        "waits_for": len(trial.trace_pks),
        "is_demo": is_demo_model(trial.definition["model"]),
        "results": [
            {**result, "shown": "" if result["error"] else value_text(result["value"], value_type)}
            for result in trial.results
        ],
    }


def _problems(form: JudgeForm) -> list[str]:
    """What keeps the form from being tried, each with the name of its field."""
    return [
        f"{form.fields[name].label or name.replace('_', ' ').capitalize()}: {problem}"
        if name in form.fields
        else str(problem)
        for name, found in form.errors.items()
        for problem in found
    ]


def _form_page(
    request: AuthedRequest,
    form: JudgeForm,
    *,
    experiment: Experiment,
    judge: Judge | None,
    trial: JudgeTrial | None = None,
    status: int | None = None,
) -> HttpResponse:
    traces = Trace.objects.filter(experiment=experiment).newest_first().without_content()
    head = judge_context(request, judge, tab="edit") if judge else {}
    ctx = {
        **head,
        **_trial_context(trial),
        "form": form,
        "experiment": experiment,
        "experiments": Experiment.objects.visible_to(request.user).order_by("name"),
        "variables": [(name, VARIABLE_HINTS.get(name, "")) for name in VARIABLES],
        "models": _known_models(request),
        "demo_notice": DEMO_NOTICE,
        "traces": traces[:TRACES_TO_CHOOSE_FROM],
        "most_traces": MOST_TRACES,
        "chosen": request.POST.getlist("trace") or request.GET.getlist("trace"),
        "problems": [],
    }
    if status is None:
        status = 422 if form.is_bound else 200
    return render(request, "judges/form.html", ctx, status=status)


def _known_models(request: AuthedRequest) -> list[str]:
    """Models to offer: the default one, and those that the team's judges use."""
    used = (
        JudgeVersion.objects.filter(judge__in=Judge.objects.visible_to(request.user))
        .exclude(model="")
        .values_list("model", flat=True)
        .distinct()
        .order_by("model")[:30]
    )
    return sorted({settings.ANNOTATOR_DEFAULT_MODEL, *used})
