"""One item of a reviewer's batch: the review screen, and everything that can be done on it."""

from __future__ import annotations

import secrets
from typing import Any

from django.contrib import messages
from django.http import Http404, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.template.loader import render_to_string
from django.utils import timezone
from django.utils.cache import patch_vary_headers
from django.views.decorators.http import require_http_methods, require_POST

from annotator.forms import FeedbackForm
from annotator.http import AuthedRequest, is_swap, render_either
from annotator.models import (
    ANNOUNCED,
    Assessment,
    Assignment,
    SessionJudge,
    SessionStatus,
    Trace,
    User,
)
from annotator.services import assignments as assignment_service
from annotator.services import submissions as submission_service
from annotator.services.feedback import FeedbackError
from annotator.services.session_checks import SessionError
from annotator.services.submissions import Outcome
from annotator.views.focus_screen import Drawn, Screen, screen_of

_WITH = ("item__trace", "item__session__experiment__team", "reviewer")
# Traces may be big; these columns are read only where they are shown.
_CONTENT = ("item__trace__inputs", "item__trace__outputs", "item__trace__metadata")
_UNSHOWN = (
    *("item__trace__search_text", "item__trace__guessed"),
    *("item__trace__sent_request_preview", "item__trace__sent_response_preview"),
)
# Where on the form the remedy for a refusal of the services lies.
_FIELDS = {"value": "value", "rationale": "rationale", "expected": "rationale"}


@require_http_methods(["GET", "HEAD", "POST"])
def batch_item(request: AuthedRequest, pk: int, assignment: int) -> HttpResponse:
    """The review screen; a POST answers, keeps a draft, skips or flags."""
    if request.method == "POST":
        return _act(request, pk, assignment)
    place = get_place(request.user, pk, assignment, with_content=True)
    if place.item.session.status == SessionStatus.SCHEDULED:
        return redirect("batch-review", pk)
    is_running = place.item.session.is_running_for(place.reviewer.closes_at, timezone.now())
    # What is fetched beforehand is in front of nobody yet.
    if "X-Ahead" not in request.headers and place.is_waiting and is_running:
        try:
            assignment_service.hold(user=request.user, assignment=place)
        except SessionError as error:
            messages.info(request, str(error))
            return redirect("batch-review", pk)
    drawn = Drawn.STEP if is_swap(request) else Drawn.PAGE
    context = screen_of(request, place, drawn=drawn).context()
    return render_either(request, "batches/item.html", "batches/_step.html", context)


@require_POST
def batch_beat(request: AuthedRequest, pk: int, assignment: int) -> HttpResponse:
    """The page is still open: 204, or one sentence when the hold had ended."""
    place = _place_to_hold(request.user, pk, assignment)
    try:
        held = assignment_service.beat(
            user=request.user, assignment=place, seconds=_seconds(request)
        )
    except SessionError as error:
        return HttpResponse(str(error), content_type="text/plain; charset=utf-8")
    if held.ended_at is None:
        return HttpResponse(status=204)
    return HttpResponse(
        "Your hold had ended; the item is yours again", content_type="text/plain; charset=utf-8"
    )


@require_POST
def batch_leave(request: AuthedRequest, pk: int, assignment: int) -> HttpResponse:
    """The page was left: the hold ends, the item stays in the batch."""
    place = _place_to_hold(request.user, pk, assignment)
    assignment_service.let_go(user=request.user, assignment=place)
    return HttpResponse(status=204)


def get_place(
    user: User, session: int, assignment: int, *, with_content: bool = False
) -> Assignment:
    """The user's own place in the session; 404 for everybody else, leads included.

    Args:
        with_content: Whether the trace is to be shown, so that it is read with its inputs and outputs.
    """
    places = Assignment.objects.of(user).announced_to(user).filter(item__session=session)
    left_out = _UNSHOWN if with_content else (*_CONTENT, *_UNSHOWN)
    return get_object_or_404(places.select_related(*_WITH).defer(*left_out), pk=assignment)


def _place_to_hold(user: User, session: int, assignment: int) -> Assignment:
    """The same without the trace and the team, which a heartbeat, the most frequent request, has no use for."""
    places = Assignment.objects.of(user).announced_to(user).filter(item__session=session)
    return get_object_or_404(places.select_related("item__session", "reviewer"), pk=assignment)


def _place_to_answer(user: User, session: int, assignment: int) -> Assignment:
    """The same, also for who was taken out or whose session was called off: an answer on its way is kept."""
    places = Assignment.objects.filter(
        reviewer__user=user, item__session=session, item__trace__in=Trace.objects.visible_to(user)
    )
    places = places.select_related(*_WITH).defer(*_CONTENT, *_UNSHOWN)
    return get_object_or_404(places, pk=assignment)


def _act(request: AuthedRequest, session: int, assignment: int) -> HttpResponse:
    action = next((name for name in ("skip", "flag") if name in request.POST), "")
    action = action or request.POST.get("action", "submit")
    find = get_place if action in ("skip", "flag", "draft", "keep") else _place_to_answer
    place = find(request.user, session, assignment)
    judge = _judge(request, place)
    try:
        if action == "skip":
            reason, text = request.POST["skip"], request.POST.get("skip_text", "")
            assignment_service.skip(user=request.user, assignment=place, reason=reason, text=text)
            return _after(request, place, judge, "SKIPPED", "Skipped")
        if action == "flag":
            words = [request.POST["flag"], request.POST.get("flag_text", "")]
            assignment_service.flag(
                user=request.user, assignment=place, text=": ".join(filter(None, words))
            )
            return _after(request, place, judge, "FLAGGED", "Flagged for the lead")
        if action == "draft":
            assignment_service.save_draft(
                user=request.user, assignment=place, judge=judge.judge_id, draft=_draft(request)
            )
            return _after(request, place, judge, "DRAFT", "Draft saved")
        if action == "keep":
            return _keep(request, place, judge)
        return _submit(request, place, judge)
    except SessionError as error:
        form = FeedbackForm(request.POST, judge=judge.judge)
        form.is_valid()
        form.add_error(None, str(error))
        return _refuse(request, place, judge, form)


def _submit(request: AuthedRequest, place: Assignment, judge: SessionJudge) -> HttpResponse:
    form = FeedbackForm(request.POST, judge=judge.judge)
    if not form.is_valid():
        return _refuse(request, place, judge, form)
    return _send(request, place, judge, form, **form.cleaned_data["answer"])


def _keep(request: AuthedRequest, place: Assignment, judge: SessionJudge) -> HttpResponse:
    """Stay with the first answer now that the verdict is seen, with the reason that is asked for then."""
    mine = _own(place, judge)
    rationale = request.POST.get("rationale", "").strip()
    if mine is None:
        return _submit(request, place, judge)
    form = FeedbackForm(request.POST, judge=judge.judge)
    if not rationale:
        return _after(request, place, judge, "KEPT", "Submitted")
    return _send(request, place, judge, form, value=mine.value, rationale=rationale)


def _send(
    request: AuthedRequest,
    place: Assignment,
    judge: SessionJudge,
    form: FeedbackForm,
    **answer: Any,
) -> HttpResponse:
    try:
        taken = submission_service.submit(
            user=request.user,
            assignment=place,
            judge=judge.judge,
            submission_id=request.POST.get("submission") or secrets.token_hex(16),
            span_id=request.POST.get("about", ""),
            confidence=request.POST.get("confidence", ""),
            expected=request.POST.get("expected", ""),
            seconds=_seconds(request),
            **answer,
        )
    except FeedbackError as error:
        form.is_valid()
        form.add_error(_FIELDS.get(error.field), str(error))
        return _refuse(request, place, judge, form)
    text = _OUTCOMES[taken.outcome]
    session = place.item.session
    if taken.outcome is Outcome.EXTRA and not session.is_running_for(
        place.reviewer.closes_at, timezone.now()
    ):
        text = "The session is over; your answer was kept as an extra. Submitted"
    elif taken.hold_ended_at is not None:
        ended = timezone.localtime(taken.hold_ended_at, session.zone)
        text = f"Your hold ended at {ended:%H:%M}; your answer was kept" + (
            " as an extra, because others had answered meanwhile. Submitted"
            if taken.outcome is Outcome.EXTRA
            else " and counts. Submitted"
        )
    return _after(request, taken.assignment, judge, taken.outcome, text)


_OUTCOMES = {
    Outcome.SUBMITTED: "Submitted",
    Outcome.EDITED: "Submitted, edited",
    Outcome.EXTRA: "Kept as an extra answer. Submitted",
    Outcome.REPEATED: "Submitted",
    Outcome.NEEDS_REASON: "Submitted; one sentence on why is still needed",
    Outcome.WARM_UP: "Practised",
}


def _after(
    request: AuthedRequest, place: Assignment, judge: SessionJudge, outcome: str, text: str
) -> HttpResponse:
    """What was done: for the script the parts that changed, for everybody else the next page."""
    result = {"text": text, "at": timezone.now()}
    if place.reviewer.removed_at or place.item.session.status not in ANNOUNCED:
        # The batch is not the reader's any more; only the answer was.
        messages.info(request, f"{text}.")
        if not request.htmx:
            return redirect("batch-list")
        return render(request, "batches/_result.html", {"outcome": result, "place": place})
    screen = screen_of(request, place, judge=judge, drawn=Drawn.AROUND)
    if request.htmx:
        ahead = _ahead(request, screen)
        context = screen.context() | {"outcome": result, "place": place, "ahead": ahead}
        response = render(request, "batches/_after.html", context)
        patch_vary_headers(response, ["HX-Request"])
        return response
    if text not in ("Submitted", "Draft saved", "Practised"):
        messages.info(request, f"{text}.")
    return redirect(_following(screen, outcome))


def _ahead(request: AuthedRequest, screen: Screen) -> dict[str, Any] | None:
    """The item of the same batch that the script wants to have beforehand, drawn; None where it wants or may have none."""
    pk = request.POST.get("ahead", "")
    beside = screen.step.assignment
    if not pk.isdecimal() or len(pk) > 18:
        return None
    places = Assignment.objects.of(request.user).filter(item__session=beside.item.session_id)
    place = places.select_related("item__trace").defer(*_UNSHOWN).filter(pk=pk).first()
    if place is None:
        return None  # it was moved to somebody else meanwhile
    place.item.session, place.reviewer = beside.item.session, beside.reviewer
    step = screen_of(request, place, drawn=Drawn.STEP, beside=screen)
    return {"pk": place.pk, "html": render_to_string("batches/_step.html", step.context(), request)}


def _following(screen: Screen, outcome: str) -> str:
    """Where to go without a script: stay for a draft or for what there is to see, else on."""
    step = screen.step
    stays = outcome == "DRAFT" or (
        step.after == "panel" and outcome not in ("SKIPPED", "FLAGGED", "KEPT", Outcome.EDITED)
    )
    if stays or step.about:
        return step.address
    waiting = next((tab for tab in step.tabs if tab.state in ("todo", "draft")), None)
    return waiting.address if waiting is not None else step.onward_address


def _refuse(
    request: AuthedRequest, place: Assignment, judge: SessionJudge, form: FeedbackForm
) -> HttpResponse:
    drawn = Drawn.STEP if is_swap(request) else Drawn.PAGE
    screen = screen_of(request, place, judge=judge, form=form, drawn=drawn)
    context = screen.context()
    return render_either(request, "batches/item.html", "batches/_side.html", context, status=422)


def _judge(request: AuthedRequest, place: Assignment) -> SessionJudge:
    wanted = request.GET.get("judge", "")
    for each in place.item.session.asked:
        if str(each.judge_id) == wanted or not wanted:
            return each
    raise Http404("The session does not ask for this judge.")


def _own(place: Assignment, judge: SessionJudge) -> Assessment | None:
    answers = Assessment.objects.human().filter(assignment=place, span_id="")
    return answers.filter(name=judge.judge.name).order_by("-pk").first()


def _draft(request: AuthedRequest) -> dict[str, str]:
    names = ("value", "rationale", "confidence", "expected")
    return {name: request.POST.get(name, "") for name in names}


def _seconds(request: AuthedRequest) -> int:
    text = request.POST.get("seconds", "")
    return int(text) if text.isdecimal() and len(text) < 7 else 0
