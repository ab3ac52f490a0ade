"""The disagreement workbench: where people and the judge differ, each row to end in one of three causes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from django.contrib import messages
from django.http import HttpResponse, HttpResponseRedirect, QueryDict
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import reverse
from django.views.decorators.http import require_POST, require_safe

from annotator.http import AuthedRequest
from annotator.models import Cause, DisagreementCause, FeedbackSession, Judge, Trace
from annotator.permissions import require_settler
from annotator.presenters.disagreements import (
    clusters_of,
    totals_of,
    workbench_rows,
)
from annotator.presenters.visibility import visibility_view
from annotator.services.causes import CauseError, forget_cause, record_cause
from annotator.services.disagreements import DisagreementRow, disagreements_in
from annotator.services.first_answers import split_agreement
from annotator.views.disagreement_filter import (
    ALL,
    KINDS,
    STATES,
    WAITING,
    DisagreementFilter,
    Tags,
    pair_of,
)
from annotator.views.judges import get_judge, judge_context, kept_figures

PAGE_SIZE = 30
CHUNK = 30_000  # as many as SQLite takes in one question


@require_safe
def judge_disagreements(request: AuthedRequest, pk: int) -> HttpResponse:
    """Every disagreement under the judge's name, the costliest first, with clusters of those that look alike."""
    judge = get_judge(request, pk)
    listed = filter_of(request.GET, request, judge)
    kept = kept_figures(judge)
    every = disagreements_in(judge, user=request.user, session=listed.session, kept=kept)
    tags = tags_of(every)
    rows = [row for row in every if listed.lets_through(row, tags)]
    rest = rows_after(rows, request.GET.get("after", ""))
    page = rest[:PAGE_SIZE]
    may_settle = judge.may_be_settled_by(request.user)
    ctx = {
        **judge_context(request, judge, tab="disagreements", kept=kept),
        "rows": workbench_rows(judge, page),
        "total": len(rows),
        "next": place_of(page[-1]) if len(rest) > PAGE_SIZE else "",
        "filter": listed,
        "list_query": listed.to_query(),
        "may_settle": may_settle,
        # The agreement of a single blind answer would tell its giver the verdict.
        **(_in_session(judge, listed.session) if listed.session and may_settle else {}),
        **_ways_to_look(listed, every, tags),
    }
    return render(request, "disagreements/list.html", ctx)


@require_POST
def disagreement_cause(request: AuthedRequest, pk: int, trace_id: str) -> HttpResponse:
    """Record why the answers on a trace differ, or take it back; an unclear guideline leads on to its editor."""
    judge = get_judge(request, pk)
    require_settler(request.user, judge)
    trace = get_object_or_404(judge.experiment.traces, trace_id=trace_id)
    listed = filter_of(QueryDict(request.POST.get("list", "")), request, judge)
    back = f"{reverse('judge-disagreements', args=[pk])}?{listed.to_query()}"
    try:
        if request.POST.get("cause"):
            recorded = record_cause(
                actor=request.user,
                judge=judge,
                trace=trace,
                cause=request.POST["cause"],
                note=request.POST.get("note", ""),
            )
            if recorded.cause == Cause.GUIDELINE:
                editor = reverse("judge-guideline", args=[pk])
                return HttpResponseRedirect(f"{editor}?edit=1&gap={recorded.pk}")
        else:
            for cause in DisagreementCause.objects.filter(judge=judge, trace=trace):
                forget_cause(actor=request.user, cause=cause)
    except CauseError as error:
        messages.error(request, str(error))
        return redirect(back)
    if not request.htmx:
        return redirect(back)
    row = next(
        (row for row in disagreements_in(judge, user=request.user) if row.trace_pk == trace.pk),
        None,
    )
    if row is None:  # it does not differ any more, or a session hides it: the row goes
        return HttpResponse("")
    ctx = {
        "judge": judge,
        "each": workbench_rows(judge, [row])[0],
        "may_settle": True,
        "list_query": listed.to_query(),
        "is_new": True,
    }
    return render(request, "disagreements/_row.html", ctx)


def filter_of(query: QueryDict, request: AuthedRequest, judge: Judge) -> DisagreementFilter:
    """The filter of an address, as far as the user may use it."""
    return DisagreementFilter.from_query(query, user=request.user, experiment=judge.experiment_id)


def tags_of(rows: Sequence[DisagreementRow]) -> Tags:
    """The tags of the rows' traces, without those that programs keep for themselves."""
    known: dict[int, Any] = {}
    for start in range(0, len(rows), CHUNK):
        pks = [row.trace_pk for row in rows[start : start + CHUNK]]
        known.update(Trace.objects.filter(pk__in=pks).values_list("pk", "tags"))
    return {
        pk: [(name, str(value)) for name, value in tags.items() if not name.startswith("mlflow.")]
        for pk, tags in known.items()
        if isinstance(tags, dict)
    }


def place_of(row: DisagreementRow) -> str:
    """A row's place in the list, for the address of what follows."""
    return ".".join(str(-part) for part in row.key)


def rows_after(rows: list[DisagreementRow], place: str) -> list[DisagreementRow]:
    """The rows that follow a place, whether or not its row is still in the list; all of them for no place."""
    parts = place.split(".")
    if len(parts) != 3 or not all(part.isdecimal() and len(part) < 19 for part in parts):
        return rows
    key = tuple(-int(part) for part in parts)
    return [row for row in rows if row.key > key]


def _in_session(judge: Judge, session: FeedbackSession) -> dict[str, Any]:
    """Agreement in one session, apart by what people had seen."""
    visibility = visibility_view(split_agreement(judge, session=session))
    return {
        "visibility": visibility,
        "visibility_figures": [visibility.anchoring, visibility.gave_in],
    }


def _ways_to_look(
    listed: DisagreementFilter, every: list[DisagreementRow], tags: Tags
) -> dict[str, Any]:
    """The figures, tabs and clusters, each with the address of its list."""
    totals = totals_of(every)
    in_any_state = replace(listed, state=ALL)
    of_kind = [row for row in every if in_any_state.lets_through(row, tags)]
    in_kind = totals_of(of_kind)
    counts = {
        "open": in_kind.open,
        "waiting": in_kind.waiting,
        "unsettled": in_kind.unsettled,
        "all": in_kind.total,
        **{cause.value: in_kind.by_cause.get(cause.value, 0) for cause in Cause},
    }
    kinds = {"": totals.total, "people": totals.among_people, "judge": totals.with_judge}
    return {
        "totals": totals,
        "waiting_query": listed.to_query(state=WAITING),
        "states": [
            {
                "name": name,
                "words": words,
                "count": counts[name],
                "is_on": name == listed.state,
                "query": listed.to_query(state=name),
            }
            for name, words in STATES.items()
        ],
        "kinds": [
            {
                "words": words,
                "count": kinds[name],
                "is_on": name == listed.kind,
                "query": listed.to_query(kind=name, pair=None, tag=None),
            }
            for name, words in KINDS.items()
        ],
        "pairs": [
            {"cluster": cluster, "query": listed.to_query(pair=cluster.parts, state=ALL)}
            for cluster in clusters_of(every, lambda row: [pair_of(row)])
        ],
        "tags": [
            {"cluster": cluster, "query": listed.to_query(tag=cluster.parts, state=ALL)}
            for cluster in clusters_of(every, lambda row: tags.get(row.trace_pk, ()))
        ],
        "cleared": listed.to_query(pair=None, tag=None, session=None),
    }
