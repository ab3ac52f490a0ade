"""What programs change of whole traces: their tags, and whether they are here at all."""

from __future__ import annotations

from collections.abc import Collection
from datetime import datetime

from django.db import transaction

from annotator.models import Experiment, Trace, User
from annotator.services import log, span_facts
from annotator.services.attachments import delete_attachments
from annotator.services.trace_facts import store_facts

MOST_TAGS = 1000


class TagError(ValueError):
    """The tag cannot be set."""


def set_trace_tag(*, actor: User, trace: Trace, key: str, value: str) -> Trace:
    """Attach a tag to a trace, in place of the one with its key; no later span changes it.

    Raises:
        TagError: when the trace has very many tags already.
    """
    with transaction.atomic():
        trace = _locked(trace)
        before = trace.tags.get(key)
        if before is None and len(trace.tags) >= MOST_TAGS:
            raise TagError(f"A trace has at most {MOST_TAGS} tags; delete one first.")
        trace.tags = trace.tags | {key: value}
        span_facts.say(trace.guessed, "tags", {key: value})
        _save_tags(trace)
        _record(
            actor,
            trace,
            "tagged",
            before=None if before is None else {key: before},
            after={key: value},
        )
    return trace


def delete_trace_tag(*, actor: User, trace: Trace, key: str) -> bool:
    """Take a tag off a trace; False when there was none."""
    with transaction.atomic():
        trace = _locked(trace)
        if key not in trace.tags:
            return False
        before = {key: trace.tags[key]}
        trace.tags = {name: value for name, value in trace.tags.items() if name != key}
        _save_tags(trace)
        _record(actor, trace, "untagged", before=before)
    return True


def delete_traces(*, actor: User, experiment: Experiment, trace_ids: Collection[str]) -> int:
    """Delete traces of the experiment with all that belongs to them; how many there were."""
    return _delete(
        actor,
        experiment,
        list(
            Trace.objects.filter(experiment=experiment, trace_id__in=trace_ids).values_list(
                "pk", flat=True
            )
        ),
    )


def delete_old_traces(
    *, actor: User, experiment: Experiment, until: datetime, most: int | None
) -> int:
    """Delete the oldest traces of the experiment; how many there were.

    Args:
        until: The latest time that is deleted.
        most: How many at most; None for all.
    """
    old = Trace.objects.filter(experiment=experiment, requested_at__lte=until)
    pks = old.order_by("requested_at", "pk").values_list("pk", flat=True)
    return _delete(actor, experiment, list(pks if most is None else pks[:most]))


def _delete(actor: User, experiment: Experiment, pks: list[int]) -> int:
    chunk = 500
    deleted = 0
    for start in range(0, len(pks), chunk):
        with transaction.atomic():
            traces = list(Trace.objects.filter(pk__in=pks[start : start + chunk]).only("trace_id"))
            Trace.objects.filter(pk__in=[trace.pk for trace in traces]).delete()
            log.record(
                actor=actor,
                action="deleted traces of",
                target=experiment,
                team=experiment.team,
                name=experiment.name,
                before={"trace_ids": [trace.trace_id for trace in traces]},
            )
        for trace in traces:
            delete_attachments(team=experiment.team, trace_id=trace.trace_id)
        deleted += len(traces)
    return deleted


def _locked(trace: Trace) -> Trace:
    return (
        Trace.objects.select_for_update(of=("self",))
        .select_related("experiment__team")
        .get(pk=trace.pk)
    )


def _save_tags(trace: Trace) -> None:
    trace.save(update_fields=["tags", "guessed"])
    store_facts([trace])


def _record(
    actor: User, trace: Trace, action: str, *, before: object = None, after: object = None
) -> None:
    log.record(
        actor=actor,
        action=action,
        target=trace,
        team=trace.experiment.team,
        name=trace.trace_id,
        before=before,
        after=after,
    )
