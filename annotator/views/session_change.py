"""What a lead does while a session is announced or runs: people, overlap, time; items released, moved; reminders."""

from __future__ import annotations

from collections import Counter
from typing import Any
from zoneinfo import ZoneInfo

from django import forms
from django.contrib import messages
from django.http import HttpResponse, QueryDict
from django.shortcuts import redirect, render
from django.utils import timezone
from django.views.decorators.http import require_http_methods, require_POST

from annotator.http import AuthedRequest
from annotator.models import (
    RUNNING,
    WAITING,
    Assignment,
    AssignmentState,
    FeedbackSession,
    Reviewer,
    Role,
    SessionStatus,
    User,
)
from annotator.models.sessions import MOST_OVERLAP
from annotator.permissions import role_required
from annotator.presenters.words import count
from annotator.services import session_changes as change_service
from annotator.services.session_changes import Change
from annotator.services.session_checks import (
    MOST_GRACE_MINUTES,
    MOST_PER_REVIEWER,
    SessionError,
)
from annotator.services.sessions import loads
from annotator.views.judge_forms import dress
from annotator.views.session_fields import ClockField, clock_at, moment_at, offer
from annotator.views.session_more_time import more_time_page
from annotator.views.sessions import get_led_session

ROOM = "room_"
_MOVABLE = (
    AssignmentState.TODO,
    AssignmentState.DRAFT,
    AssignmentState.SKIPPED,
    AssignmentState.FLAGGED,
)


class PeopleForm(forms.Form):
    """Who reviews from now on, with room for how many items, and how many people answer each."""

    reviewers = forms.MultipleChoiceField(
        widget=forms.CheckboxSelectMultiple,
        error_messages={"required": "Somebody has to review; choose at least one person."},
    )
    overlap = forms.IntegerField(label="People per item", min_value=1, max_value=MOST_OVERLAP)

    def __init__(self, data: QueryDict | None = None, *, session: FeedbackSession) -> None:
        present = {
            each.user_id: each
            for each in session.reviewers.filter(removed_at=None).select_related("user")
        }
        self.people = list(
            User.objects.filter(memberships__team=session.experiment.team_id, is_active=True)
            .distinct()
            .order_by("first_name", "username")
        )
        super().__init__(
            data,
            initial={"reviewers": [str(pk) for pk in present], "overlap": session.overlap},
        )
        offer(self, "reviewers", [(str(user.pk), str(user)) for user in self.people])
        for user in self.people:
            kept = present.get(user.pk)
            self.fields[f"{ROOM}{user.pk}"] = forms.IntegerField(
                required=False,
                min_value=1,
                max_value=MOST_PER_REVIEWER,
                label=f"Items of {user}",
                initial=kept.room if kept else None,
                widget=forms.NumberInput(attrs={"placeholder": str(session.per_reviewer)}),
            )
        dress(self)

    @property
    def rooms(self) -> dict[User, int | None]:
        """Everybody chosen, with room for so many items; None is the session's number."""
        asked = set(self.cleaned_data["reviewers"])
        return {
            user: self.cleaned_data[f"{ROOM}{user.pk}"]
            for user in self.people
            if str(user.pk) in asked
        }

    def rows(self, carried: dict[int, int]) -> list[dict[str, Any]]:
        """A line for each person who could review."""
        chosen = {str(pk) for pk in (self["reviewers"].value() or [])}
        return [
            {
                "user": user,
                "is_chosen": str(user.pk) in chosen,
                "room": self[f"{ROOM}{user.pk}"],
                "load": f"{count(carried[user.pk], 'item')} to do elsewhere"
                if carried.get(user.pk)
                else "nothing to do elsewhere",
            }
            for user in self.people
        ]


class TimeForm(forms.Form):
    """Another end, on the session's own clock."""

    closes_at = ClockField(label="Closes", error_messages={"required": "Say when it closes."})
    grace_minutes = forms.IntegerField(
        label="Extra time (minutes)", min_value=0, max_value=MOST_GRACE_MINUTES
    )

    def __init__(self, data: QueryDict | None = None, *, session: FeedbackSession) -> None:
        closes = clock_at(session.closes_at, session.zone) if session.closes_at else None
        super().__init__(
            data, initial={"closes_at": closes, "grace_minutes": session.grace_minutes}
        )
        self._zone: ZoneInfo = session.zone
        dress(self)

    def clean_closes_at(self) -> Any:
        """The moment."""
        try:
            return moment_at(self.cleaned_data["closes_at"], self._zone)
        except ValueError as error:
            raise forms.ValidationError(str(error)) from None


@require_http_methods(["GET", "POST"])
@role_required(Role.LEAD)
def session_change(request: AuthedRequest, pk: int) -> HttpResponse:
    """Change people, overlap or time: what would happen first, then in one transaction."""
    session = get_led_session(request, pk)
    if session.status not in (SessionStatus.SCHEDULED, *RUNNING):
        messages.info(
            request,
            f"{session.name} is {session.get_status_display().lower()}; people, overlap and time are changed while it is scheduled or open.",
        )
        return redirect("session-detail", pk)
    action = request.POST.get("action", "")
    people_form = PeopleForm(
        request.POST if action in ("preview", "apply") else None, session=session
    )
    time_form = TimeForm(request.POST if action == "time" else None, session=session)
    change: Change | None = None
    if action == "time" and time_form.is_valid() and _extend(request, session, time_form):
        return redirect("session-detail", pk)
    if action in ("preview", "apply") and people_form.is_valid():
        change = _changed(request, session, people_form, apply=action == "apply")
        if change is not None and action == "apply":
            messages.success(request, _summary(change))
            return redirect("session-detail", pk)
    carried = loads(people_form.people, but=session)
    ctx = {
        "session": session,
        "form": people_form,
        "time_form": time_form,
        "people": people_form.rows(carried),
        "change": _rows(session, change) if change else [],
        "change_summary": _summary(change) if change else "",
        "short": count(change.plan.missing, "answer") if change and change.plan.missing else "",
        "zone": session.zone.key.replace("_", " "),
    }
    is_wrong = bool(people_form.errors or time_form.errors)
    return render(request, "sessions/change.html", ctx, status=422 if is_wrong else 200)


@require_POST
@role_required(Role.LEAD)
def session_people(request: AuthedRequest, pk: int) -> HttpResponse:
    """Do something with the reviewers ticked on the board: remind them, release what they hold, or move their items."""
    session = get_led_session(request, pk)
    chosen = list(
        session.reviewers.filter(pk__in=_pks(request, "reviewer"), removed_at=None)
        .select_related("user")
        .order_by("pk")
    )
    if not chosen:
        messages.error(request, "Tick the people first whom it is about.")
        return redirect("session-detail", pk)
    action = request.POST.get("action", "")
    if action == "move":
        return _move_page(request, session, chosen)
    if action == "extend":
        return more_time_page(request, session, chosen)
    try:
        if action == "remind":
            told = change_service.remind(actor=request.user, session=session, reviewers=chosen)
            messages.success(request, _told(told, len(chosen)))
        elif action == "release":
            waiting = _assignments(session, chosen).filter(state__in=WAITING, given_back_at=None)
            released = change_service.give_back(actor=request.user, assignments=list(waiting))
            messages.success(request, f"{count(released, 'item')} released; others can take them.")
        else:
            messages.error(request, "Choose what to do with those ticked.")
    except SessionError as error:
        messages.error(request, str(error))
    return redirect("session-detail", pk)


@require_POST
@role_required(Role.LEAD)
def session_move(request: AuthedRequest, pk: int) -> HttpResponse:
    """Move the items ticked to another reviewer."""
    session = get_led_session(request, pk)
    to = (
        session.reviewers.filter(pk__in=_pks(request, "to"))
        .select_related("user", "session__experiment__team")
        .first()
    )
    chosen = list(Assignment.objects.filter(item__session=session, pk__in=_pks(request, "place")))
    if to is None or not chosen:
        messages.error(request, "Tick the items to move, and choose who gets them.")
        return redirect("session-detail", pk)
    try:
        moved = change_service.move(actor=request.user, assignments=chosen, to=to)
    except SessionError as error:
        messages.error(request, str(error))
        return redirect("session-detail", pk)
    stayed = len(chosen) - moved
    rest = (
        f" {count(stayed, 'item')} stayed: answered meanwhile, or {to.user} had {'it' if stayed == 1 else 'them'} already."
        if stayed
        else ""
    )
    messages.success(request, f"{count(moved, 'item')} moved to {to.user}.{rest}")
    return redirect("session-detail", pk)


@require_POST
@role_required(Role.LEAD)
def session_release(request: AuthedRequest, pk: int) -> HttpResponse:
    """End the holds ticked on the board."""
    session = get_led_session(request, pk)
    chosen = list(Assignment.objects.filter(item__session=session, pk__in=_pks(request, "place")))
    if not chosen:
        messages.error(request, "Tick the items first that are to be released.")
        return redirect("session-detail", pk)
    released = change_service.give_back(actor=request.user, assignments=chosen)
    messages.success(
        request,
        f"{count(released, 'item')} released; others can take {'it' if released == 1 else 'them'}.",
    )
    return redirect("session-detail", pk)


def _move_page(
    request: AuthedRequest, session: FeedbackSession, chosen: list[Reviewer]
) -> HttpResponse:
    places = (
        _assignments(session, chosen)
        .filter(state__in=_MOVABLE, item__is_shared=False, item__is_warm_up=False)
        .exclude(state__in=WAITING, given_back_at__isnull=False)
        .select_related("item__trace", "reviewer__user")
        .defer(
            "item__trace__inputs",
            "item__trace__outputs",
            "item__trace__metadata",
            "item__trace__search_text",
        )
        .order_by("reviewer", "position", "pk")
    )
    ctx = {
        "session": session,
        "chosen": chosen,
        "places": places,
        "others": session.reviewers.filter(removed_at=None)
        .exclude(pk__in=[each.pk for each in chosen] if len(chosen) == 1 else [])
        .select_related("user")
        .order_by("pk"),
    }
    return render(request, "sessions/move.html", ctx)


def _assignments(session: FeedbackSession, chosen: list[Reviewer]) -> Any:
    return Assignment.objects.filter(item__session=session, reviewer__in=chosen)


def _changed(
    request: AuthedRequest, session: FeedbackSession, form: PeopleForm, *, apply: bool
) -> Change | None:
    overlap, rooms = form.cleaned_data["overlap"], form.rooms
    try:
        if apply:
            return change_service.change_session(
                actor=request.user, session=session, overlap=overlap, rooms=rooms
            )
        return change_service.preview_change(session, overlap=overlap, rooms=rooms)
    except SessionError as error:
        form.add_error(error.field if error.field in form.fields else None, str(error))
        return None


def _extend(request: AuthedRequest, session: FeedbackSession, form: TimeForm) -> bool:
    try:
        change_service.extend(
            actor=request.user,
            session=session,
            closes_at=form.cleaned_data["closes_at"],
            grace_minutes=form.cleaned_data["grace_minutes"],
            now=timezone.now(),
        )
    except SessionError as error:
        form.add_error(error.field if error.field in form.fields else None, str(error))
        return False
    messages.success(request, "The new time is set, and the reviewers are told.")
    return True


def _rows(session: FeedbackSession, change: Change) -> list[dict[str, Any]]:
    """What becomes of each person's batch."""
    added = Counter(person for person, _ in change.plan.added)
    before, done = _places_now(session)
    joined, left = set(change.joined), set(change.left)
    users = User.objects.in_bulk({*change.plan.batches, *before, *(user.pk for user in left)})
    rows = []
    for pk, user in users.items():
        then = done[pk] if user in left else len(change.plan.batches.get(pk, ()))
        note = "comes in" if user in joined else ""
        rows.append(
            {
                "who": str(user),
                "before": before[pk],
                "then": then,
                "added": added[pk],
                "dropped": before[pk] + added[pk] - then,
                "note": "goes out; what was done stays" if user in left else note,
            }
        )
    return sorted(rows, key=lambda row: str(row["who"]))


def _places_now(session: FeedbackSession) -> tuple[Counter[int], Counter[int]]:
    """How many items each person (by the user's pk) has now, answered or to do, and how many of them are answered."""
    places = Assignment.objects.filter(
        item__session=session, item__is_warm_up=False, is_extra=False
    ).taking_a_place()
    before: Counter[int] = Counter()
    done: Counter[int] = Counter()
    for user, state in places.values_list("reviewer__user", "state"):
        before[user] += 1
        done[user] += state == AssignmentState.DONE
    return before, done


def _summary(change: Change) -> str:
    new, gone = len(change.plan.added), len(change.plan.dropped)
    return (
        f"{count(new, 'item')} handed out, {count(gone, 'item')} taken back, "
        f"{count(change.kept, 'item')} that {'was' if change.kept == 1 else 'were'} begun or done left alone."
    )


def _told(told: int, ticked: int) -> str:
    if told == ticked:
        return f"{count(told, 'person', 'people')} reminded."
    return f"{count(told, 'person', 'people')} reminded; the others have nothing left, or were reminded within the hour."


def _pks(request: AuthedRequest, name: str) -> list[int]:
    return [
        int(pk)
        for pk in request.POST.getlist(name)
        if pk.isascii() and pk.isdecimal() and len(pk) < 18
    ]
