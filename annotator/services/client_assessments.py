"""Assessments that programs send: taken as the product's own, changed and taken back.

A person's feedback teaches the judge whose name it bears, a judge's is a verdict, a program's is neither. Feedback that
is taken back or superseded stays in the history.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from datetime import timedelta
from typing import Any

from django.db import transaction
from django.db.models import Q
from django.utils import timezone

from annotator.models import Assessment, Judge, Kind, Membership, Role, Source, Trace, User
from annotator.models.feedback import AssessmentQuerySet, new_assessment_id
from annotator.models.hidden import visible_assessments
from annotator.records import AssessmentChange, AssessmentDraft
from annotator.services import log
from annotator.services.labels import lock_judge, look_at_readiness, refresh_label
from judges.values import value_key

MOST_PER_TRACE = 10_000
_KEY_LENGTH = 250
_CONTENT = (
    *("name", "source_type", "source_id", "value", "value_key", "is_serialized", "rationale"),
    *("error_kind", "error_text", "error_stack", "metadata", "span_id"),
)


class AssessmentError(ValueError):
    """The assessment cannot be taken or changed so."""


class NoSuchAssessmentError(AssessmentError):
    """There is none of that id on the trace, or the user must not see it (yet)."""


class NotYoursError(AssessmentError):
    """It speaks for somebody else, which only that person's team leads may do."""


def take_assessments(
    *, actor: User, trace: Trace, drafts: Sequence[AssessmentDraft]
) -> list[Assessment]:
    """Take what a program says of a trace, all or nothing. Sending it again changes nothing.

    A draft with the id of an assessment that is here changes that one. A person's second feedback under a name puts
    their first out of force.

    Args:
        actor: The person whose program it is.
        trace: A trace of a team of the actor, loaded with its experiment.
        drafts: In the order they were made.

    Returns:
        A row for each draft.

    Raises:
        AssessmentError: when an id is taken by another trace, what one overrides is not there, or one speaks for a
            colleague.
    """
    if not drafts:
        return []
    with transaction.atomic():
        judges = _locked_judges(trace, {draft.name for draft in drafts})
        rows = [_take(actor, trace, draft, judges.get(draft.name)) for draft in drafts]
        if Assessment.objects.filter(trace=trace).count() > MOST_PER_TRACE:
            raise AssessmentError(f"A trace has at most {MOST_PER_TRACE:,} assessments.")
        _settle(trace, judges.values(), rows)
    return rows


def change_assessment(
    *, actor: User, trace: Trace, assessment_id: str, change: AssessmentChange
) -> Assessment:
    """Change an assessment in place; the activity log keeps what it said before.

    Raises:
        NoSuchAssessmentError: when there is none.
        AssessmentError: when the new value is of the other kind, or it is somebody else's.
    """
    with transaction.atomic():
        row = find_assessment(actor=actor, trace=trace, assessment_id=assessment_id)
        judges = _locked_judges(trace, {row.name, change.name or row.name})
        row.refresh_from_db()
        _check_may_speak_for(actor, trace, row.source_type, row.source_id, row.author_id)
        if change.draft is not None and change.draft.kind != row.kind:
            raise AssessmentError(
                f"It is {'an expectation' if row.kind == Kind.EXPECTATION else 'feedback'}; "
                "the value of the other kind cannot be put in its place."
            )
        before = _summary(row)
        if change.name is not None:
            row.name = change.name
        if change.draft is not None:
            for name, value in _value_columns(change.draft).items():
                setattr(row, name, value)
            row.declined_reason = ""
        if change.rationale is not None:
            row.rationale = change.rationale
        if change.metadata is not None:
            row.metadata = {**row.metadata, **change.metadata}
        if change.valid is not None:
            row.valid = change.valid
        _make_room(row)
        row.updated_at = _later_than(row)
        row.save()
        _record(actor, trace, row, "corrected", before=before, after=_summary(row))
        _settle(trace, judges.values(), [row])
    return row


def take_back_assessment(*, actor: User, trace: Trace, assessment_id: str) -> bool:
    """Take an assessment back: programs see it no more, the history keeps it. What it overrode is in force again.

    Returns:
        False when there was none.

    Raises:
        NotYoursError: when it is somebody else's.
    """
    with transaction.atomic():
        try:
            row = find_assessment(actor=actor, trace=trace, assessment_id=assessment_id)
        except NoSuchAssessmentError:
            return False
        judges = _locked_judges(trace, {row.name})
        row.refresh_from_db()
        _check_may_speak_for(actor, trace, row.source_type, row.source_id, row.author_id)
        was_valid, row.valid, row.withdrawn_at = row.valid, False, timezone.now()
        row.save(update_fields=["valid", "withdrawn_at"])
        earlier = row.overrides
        if was_valid and earlier is not None and earlier.withdrawn_at is None:
            earlier.valid = True
            if not _rivals(earlier).exists():
                earlier.save(update_fields=["valid"])
        _record(actor, trace, row, "withdrew", before=_summary(row))
        _settle(trace, judges.values(), [row])
    return True


def find_assessment(*, actor: User, trace: Trace, assessment_id: str) -> Assessment:
    """An assessment of the trace that the actor may see.

    Raises:
        NoSuchAssessmentError: when there is none.
    """
    rows = visible_assessments(actor, traces=[trace.pk]).filter(withdrawn_at=None)
    row = (
        rows.select_related("judge_version", "overrides")
        .filter(assessment_id=assessment_id)
        .first()
    )
    if row is None:
        raise NoSuchAssessmentError(
            f"Assessment with ID '{assessment_id}' not found for trace '{trace.trace_id}'"
        )
    return row


def _take(actor: User, trace: Trace, draft: AssessmentDraft, judge: Judge | None) -> Assessment:
    known = _known(trace, draft)
    if known is not None and _says_the_same(known, draft):
        return known
    _check_may_speak_for(
        actor, trace, draft.source_type, draft.source_id, known.author_id if known else None
    )
    row = known or Assessment(trace=trace, kind=draft.kind)
    before = _summary(known) if known else None
    if known is not None and known.kind != draft.kind:
        raise AssessmentError(f"'{draft.assessment_id}' is an assessment of the other kind.")
    for name, value in _columns(draft).items():
        setattr(row, name, value)
    if known is None:
        now = timezone.now()
        row.assessment_id = draft.assessment_id or new_assessment_id()
        row.valid = draft.valid
        row.created_at = draft.created_at or now
        row.updated_at = draft.updated_at or row.created_at
        row.author = actor if is_self(actor, draft.source_type, draft.source_id) else None
        row.guideline = judge.guideline if judge and _teaches(row) else None
    else:
        row.updated_at = _later_than(row)
    if draft.overrides:
        row.overrides = _overridden(actor, trace, draft.overrides)
    superseded = _make_room(row)
    if row.overrides is None:
        row.overrides = superseded
    row.save()
    if _teaches(row):
        action = "gave" if before is None and row.overrides is None else "corrected"
        _record(actor, trace, row, action, before=before, after=_summary(row))
    return row


def _known(trace: Trace, draft: AssessmentDraft) -> Assessment | None:
    """The row that the draft was sent for before: the one of its id, or without one, the one that says the same."""
    if draft.assessment_id:
        row = Assessment.objects.filter(assessment_id=draft.assessment_id).first()
        if row is not None and row.trace_id != trace.pk:
            raise AssessmentError(
                f"The assessment id '{draft.assessment_id}' is taken; leave it out and one is made."
            )
        return row
    if draft.created_at is None:
        return None
    twins = Assessment.objects.filter(
        trace=trace,
        kind=draft.kind,
        name=draft.name,
        source_type=draft.source_type,
        source_id=draft.source_id,
        created_at=draft.created_at,
    )
    return next((row for row in twins.order_by("pk") if _says_the_same(row, draft)), None)


def _says_the_same(row: Assessment, draft: AssessmentDraft) -> bool:
    columns = _columns(draft)
    return all(json.dumps(getattr(row, name)) == json.dumps(columns[name]) for name in _CONTENT)


def _columns(draft: AssessmentDraft) -> dict[str, Any]:
    return {
        "name": draft.name,
        "source_type": draft.source_type,
        "source_id": draft.source_id,
        "span_id": draft.span_id,
        "rationale": draft.rationale,
        "metadata": draft.metadata,
        **_value_columns(draft),
    }


def _value_columns(draft: AssessmentDraft) -> dict[str, Any]:
    return {
        "value": draft.value,
        "value_key": _key_of(draft.value),
        "is_serialized": draft.is_serialized,
        "error_kind": draft.error_code,
        "error_text": draft.error_message,
        "error_stack": draft.error_stack,
    }


def _key_of(value: Any) -> str:
    """What the value is found by; of lists and objects, their JSON text."""
    if value is None:
        return ""
    text = json.dumps(value) if isinstance(value, (list, dict)) else value_key(value)
    return text.replace("\x00", "")[:_KEY_LENGTH]


def is_self(actor: User, source_type: str, source_id: str) -> bool:
    """Whether a source is the actor: by user name, or by e-mail address."""
    return source_type == Source.HUMAN and (
        source_id == actor.username
        or (bool(actor.email) and source_id.casefold() == actor.email.casefold())
    )


def _check_may_speak_for(
    actor: User, trace: Trace, source_type: str, source_id: str, author: int | None
) -> None:
    """Programs may say what users of the application think, but not what a colleague does, unless a lead's does."""
    if source_type != Source.HUMAN or actor.pk == author or is_self(actor, source_type, source_id):
        return
    team = trace.experiment.team_id
    if actor.has_role(team, Role.LEAD):
        return
    colleague = Q(user__username=source_id) | Q(user__email__iexact=source_id, user__email__gt="")
    if author is not None or Membership.objects.filter(colleague, team=team).exists():
        raise NotYoursError(
            f"“{source_id}” is a member of the team; only their own token, or a lead's, can speak for them."
        )


def _overridden(actor: User, trace: Trace, assessment_id: str) -> Assessment:
    """The assessment that another one takes the place of, put out of force."""
    target = find_assessment(actor=actor, trace=trace, assessment_id=assessment_id)
    _check_may_speak_for(actor, trace, target.source_type, target.source_id, target.author_id)
    # A verdict stays in force for us when a person corrects it: a trace teaches by having both. Programs are told that
    # it is overridden; see `overridden_pks`.
    if target.source_type != Source.LLM_JUDGE and target.valid:
        Assessment.objects.filter(pk=target.pk).update(valid=False)
        target.valid = False
    return target


def overridden_pks(rows: Iterable[Assessment]) -> set[int]:
    """The primary keys that assessments in force among the rows take the place of."""
    return {row.overrides_id for row in rows if row.valid and row.overrides_id is not None}


def _make_room(row: Assessment) -> Assessment | None:
    """Put the person's other feedback under this name out of force; the newest of it, if there was any."""
    if not (row.valid and _teaches(row)):
        return None
    rivals = _rivals(row)
    superseded = rivals.order_by("-created_at", "-pk").first()
    rivals.update(valid=False)
    return superseded


def _rivals(row: Assessment) -> AssessmentQuerySet:
    """Other feedback in force of the same person under the same name on the same thing."""
    if not _teaches(row):
        return Assessment.objects.none()
    person = Q(source_id=row.source_id)
    if row.author_id is not None:
        person |= Q(author=row.author_id)
    return (
        Assessment.objects.human()
        .filter(person, trace=row.trace_id, span_id=row.span_id, name=row.name)
        .exclude(pk=row.pk)
    )


def _teaches(row: Assessment) -> bool:
    return row.kind == Kind.FEEDBACK and row.source_type == Source.HUMAN


def _later_than(row: Assessment) -> Any:
    """Now, or a millisecond after the last change: clients see by this time that something has changed."""
    return max(timezone.now(), row.updated_at + timedelta(milliseconds=1))


def _locked_judges(trace: Trace, names: set[str]) -> dict[str, Judge]:
    """The judges of these names; they and the trace are held by this transaction, always in the same order."""
    # Two programs that say something of one trace at once do it one after the other, also where there is no judge.
    Trace.objects.select_for_update(no_key=True).values_list("pk").get(pk=trace.pk)
    judges = Judge.objects.filter(experiment=trace.experiment_id, name__in=names).order_by("pk")
    found = {judge.name: judge for judge in judges}
    for judge in found.values():
        lock_judge(judge)
    return found


def _settle(trace: Trace, judges: Iterable[Judge], rows: Sequence[Assessment]) -> None:
    """Bring labels and readiness up to date with what was said under the judges' names."""
    touched = {row.name for row in rows if row.source_type != Source.CODE}
    is_human = any(_teaches(row) for row in rows)
    for judge in judges:
        if is_human:
            refresh_label(trace=trace, judge=judge)
        if is_human or judge.name in touched:
            look_at_readiness(judge)


def _summary(row: Assessment) -> dict[str, object]:
    return {
        "value": row.value,
        "rationale": row.rationale,
        "name": row.name,
        "source": row.source_id,
    }


def _record(
    actor: User,
    trace: Trace,
    row: Assessment,
    action: str,
    *,
    before: object = None,
    after: object = None,
) -> None:
    log.record(
        actor=actor,
        action=action,
        target=row,
        team=trace.experiment.team,
        name=f"{row.name} on {trace.trace_id}",
        before=before,
        after=after,
    )
