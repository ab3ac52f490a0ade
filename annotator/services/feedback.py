"""People's feedback: given, corrected, withdrawn, restored. Nothing is ever deleted."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, NamedTuple

from django.db import transaction
from django.utils import timezone

from annotator.models import (
    Assessment,
    Assignment,
    GuidelineVersion,
    Judge,
    Kind,
    Source,
    Trace,
    User,
    Visibility,
)
from annotator.models.hidden import hidden_from
from annotator.models.people import Role
from annotator.services import log
from annotator.services.labels import (
    lock_judge,
    look_at_readiness_under_lock,
    refresh_label_under_lock,
)
from judges.answers import clean_text
from judges.values import InvalidValueError, Value, value_key

RATIONALE_LENGTH = 20_000
REASON_LENGTH = 500
TURN = "turn-"


class FeedbackError(ValueError):
    """The feedback cannot be taken; `field` says where on the form the remedy lies."""

    def __init__(self, message: str, *, field: str = "value") -> None:
        super().__init__(message)
        self.field = field


@dataclass(frozen=True, kw_only=True)
class Given:
    """How an answer was given.

    Attributes:
        guideline: The criteria that the person had before them.
        visibility: What of the verdict the person saw.
        assignment: The place in a session that it was given in.
        submission_id: Made by whoever sends it; the same one is stored once.
        shown_after: The answer after which the person was shown the verdict, withdrawn or not.
        metadata: What else came along, ready for JSON.
    """

    guideline: GuidelineVersion | None
    visibility: Visibility
    assignment: Assignment | None = None
    submission_id: str | None = None
    shown_after: Assessment | None = None
    metadata: dict[str, Any] = field(default_factory=dict)


def add_feedback(
    *,
    author: User,
    trace: Trace,
    judge: Judge,
    value: object | None = None,
    rationale: str = "",
    declined_reason: str = "",
    span_id: str = "",
    given: Given | None = None,
) -> Assessment:
    """Give feedback under the judge's name. A second one by the same person corrects the first.

    What corrects an answer that was given without sight of the verdict, once there is a verdict to see, points to that
    first answer.

    Args:
        value: What the judge's value type allows; None together with `declined_reason` ("cannot judge").
        span_id: The span it is about, or a turn of the conversation as `turn-3`; empty for the whole trace, which alone
            teaches.
        given: What a session knows of the answer; without it, what the trace's page shows is what the person saw.

    Raises:
        FeedbackError: when the value is none that the judge allows, both or neither of value and reason came, or
            the trace has no such span.
    """
    span_id, rationale = clean_text(span_id), clean_text(rationale).strip()
    declined_reason = clean_text(declined_reason).strip()
    if isinstance(value, str):
        value = clean_text(value).strip()
    _check_lengths(value, rationale, declined_reason)
    if trace.experiment_id != judge.experiment_id:
        raise FeedbackError(f"The judge {judge.name} does not belong to this trace's experiment.")
    if span_id and not _has_part(trace, span_id):
        raise FeedbackError(
            "There is no such step in this trace; reload the page.", field="span_id"
        )
    with transaction.atomic():
        # Two tabs of one person queue up here, so that each correction supersedes exactly one answer.
        lock_judge(judge)
        parsed = None if declined_reason else _parsed(judge, value)
        if declined_reason and value not in (None, ""):
            raise FeedbackError("Choose a value or say that it cannot be judged, not both.")
        said = _said(trace.pk, judge.name)
        has_verdict = any(each.source_type == Source.LLM_JUDGE for each in said)
        superseded = _supersede(
            [each for each in said if each.is_by(author.username, author.pk, span_id)]
        )
        if given is None:
            is_hidden = (trace.pk, judge.name) in hidden_from(author, traces=[trace.pk])
            given = Given(
                guideline=judge.guideline,
                visibility=Visibility.OPEN if has_verdict and not is_hidden else Visibility.BLIND,
            )
        feedback = Assessment.objects.create(
            trace=trace,
            span_id=span_id,
            name=judge.name,
            source_type=Source.HUMAN,
            source_id=author.username,
            author=author,
            value=parsed,
            value_key="" if parsed is None else value_key(parsed)[:250],
            declined_reason=declined_reason,
            rationale=rationale,
            overrides=superseded,
            first_answer=_first_answer(given.shown_after or superseded) if has_verdict else None,
            guideline=given.guideline,
            visibility=given.visibility,
            assignment=given.assignment,
            submission_id=given.submission_id,
            metadata=given.metadata,
        )
        _after_change(
            actor=author,
            action="corrected" if superseded else "gave",
            feedback=feedback,
            judge=judge,
            before=_summary(superseded) if superseded else None,
            after=_summary(feedback),
        )
    return feedback


def withdraw_feedback(*, author: User, assessment: Assessment) -> Assessment:
    """Take feedback back: it stays in the history and no longer votes.

    Raises:
        FeedbackError: when it is somebody else's and the author is no admin, or is not in force any more.
    """
    judge = _judge_of(assessment)
    _check_owner(author, assessment)
    with transaction.atomic():
        lock_judge(judge)
        changed = Assessment.objects.filter(pk=assessment.pk, valid=True).update(
            valid=False, withdrawn_at=timezone.now(), updated_at=timezone.now()
        )
        if not changed:
            raise FeedbackError("This feedback was already corrected or deleted; reload the page.")
        assessment.refresh_from_db()
        _after_change(
            actor=author,
            action="withdrew",
            feedback=assessment,
            judge=judge,
            before=_summary(assessment),
        )
    return assessment


def restore_feedback(*, author: User, assessment: Assessment) -> Assessment:
    """Put withdrawn feedback back in force.

    Raises:
        FeedbackError: when it was not withdrawn, or other feedback by its giver is in force.
    """
    judge = _judge_of(assessment)
    _check_owner(author, assessment)
    with transaction.atomic():
        lock_judge(judge)
        giver = assessment.source_id, assessment.author_id, assessment.span_id
        said = _said(assessment.trace_id, assessment.name)
        if any(each.is_by(*giver) and each.pk != assessment.pk for each in said):
            raise FeedbackError(
                "There is newer feedback by the same person; delete that one first."
            )
        changed = Assessment.objects.filter(
            pk=assessment.pk, valid=False, withdrawn_at__isnull=False
        ).update(valid=True, withdrawn_at=None, updated_at=timezone.now())
        if not changed:
            raise FeedbackError("Only deleted feedback can be restored; reload the page.")
        assessment.refresh_from_db()
        _after_change(
            actor=author,
            action="restored",
            feedback=assessment,
            judge=judge,
            after=_summary(assessment),
        )
    return assessment


def _parsed(judge: Judge, value: object | None) -> Value:
    if value in (None, ""):
        raise FeedbackError(f"Choose a value first: {judge.value_type.describe()}.")
    try:
        return judge.value_type.parse(value)
    except InvalidValueError as error:
        raise FeedbackError(f"{error}.") from None


class _Said(NamedTuple):
    """Feedback in force by a person or a judge, as far as it matters to the next one."""

    pk: int
    source_type: str
    span_id: str
    source_id: str
    author: int | None

    def is_by(self, source_id: str, author: int | None, span_id: str) -> bool:
        """Whether a person gave it on that part, here or imported under their name, also under one they had before."""
        is_same = self.source_id == source_id or (author is not None and self.author == author)
        return self.source_type == Source.HUMAN and self.span_id == span_id and is_same


def _said(trace: int, name: str) -> list[_Said]:
    """Everything in force under a name on a trace: one narrow query, because every answer asks it."""
    rows = Assessment.objects.valid().filter(kind=Kind.FEEDBACK, trace=trace, name=name)
    columns = ("pk", "source_type", "span_id", "source_id", "author")
    return [_Said(*row) for row in rows.values_list(*columns)]


def _supersede(earlier: list[_Said]) -> Assessment | None:
    """Put a person's earlier answers out of force; the newest of them."""
    if not earlier:
        return None
    answers = Assessment.objects.filter(pk__in=[each.pk for each in earlier])
    newest = answers.order_by("-created_at", "-pk").first()
    answers.update(valid=False, updated_at=timezone.now())
    return newest


def _first_answer(earlier: Assessment | None) -> Assessment | None:
    """What the person had said before the verdict was to be seen; None when it was open from the beginning."""
    if earlier is None or earlier.visibility not in (Visibility.BLIND, Visibility.REVEALED):
        return None
    return earlier.first_answer or earlier


def _after_change(
    *,
    actor: User,
    action: str,
    feedback: Assessment,
    judge: Judge,
    before: object = None,
    after: object = None,
) -> None:
    refresh_label_under_lock(trace=feedback.trace, judge=judge)
    log.record(
        actor=actor,
        action=action,
        target=feedback,
        team=judge.experiment.team,
        name=f"{judge.name} on {feedback.trace.trace_id}",
        before=before,
        after=after,
    )
    look_at_readiness_under_lock(judge)


def _judge_of(assessment: Assessment) -> Judge:
    judge = Judge.objects.filter(
        experiment=assessment.trace.experiment_id, name=assessment.name
    ).first()
    is_human = assessment.source_type == Source.HUMAN and assessment.kind == Kind.FEEDBACK
    if judge is None or not is_human:
        raise FeedbackError("This is not feedback by a person under a judge's name.")
    return judge


def _check_owner(author: User, assessment: Assessment) -> None:
    team = assessment.trace.experiment.team_id
    if assessment.author_id != author.pk and not author.has_role(team, Role.ADMIN):
        raise FeedbackError("Only the person who gave it, or an admin, can do that.")


def _has_part(trace: Trace, part: str) -> bool:
    turn = part.removeprefix(TURN)
    if part.startswith(TURN) and turn.isdecimal() and len(turn) < 7:
        return 1 <= int(turn) <= len(trace.messages)
    return trace.spans.filter(span_id=part).exists()


def _check_lengths(value: object, rationale: str, declined_reason: str) -> None:
    if isinstance(value, str) and len(value) > RATIONALE_LENGTH:
        raise FeedbackError(
            f"The answer is longer than {RATIONALE_LENGTH:,} characters; shorten it."
        )
    if len(rationale) > RATIONALE_LENGTH:
        raise FeedbackError(
            f"The reason is longer than {RATIONALE_LENGTH:,} characters; shorten it.",
            field="rationale",
        )
    if len(declined_reason) > REASON_LENGTH:
        raise FeedbackError(
            f"Say in at most {REASON_LENGTH} characters why it cannot be judged.",
            field="declined_reason",
        )


def _summary(feedback: Assessment) -> dict[str, object]:
    return {
        "value": feedback.value,
        "rationale": feedback.rationale,
        "cannot_judge": feedback.declined_reason,
    }
