"""Fetches what the review screen shows of one item, with as many queries however long the batch is."""

from __future__ import annotations

import json
import secrets
from dataclasses import dataclass
from enum import Enum, auto
from typing import Any

from django.conf import settings
from django.http import Http404, QueryDict
from django.urls import reverse
from django.utils import timezone

from annotator.forms import FeedbackForm
from annotator.http import AuthedRequest
from annotator.keymap import KeyMap
from annotator.models import (
    Assessment,
    Assignment,
    AssignmentState,
    FeedbackSession,
    Label,
    Preferences,
    SessionJudge,
    Trace,
    User,
)
from annotator.models.search import verdicts_in_force
from annotator.presenters import focus
from annotator.presenters.batches import Batch, Line, batch_of, ends_soon, time_left
from annotator.presenters.focus import JudgeTab, Step
from annotator.presenters.guidelines import ValueWords, value_words
from annotator.presenters.judge_panel import Panel, panel_of, sees_verdict
from annotator.services.feedback import TURN
from annotator.services.guidelines import pinned_examples
from annotator.views.batches import batch_order, own_batch, taken_by_others
from annotator.views.traces import TABS, trace_content

MOST_REASONS = 3
# So many heartbeats may get lost before a hold does.
BEATS_PER_HOLD = 6


class Drawn(Enum):
    """What of the screen is drawn, so that no more is read.

    PAGE: everything. STEP: the trace and the form, where the list beside them stays. AROUND: the list and the panels, where
    the trace stays.
    """

    PAGE = auto()
    STEP = auto()
    AROUND = auto()


@dataclass(frozen=True, kw_only=True)
class Desk:
    """What the screens of all items of one batch share: how the person works, and the batch in its order, as pks.

    `lines` is empty where the list is not drawn.
    """

    preferences: Preferences
    keys: KeyMap
    lines: list[Line]
    order: list[int]


@dataclass(kw_only=True)
class Screen:
    """The review screen of one item, ready for the templates; `batch` is None where the list is not drawn."""

    batch: Batch | None
    desk: Desk
    step: Step
    panel: Panel
    tab: str
    content: dict[str, Any]
    guideline: list[ValueWords]

    def context(self) -> dict[str, Any]:
        """The templates' names."""
        place = self.step.assignment
        session, own_end, now = place.item.session, place.reviewer.closes_at, timezone.now()
        until = session.ends_for(own_end)
        return {
            **self.content,
            "session": session,
            "step": self.step,
            "trace": place.item.trace,
            "batch": self.batch,
            "panel": self.panel,
            "progress": self.batch.progress if self.batch else None,
            "judge": self.step.judge,
            "guideline_values": self.guideline,
            "preferences": self.desk.preferences,
            "keys": focus.caps(self.desk.keys.keys),
            "key_rows": focus.key_rows(self.desk.keys),
            "actions_of_keys": json.dumps(self.desk.keys.actions),
            "tab": self.tab,
            "tabs": TABS,
            "next_tab": list(TABS)[(list(TABS).index(self.tab) + 1) % len(TABS)],
            "skip_reasons": focus.skip_reasons(),
            "flag_reasons": focus.flag_reasons(),
            "end_address": reverse("batch-review", args=[session.pk]),
            "undo_address": reverse("batch-undo", args=[session.pk]),
            "beat_seconds": max(1, settings.HOLD_SECONDS // BEATS_PER_HOLD),
            "ends_at": until,
            "ends_soon": session.is_running_for(own_end, now) and ends_soon(until, now),
            "time_left": time_left(until, now),
            "about_address": "" if self.step.read_only else self.step.address,
        }


def screen_of(
    request: AuthedRequest,
    place: Assignment,
    *,
    judge: SessionJudge | None = None,
    form: FeedbackForm | None = None,
    drawn: Drawn = Drawn.PAGE,
    beside: Screen | None = None,
) -> Screen:
    """Fetch everything for one item.

    Args:
        judge: The judge to answer under; else the one in the address, else the first that waits.
        form: The form as it came back with what is wrong.
        drawn: What of it is needed.
        beside: The screen of another item of the batch, with its list, that is drawn for the same request: what the two
            share is not read again, and what the request says is about the other one.
    """
    user, session, trace = request.user, place.item.session, place.item.trace
    said = request.GET if beside is None else QueryDict()
    # Nothing was said yet of an item that is still to do.
    is_untouched = place.state == AssignmentState.TODO
    given = Assessment.objects.human().filter(assignment=place, author=user).order_by("pk")
    answers = [] if is_untouched else list(given)
    mine = {answer.name: answer for answer in answers if not answer.span_id}
    asked = _asked(place)
    current = judge or _wanted(said.get("judge", ""), asked, place, mine)
    desk = beside.desk if beside else _desk(user, session, with_lines=drawn is not Drawn.STEP)
    lines, pks = desk.lines, desk.order
    if place.pk not in pks:
        raise Http404("The item is in the user's batch no more.")
    at = pks.index(place.pk)
    about = "" if beside else request.POST.get("about", "") or said.get("about", "")
    step = Step(
        assignment=place,
        session_judge=current,
        number=at + 1,
        tabs=tuple(
            JudgeTab(
                judge=each.judge,
                address=focus.item_address(session.pk, place.pk, each.judge_id),
                state=focus.state_of(place, each.judge, mine.get(each.judge.name)),
                is_here=each.judge_id == current.judge_id,
            )
            for each in asked
        ),
        mine=mine.get(current.judge.name),
        draft=place.drafts.get(str(current.judge_id), {}),
        keys=focus.caps(desk.keys.keys),
        form=form or FeedbackForm(judge=current.judge),
        read_only=not session.is_running_for(place.reviewer.closes_at, timezone.now()),
        submission=secrets.token_hex(16),
        previous_address=focus.item_address(session.pk, pks[at - 1]) if at else "",
        next_address=focus.item_address(session.pk, pks[at + 1]) if at + 1 < len(pks) else "",
        about=about,
        about_text=_part_name(trace, about),
        span_answers=[
            (_part_name(trace, answer.span_id), answer)
            for answer in answers
            if answer.span_id and answer.name == current.judge.name
        ],
    )
    step.changes = _changes(user, step)
    tab = said.get("view", "")
    tab = tab if tab in TABS else "reading"
    content = {} if drawn is Drawn.AROUND else trace_content(trace, tab)
    reading = content.get("reading")
    if reading is not None and reading.is_empty:
        step.cannot_show = True
        content |= trace_content(trace, "raw")
    return Screen(
        batch=batch_of(
            session,
            lines,
            here=place,
            shown=said.get("show", ""),
            taken=taken_by_others(user, lines),
        )
        if lines and drawn is not Drawn.STEP
        else None,
        step=step,
        panel=_panel(step, trace),
        desk=desk,
        tab=tab,
        content=content,
        guideline=[] if drawn is Drawn.AROUND else _guideline(user, step),
    )


def _desk(user: User, session: FeedbackSession, *, with_lines: bool) -> Desk:
    preferences = Preferences.objects.filter(user=user).first() or Preferences()
    lines = own_batch(user, session) if with_lines else []
    return Desk(
        preferences=preferences,
        keys=KeyMap(changed=preferences.keys, characters=preferences.letter_keys),
        lines=lines,
        order=[line.pk for line in lines] or batch_order(user, session),
    )


def _guideline(user: User, step: Step) -> list[ValueWords]:
    """What the guideline says of each value, with the settled traces that stand for it."""
    if step.guideline is None:
        return []
    pinned = pinned_examples(step.judge, user=user, besides=step.assignment.item.trace)
    changed = step.changes.keys if step.changes else ()
    return value_words(step.judge, step.guideline, pinned=pinned, changed=changed)


def _asked(place: Assignment) -> list[SessionJudge]:
    """The judges to answer under: on an item to practise on, those under which it is settled."""
    asked = place.item.session.asked
    if not place.item.is_warm_up or len(asked) == 1:
        return asked
    settled = Label.objects.filter(trace=place.item.trace_id, judge__in=[s.judge_id for s in asked])
    known = set(settled.values_list("judge_id", flat=True))
    return [each for each in asked if each.judge_id in known] or asked[:1]


def _wanted(
    text: str, asked: list[SessionJudge], place: Assignment, mine: dict[str, Assessment]
) -> SessionJudge:
    if text:
        found = next((each for each in asked if str(each.judge_id) == text), None)
        if found is None:
            raise Http404("The session does not ask for this judge.")
        return found
    waiting = (
        each
        for each in asked
        if each.judge.name not in mine and not place.has_practised(each.judge_id)
    )
    return next(waiting, asked[0])


def _panel(step: Step, trace: Trace) -> Panel:
    if step.is_warm_up and step.state == "done":
        label = Label.objects.filter(trace=trace, judge=step.judge).first()
        said = Assessment.objects.human().filter(trace=trace, name=step.judge.name, span_id="")
        reasons = (
            list(
                said.filter(value_key=label.value_key)
                .exclude(rationale="")
                .order_by("pk")
                .values_list("rationale", flat=True)[:MOST_REASONS]
            )
            if label
            else []
        )
        return panel_of(step, label=label, reasons=reasons)
    if not sees_verdict(step):
        return panel_of(step)
    verdict = (
        verdicts_in_force(step.judge).filter(trace=trace).select_related("judge_version").first()
    )
    if verdict is not None and not verdict.error_text:
        step.verdict_key = verdict.value_key
    return panel_of(step, verdict=verdict)


def _changes(user: User, step: Step) -> focus.GuidelineChanges | None:
    """What is new in the guideline since the user's last answer by an older one."""
    guideline = step.guideline
    if guideline is None or guideline.number < 2:
        return None
    last = (
        Assessment.objects.filter(author=user, guideline__judge=step.judge, guideline__isnull=False)
        .exclude(assignment__item__session=step.assignment.item.session_id)
        .select_related("guideline")
        .order_by("-created_at", "-pk")
        .first()
    )
    if last is None or last.guideline is None or last.guideline.number >= guideline.number:
        return None
    return focus.guideline_changes(last.guideline, guideline)


def _part_name(trace: Trace, part: str) -> str:
    if not part:
        return ""
    if part.startswith(TURN):
        return f"turn {part.removeprefix(TURN)}"
    span = trace.spans.filter(span_id=part).only("name").first()
    return f"step {span.name}" if span else "a step"
