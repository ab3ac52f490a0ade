"""The settling screen: one disputed trace after the other, each ending in a label and a cause."""

from __future__ import annotations

from typing import Any
from urllib.parse import urlencode

from django.contrib import messages
from django.http import HttpResponse, HttpResponseRedirect, QueryDict
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import reverse
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from annotator.http import AuthedRequest
from annotator.models import Assessment, DisagreementCause, Judge, Label, Role, Settlement, Trace
from annotator.models.hidden import hidden_from
from annotator.permissions import require_settler
from annotator.presenters.disagreements import said_on, workbench_rows
from annotator.presenters.settling import AnswerCard, answer_cards, decisions
from annotator.services import settling as settling_service
from annotator.services.awaited import awaited_on
from annotator.services.disagreements import DisagreementRow, disagreements_in
from annotator.services.first_answers import first_values
from annotator.services.settling import SettlingError
from annotator.views.disagreement_filter import DisagreementFilter
from annotator.views.disagreements import filter_of, tags_of
from annotator.views.judges import get_judge, kept_figures
from annotator.views.settling_forms import SettleForm
from annotator.views.traces import TABS, trace_content

AROUND = 12


@require_safe
def judge_settle(request: AuthedRequest, pk: int) -> HttpResponse:
    """Open the list at its top."""
    judge = get_judge(request, pk)
    require_settler(request.user, judge)
    listed = filter_of(request.GET, request, judge)
    rows = _rows(request, judge, listed)
    if not rows:
        messages.info(request, "There is nothing left to settle here.")
        return redirect(f"{reverse('judge-disagreements', args=[pk])}?{listed.to_query()}")
    return redirect(_address(judge, rows[0], listed))


@require_http_methods(["GET", "POST"])
def judge_settle_trace(request: AuthedRequest, pk: int, trace_id: str) -> HttpResponse:
    """One trace with everything that was said of it; a POST settles what it counts as."""
    judge = get_judge(request, pk)
    require_settler(request.user, judge)
    trace = get_object_or_404(
        judge.experiment.traces.select_related("experiment").exclude(
            pk__in=hidden_from(request.user).traces_of(judge.name)
        ),
        trace_id=trace_id,
    )
    listed = filter_of(request.GET, request, judge)
    every = disagreements_in(judge, user=request.user, kept=kept_figures(judge))
    rows = _rows(request, judge, listed, None if listed.session else every)
    here = next((row for row in every if row.trace_pk == trace.pk), None)
    said = said_on(judge, [trace.pk])
    form = SettleForm(
        request.POST or None,
        judge=judge,
        needs_cause=here is not None,
        initial=_initial(request, judge, trace, said),
    )
    if request.method == "POST" and form.is_valid():
        settled = _settle(request, judge, trace, said, form)
        if settled:
            return _onwards(request, judge, trace, rows, here, listed)
    ctx = _context(request, judge, trace, said) | {
        "form": form,
        "here": here,
        "filter": listed,
        "list_query": listed.to_query(),
        **_list_around(judge, trace, rows, here),
    }
    return render(request, "settling/detail.html", ctx, status=422 if form.is_bound else 200)


@require_POST
def settlement_reopen(request: AuthedRequest, pk: int) -> HttpResponse:
    """Take a decision back: the rule makes the label again."""
    settlement = _settlement(request, pk)
    try:
        settling_service.reopen(actor=request.user, settlement=settlement)
        messages.success(request, "Reopened: the judge's rule makes the label again.")
    except SettlingError as error:
        messages.error(request, str(error))
    return _back(request, settlement)


@require_POST
def settlement_pin(request: AuthedRequest, pk: int) -> HttpResponse:
    """Show the trace in the guideline as an example, or no longer."""
    settlement = _settlement(request, pk)
    pinned = request.POST.get("pinned") == "1"
    try:
        settling_service.pin(actor=request.user, settlement=settlement, pinned=pinned)
        messages.success(
            request,
            "It stands in the guideline as an example now."
            if pinned
            else "It stands in the guideline no more.",
        )
    except SettlingError as error:
        messages.error(request, str(error))
    return _back(request, settlement)


def _settlement(request: AuthedRequest, pk: int) -> Settlement:
    settlement = get_object_or_404(
        Settlement.objects.visible_to(request.user).select_related(
            "judge__experiment__team", "judge__current_version", "judge__guideline", "trace"
        ),
        pk=pk,
    )
    require_settler(request.user, settlement.judge)
    return settlement


def _back(request: AuthedRequest, settlement: Settlement) -> HttpResponse:
    judge = settlement.judge
    listed = filter_of(QueryDict(request.POST.get("list", "")), request, judge)
    address = reverse("judge-settle-trace", args=[judge.pk, settlement.trace.trace_id])
    return HttpResponseRedirect(f"{address}?{listed.to_query()}")


def _rows(
    request: AuthedRequest,
    judge: Judge,
    listed: DisagreementFilter,
    every: list[DisagreementRow] | None = None,
) -> list[DisagreementRow]:
    """The rows of the list; `every` is all of them, if they are known already."""
    if every is None:
        every = disagreements_in(judge, user=request.user, session=listed.session)
    tags = tags_of(every) if listed.tag else {}
    return [row for row in every if listed.lets_through(row, tags)]


def _settle(
    request: AuthedRequest,
    judge: Judge,
    trace: Trace,
    said: list[Assessment],
    form: SettleForm,
) -> Settlement | None:
    data = form.cleaned_data
    adopted = next((row for row in said if row.assessment_id == data["adopted_from"]), None)
    try:
        return settling_service.settle_label(
            actor=request.user,
            judge=judge,
            trace=trace,
            value=data["value"],
            rationale=data["rationale"].replace("\r\n", "\n"),
            cause=data["cause"],
            note=data["note"],
            adopted_from=adopted,
            without_waiting=data["without_waiting"],
        )
    except SettlingError as error:
        form.add_error(error.field, str(error))
        return None


def _onwards(
    request: AuthedRequest,
    judge: Judge,
    trace: Trace,
    rows: list[DisagreementRow],
    here: DisagreementRow | None,
    listed: DisagreementFilter,
) -> HttpResponse:
    """To the next of the list; to the guideline, when that was asked for; back to the workbench after the last."""
    messages.success(request, f"Settled: {trace.request_preview[:60] or trace.trace_id}.")
    if request.POST.get("then") == "guideline":
        gap = DisagreementCause.objects.filter(judge=judge, trace=trace).first()
        editor = reverse("judge-guideline", args=[judge.pk])
        return HttpResponseRedirect(f"{editor}?edit=1" + (f"&gap={gap.pk}" if gap else ""))
    others = [row for row in rows if row.trace_pk != trace.pk]
    later = [row for row in others if here is None or row.key > here.key]
    following = next(iter([*later, *others]), None)
    if following is None:
        return redirect(f"{reverse('judge-disagreements', args=[judge.pk])}?{listed.to_query()}")
    return HttpResponseRedirect(_address(judge, following, listed))


def _address(judge: Judge, row: DisagreementRow, listed: DisagreementFilter) -> str:
    trace_id = Trace.objects.values_list("trace_id", flat=True).get(pk=row.trace_pk)
    query = listed.to_query()
    address = reverse("judge-settle-trace", args=[judge.pk, trace_id])
    return f"{address}?{query}" if query else address


def _initial(
    request: AuthedRequest, judge: Judge, trace: Trace, said: list[Assessment]
) -> dict[str, Any]:
    """What an address asks to fill in: an answer to adopt, or the cause chosen in the workbench."""
    initial: dict[str, Any] = {"cause": request.GET.get("cause", "")}
    known = DisagreementCause.objects.filter(judge=judge, trace=trace).first()
    if known and not initial["cause"]:
        initial |= {"cause": known.cause, "note": known.note}
    adopted = next((row for row in said if row.assessment_id == request.GET.get("adopt")), None)
    if adopted is not None:
        initial |= {
            "value": adopted.value_key,
            "rationale": adopted.rationale,
            "adopted_from": adopted.assessment_id,
        }
    return initial


def _context(
    request: AuthedRequest, judge: Judge, trace: Trace, said: list[Assessment]
) -> dict[str, Any]:
    tab = request.GET.get("view", "")
    tab = tab if tab in TABS else "reading"
    settlement = (
        Settlement.objects.in_force()
        .filter(judge=judge, trace=trace)
        .select_related("settled_by")
        .first()
    )
    with_names = settlement is not None or request.GET.get("names") == "1"
    cards: list[AnswerCard] = answer_cards(
        judge, said, first_values(judge, trace), with_names=with_names
    )
    here = {name: request.GET[name] for name in ("view", "names") if name in request.GET}
    return {
        **trace_content(trace, tab),
        "tab": tab,
        "tabs": TABS,
        "next_tab": list(TABS)[(list(TABS).index(tab) + 1) % len(TABS)],
        "judge": judge,
        "trace": trace,
        "cards": cards,
        "decisions": decisions(judge, cards),
        "settlement": settlement,
        "awaited": awaited_on(judge, trace),
        "label": Label.objects.filter(judge=judge, trace=trace).first(),
        "with_names": with_names,
        "may_lead": request.user.has_role(judge.experiment.team_id, Role.LEAD),
        "kept": urlencode(here),
    }


def _list_around(
    judge: Judge, trace: Trace, rows: list[DisagreementRow], here: DisagreementRow | None
) -> dict[str, Any]:
    """The part of the list around the trace, and its neighbours, whether or not it is in the list itself."""
    before = [row for row in rows if here and row.key < here.key and row.trace_pk != trace.pk]
    after = [row for row in rows if not (here and row.key <= here.key) and row.trace_pk != trace.pk]
    own = [here] if here else []
    shown = workbench_rows(judge, [*before[-AROUND:], *own, *after[:AROUND]])
    by_pk = {each.trace.pk: each.trace.trace_id for each in shown}
    return {
        "around": shown,
        "place": len(before) + 1,
        "total": len(before) + len(own) + len(after),
        "previous_trace": by_pk.get(before[-1].trace_pk) if before else None,
        "next_trace": by_pk.get(after[0].trace_pk) if after else None,
    }
