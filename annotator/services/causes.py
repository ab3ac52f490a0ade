"""Why answers differ: a person, the judge or the guideline, written down by whoever looked into it."""

from __future__ import annotations

from django.db import transaction
from django.utils import timezone

from annotator.models import Cause, DisagreementCause, Judge, Trace, User
from annotator.services import log
from annotator.services.disagreements import disagreement_of, opinions_of
from annotator.services.labels import lock_judge
from judges.answers import clean_text

NOTE_LENGTH = 2_000


class CauseError(ValueError):
    """The cause cannot be recorded; `field` says where on the form the remedy lies."""

    def __init__(self, message: str, *, field: str = "cause") -> None:
        super().__init__(message)
        self.field = field


def record_cause(
    *, actor: User, judge: Judge, trace: Trace, cause: str, note: str = ""
) -> DisagreementCause:
    """Write down why the answers on a trace differ; an earlier opinion is replaced and stays in the log.

    Raises:
        CauseError: when the actor may not settle, nothing differs, or the cause is none of the three.
    """
    note = clean_text(note).strip()
    if not judge.may_be_settled_by(actor):
        raise CauseError(
            "Only team leads, admins and the person named to settle this judge's labels can do that."
        )
    if cause not in Cause.values:
        raise CauseError(
            "Choose what the cause is: a person was wrong, the judge was wrong, or the guideline is unclear."
        )
    if len(note) > NOTE_LENGTH:
        raise CauseError(
            f"The note is longer than {NOTE_LENGTH:,} characters; shorten it.", field="note"
        )
    with transaction.atomic():
        lock_judge(judge)
        opinions = opinions_of(judge, traces=[trace.pk]).get(trace.pk)
        if opinions is None or disagreement_of(judge, opinions) is None:
            raise CauseError("The answers on this trace do not differ any more; reload the page.")
        earlier = DisagreementCause.objects.filter(judge=judge, trace=trace).first()
        before = {"cause": earlier.cause, "note": earlier.note} if earlier else None
        recorded, _ = DisagreementCause.objects.update_or_create(
            judge=judge,
            trace=trace,
            defaults={
                "cause": cause,
                "note": note,
                "situation": opinions.situation,
                "answered_by": None,
                "recorded_by": actor,
                "recorded_at": timezone.now(),
            },
        )
        log.record(
            actor=actor,
            action="named the cause of",
            target=recorded,
            team=judge.experiment.team,
            name=f"{judge.name} on {trace.trace_id}",
            before=before,
            after={"cause": cause, "note": note},
        )
    return recorded


def forget_cause(*, actor: User, cause: DisagreementCause) -> None:
    """Take a cause back, so that its trace waits for one again.

    Raises:
        CauseError: when the actor may not settle.
    """
    judge = cause.judge
    if not judge.may_be_settled_by(actor):
        raise CauseError(
            "Only team leads, admins and the person named to settle this judge's labels can do that."
        )
    with transaction.atomic():
        log.record(
            actor=actor,
            action="took back the cause of",
            target=cause,
            team=judge.experiment.team,
            name=f"{judge.name} on {cause.trace.trace_id}",
            before={"cause": cause.cause, "note": cause.note},
        )
        cause.delete()
