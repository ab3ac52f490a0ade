"""Answers given in a session: stored once however often they are sent, never refused for being late."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any

from django.db import transaction
from django.utils import timezone

from annotator.models import (
    PRACTISED,
    RUNNING,
    Assessment,
    Assignment,
    AssignmentState,
    Judge,
    Label,
    RationaleRule,
    SessionStatus,
    Trace,
    User,
    Visibility,
)
from annotator.models.search import verdicts_in_force
from annotator.services.assignments import record
from annotator.services.feedback import FeedbackError, Given, add_feedback, withdraw_feedback
from annotator.services.places import finish, is_complete, lock_item, look_at_item, note, store
from annotator.services.session_checks import SessionError
from judges.answers import clean_text
from judges.values import InvalidValueError, value_key

LONGEST_ID = 64
LONGEST_EXPECTED = 5_000


class Outcome(StrEnum):
    """What became of an answer.

    SUBMITTED: it is the answer under this judge's name. EDITED: it corrects an earlier one. EXTRA: it was kept as feedback,
    and counts for nothing in the session, because others had filled the place or the session was over. REPEATED: the same
    submission had arrived before. NEEDS_REASON: it was kept; now that the verdict is shown, a reason is still to be given.
    WARM_UP: it was to practise on, and is nobody's feedback.
    """

    SUBMITTED = "SUBMITTED"
    EDITED = "EDITED"
    EXTRA = "EXTRA"
    REPEATED = "REPEATED"
    NEEDS_REASON = "NEEDS_REASON"
    WARM_UP = "WARM_UP"


@dataclass(frozen=True, kw_only=True)
class Submitted:
    """An answer that was taken.

    Attributes:
        outcome: What became of it.
        assignment: The person's place, as it is now.
        assessment: The feedback that was stored now; None for a warm-up item and a repeated answer.
        hold_ended_at: When the hold on the item had ended before the answer came; None when it had not.
        settled: For a warm-up item, the label it has and the reasons people gave.
    """

    outcome: Outcome
    assignment: Assignment
    assessment: Assessment | None = None
    hold_ended_at: datetime | None = None
    settled: Label | None = None


def submit(
    *,
    user: User,
    assignment: Assignment,
    judge: Judge,
    submission_id: str,
    value: object | None = None,
    rationale: str = "",
    declined_reason: str = "",
    span_id: str = "",
    confidence: str = "",
    expected: str = "",
    seconds: int = 0,
    now: datetime | None = None,
) -> Submitted:
    """Take an answer under one judge's name. The item is done when there is one under each judge's.

    An answer that comes after the hold was lost, after the item was taken away or after the session's end is kept. Where
    others have filled the item's places by then it is extra.

    Args:
        submission_id: Made once by whoever sends the answer; sending it again stores nothing more.
        span_id: The step it is about; such an answer comes on top of the one on the whole trace.
        confidence: How sure the person is, in a word.
        expected: What the application should have said.
        seconds: Time spent on it since the last beat.

    Raises:
        SessionError: when the place is not the user's or the session has not begun.
        FeedbackError: when the answer itself cannot be taken; `field` says what to mend.
    """
    now = now or timezone.now()
    _check_request(user, assignment, submission_id)
    extras = _extras(confidence, expected)
    with transaction.atomic():
        lock_item(assignment)
        if _is_repeated(user, assignment, submission_id):
            return Submitted(outcome=Outcome.REPEATED, assignment=assignment)
        session_judges = assignment.item.session.asked
        asked = next((each for each in session_judges if each.judge_id == judge.pk), None)
        if asked is None:
            raise SessionError(f"This session does not ask for the judge {judge.name}.")
        ended_at = _hold_ended_at(assignment, now)
        if assignment.item.is_warm_up:
            return _practise(assignment, asked.judge, value, rationale, seconds, now)
        # Nothing was said yet of an item that is still to do.
        is_new = bool(span_id) or assignment.state == AssignmentState.TODO
        had = None if is_new else _valid_answer(assignment, asked.judge)
        owes_reason = _check_reason(assignment, asked.judge, had, value, rationale, span_id)
        feedback = add_feedback(
            author=user,
            trace=assignment.item.trace,
            judge=asked.judge,
            value=value,
            rationale=rationale,
            declined_reason=declined_reason,
            span_id=span_id,
            given=Given(
                guideline=asked.guideline,
                visibility=Visibility(assignment.item.session.visibility),
                assignment=assignment,
                submission_id=submission_id,
                shown_after=_shown_after(assignment, asked.judge, span_id),
                metadata=extras,
            ),
        )
        was_done = assignment.state == AssignmentState.DONE
        note(assignment, asked.judge, span_id=span_id)
        others = None
        if not span_id and not owes_reason and is_complete(assignment, session_judges):
            others = finish(assignment, now)
        store(assignment, seconds)
        if others is not None and not assignment.is_extra:
            look_at_item(assignment.item, others, now, has_lost_place=ended_at is not None)
        if span_id:
            return Submitted(outcome=Outcome.SUBMITTED, assignment=assignment, assessment=feedback)
        if owes_reason:
            outcome = Outcome.NEEDS_REASON
        elif assignment.is_extra:
            outcome = Outcome.EXTRA
        else:
            outcome = Outcome.EDITED if was_done or had else Outcome.SUBMITTED
    return Submitted(
        outcome=outcome, assignment=assignment, assessment=feedback, hold_ended_at=ended_at
    )


def undo(
    *, user: User, assignment: Assignment, judge: Judge | None = None, now: datetime | None = None
) -> None:
    """Take the last answer on an item back: it stays in the history, and the item waits again with the answer as its draft.

    Raises:
        SessionError: when there is nothing to undo, or the session does not run any more.
    """
    now = now or timezone.now()
    if assignment.reviewer.user_id != user.pk:
        raise SessionError("This item is in somebody else's batch.")
    with transaction.atomic():
        lock_item(assignment)
        session = assignment.item.session
        if not session.is_running_for(assignment.reviewer.closes_at, now):
            raise SessionError(f"“{session.name}” is over; answers can no longer be undone in it.")
        given = Assessment.objects.human().filter(assignment=assignment, span_id="", author=user)
        if judge is not None:
            given = given.filter(name=judge.name)
        last = given.select_related("trace__experiment").order_by("-created_at", "-pk").first()
        if last is None and not assignment.item.is_warm_up:
            raise SessionError("There is no answer to undo here.")
        drafts = dict(assignment.drafts)
        if last is not None:
            withdraw_feedback(author=user, assessment=last)
            of_judge = next((each for each in session.asked if each.judge.name == last.name), None)
            if of_judge is not None:
                drafts[str(of_judge.judge_id)] = {
                    "value": last.value_key,
                    "rationale": last.rationale,
                    "decline_text": last.declined_reason,
                }
        assignment.drafts = {
            key: {name: each for name, each in texts.items() if name != PRACTISED}
            for key, texts in drafts.items()
            if texts
        }
        assignment.state = AssignmentState.DRAFT
        assignment.submitted_at, assignment.is_extra = None, False
        assignment.drafted_at = now
        assignment.save(update_fields=["drafts", "state", "submitted_at", "is_extra", "drafted_at"])
        record(user, "undid", assignment)


def place_for(*, user: User, trace: Trace, judge: Judge) -> Assignment | None:
    """The user's place in a running session that asks for this judge on this trace and has no answer yet.

    Somebody who comes to the trace by another way answers there too.
    """
    return (
        Assignment.objects.of(user)
        .filter(
            item__trace=trace,
            item__is_warm_up=False,
            item__session__status__in=RUNNING,
            item__session__session_judges__judge=judge,
        )
        .exclude(state=AssignmentState.DONE)
        .select_related("item__session", "reviewer")
        .order_by("pk")
        .first()
    )


# --- The answer


def _check_request(user: User, assignment: Assignment, submission_id: str) -> None:
    if assignment.reviewer.user_id != user.pk:
        raise SessionError("This item is in somebody else's batch.")
    if not submission_id or len(submission_id) > LONGEST_ID:
        raise SessionError("The page sent no number for this answer; reload it and submit again.")
    session = assignment.item.session
    if session.status in (SessionStatus.DRAFT, SessionStatus.SCHEDULED):
        raise SessionError(f"“{session.name}” has not begun yet.")


def _extras(confidence: str, expected: str) -> dict[str, Any]:
    expected = clean_text(expected).strip()
    if len(expected) > LONGEST_EXPECTED:
        raise FeedbackError(
            f"What it should have said is longer than {LONGEST_EXPECTED:,} characters; shorten it.",
            field="expected",
        )
    found = {"confidence": clean_text(confidence).strip()[:40], "expected": expected}
    return {name: text for name, text in found.items() if text}


def _is_repeated(user: User, assignment: Assignment, submission_id: str) -> bool:
    """Whether the same answer is stored already."""
    stored = Assessment.objects.filter(submission_id=submission_id)
    owner = stored.values_list("author", "assignment").first()
    if owner not in (None, (user.pk, assignment.pk)):
        raise SessionError("This answer's number was used for another one; submit it again.")
    return owner is not None


def _hold_ended_at(assignment: Assignment, now: datetime) -> datetime | None:
    if assignment.state == AssignmentState.DONE:
        return None
    if assignment.given_back_at is not None:
        return assignment.given_back_at
    until = assignment.lease_until
    return until if until is not None and until < now else None


def _valid_answer(assignment: Assignment, judge: Judge) -> Assessment | None:
    return (
        Assessment.objects.human()
        .filter(assignment=assignment, name=judge.name, span_id="")
        .order_by("-pk")
        .first()
    )


def _shown_after(assignment: Assignment, judge: Judge, span_id: str) -> Assessment | None:
    """In a session that reveals the verdict, the first answer in it: the verdict was shown right after, undone or not."""
    if assignment.item.session.visibility != Visibility.REVEALED or span_id:
        return None
    given = Assessment.objects.filter(assignment=assignment, name=judge.name, span_id="")
    return given.order_by("created_at", "pk").first()


def _check_reason(
    assignment: Assignment,
    judge: Judge,
    had: Assessment | None,
    value: object | None,
    rationale: str,
    span_id: str,
) -> bool:
    """Whether a reason is still owed once the verdict is shown; refuses where it is owed already."""
    session = assignment.item.session
    if rationale.strip() or span_id or value in (None, ""):
        return False
    if session.rationale_rule == RationaleRule.ALWAYS:
        raise FeedbackError("Give your reason in a sentence.", field="rationale")
    if session.rationale_rule != RationaleRule.ON_DISAGREEMENT:
        return False
    verdict = verdicts_in_force(judge).filter(trace=assignment.item.trace_id).first()
    try:
        agrees = verdict is None or verdict.value_key in (
            "",
            value_key(judge.value_type.parse(value))[:250],
        )
    except InvalidValueError:
        return False  # it is refused for that
    if agrees:
        return False
    if session.visibility == Visibility.REVEALED and had is None:
        return True
    raise FeedbackError(
        "Your answer differs from the judge's; give your reason in a sentence.", field="rationale"
    )


def _practise(
    assignment: Assignment,
    judge: Judge,
    value: object | None,
    rationale: str,
    seconds: int,
    now: datetime,
) -> Submitted:
    try:
        parsed = judge.value_type.parse(value)
    except InvalidValueError as error:
        raise FeedbackError(f"{error}.") from None
    assignment.drafts = {
        **assignment.drafts,
        str(judge.pk): {
            "value": value_key(parsed),
            "rationale": clean_text(rationale)[:20_000],
            PRACTISED: "yes",
        },
    }
    asked = [each.judge_id for each in assignment.item.session.asked]
    settled = {
        label.judge_id: label
        for label in Label.objects.filter(trace=assignment.item.trace_id, judge__in=asked)
    }
    if all(assignment.has_practised(pk) for pk in settled):
        assignment.state, assignment.submitted_at = AssignmentState.DONE, now
        assignment.lease_until = None
    else:
        assignment.state = AssignmentState.DRAFT
    assignment.save(update_fields=["drafts", "state", "submitted_at", "lease_until"])
    return Submitted(outcome=Outcome.WARM_UP, assignment=assignment, settled=settled.get(judge.pk))
