"""Traces: the list, and one of them with everything that was said of it."""

from __future__ import annotations

from typing import Any
from uuid import uuid4

from django.contrib import messages
from django.db.models import Case, When
from django.http import Http404, HttpResponse, QueryDict
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import reverse
from django.views.decorators.http import require_http_methods, require_safe
from django_htmx.http import trigger_client_event

from annotator import keyset
from annotator.forms import FeedbackForm, TraceFilterForm
from annotator.http import AuthedRequest, render_either
from annotator.models import Judge, Role, Trace, User
from annotator.presenters.documents import retrieval_of
from annotator.presenters.guidelines import value_words
from annotator.presenters.json_tree import raw_text
from annotator.presenters.judge_cards import JudgeCard, card_to_open, judge_cards
from annotator.presenters.reading import cleaned, reading_of
from annotator.presenters.steps import steps_of
from annotator.presenters.trace_rows import rows_of
from annotator.services import feedback as feedback_service
from annotator.services import submissions
from annotator.services.guidelines import news_for

RETRIEVERS = ("RETRIEVER", "RERANKER")
TABS = {"reading": "Reading", "steps": "Steps", "raw": "Raw"}
MOST_STEPS = 500
LONGEST_RAW = 400_000
# Where on the form the remedy for a refusal of the service lies.
_FIELDS = {"value": "value", "rationale": "rationale", "declined_reason": "decline_text"}


@require_safe
def trace_list(request: AuthedRequest) -> HttpResponse:
    """One page of the traces that the filter lets through, newest first."""
    form = TraceFilterForm(request.GET, user=request.user)
    traces = form.trace_filter().traces(request.user)
    page = keyset.page_of(
        traces.select_related("experiment").without_content(),
        older_than=keyset.Key.from_text(request.GET.get("older", "")),
        newer_than=keyset.Key.from_text(request.GET.get("newer", "")),
    )
    judges = form.judges_shown()
    context = {
        "form": form,
        "page": page,
        "rows": rows_of(page.traces, judges, request.user),
        "judges": judges,
        "runnable": [judge for judge in judges if _may_run(request.user, judge)],
        "list_query": form.query,
        "is_only_page": page.older_than is None and page.newer_than is None,
    }
    return render(request, "traces/list.html", context)


@require_safe
def trace_count(request: AuthedRequest) -> HttpResponse:
    """How many traces the filter lets through: asked for by the list once it stands, because counting takes longer."""
    form = TraceFilterForm(request.GET, user=request.user)
    count = keyset.count_up_to_limit(form.trace_filter().traces(request.user))
    context = {"count": count, "limit": keyset.COUNT_LIMIT}
    return render(request, "traces/_count.html", context)


@require_http_methods(["GET", "HEAD", "POST"])
def trace_detail(request: AuthedRequest, trace_id: str) -> HttpResponse:
    """A trace; a POST is feedback on it."""
    traces = Trace.objects.visible_to(request.user).select_related("experiment")
    trace = get_object_or_404(traces, trace_id=trace_id)
    cards, rest = judge_cards(trace, request.user)
    if request.method == "POST":
        card = card_of(cards, request.POST.get("judge", ""))
        form = FeedbackForm(request.POST, judge=card.judge)
        if _is_taken(form, request.user, trace, card):
            return answer_with_card(request, trace, card, saved="Feedback saved.")
        card.form = form
        context = _page(request, trace, cards, rest) | {"card": card, "is_open": True}
        return render_either(
            request, "traces/detail.html", "feedback/_card.html", context, status=422
        )
    return render(request, "traces/detail.html", _page(request, trace, cards, rest))


def _may_run(user: User, judge: Judge) -> bool:
    has_version = judge.current_version is not None
    return has_version and user.has_role(judge.experiment.team_id, Role.LEAD)


def card_of(cards: list[JudgeCard], judge: str) -> JudgeCard:
    """The card of the judge with that pk; 404 when the trace's experiment has no such judge."""
    pks = {str(card.judge.pk): card for card in cards}
    if judge not in pks:
        raise Http404("There is no such judge in this experiment.")
    return pks[judge]


def card_named(cards: list[JudgeCard], name: str) -> JudgeCard:
    """The card of the judge of that name; 404 when the trace's experiment has no such judge."""
    for card in cards:
        if card.judge.name == name:
            return card
    raise Http404("There is no such judge in this experiment.")


def answer_with_card(
    request: AuthedRequest, trace: Trace, card: JudgeCard, *, saved: str = "", problem: str = ""
) -> HttpResponse:
    """After feedback changed: the judge's card anew for htmx, the page again for everything else."""
    if not request.htmx:
        if problem:
            messages.error(request, problem)
        else:
            messages.success(request, saved)
        return redirect(_address(request, trace, judge=card.judge.pk))
    cards, _ = judge_cards(trace, request.user)
    fresh = card_of(cards, str(card.judge.pk))
    fresh.saved, fresh.problem = saved, problem
    context = _around(request, trace, cards) | {"card": fresh, "is_open": True}
    response = render(request, "feedback/_card.html", context, status=422 if problem else 200)
    return trigger_client_event(response, "feedback-changed")


def _is_taken(form: FeedbackForm, user: User, trace: Trace, card: JudgeCard) -> bool:
    if not form.is_valid():
        return False
    answer = form.cleaned_data["answer"]
    try:
        place = submissions.place_for(user=user, trace=trace, judge=card.judge)
        if place is None:
            feedback_service.add_feedback(author=user, trace=trace, judge=card.judge, **answer)
        else:
            submissions.submit(
                user=user,
                assignment=place,
                judge=card.judge,
                submission_id=uuid4().hex,
                **answer,
            )
    except feedback_service.FeedbackError as error:
        form.add_error(_FIELDS.get(error.field), str(error))
        return False
    return True


def _page(
    request: AuthedRequest, trace: Trace, cards: list[JudgeCard], rest: list[Any]
) -> dict[str, Any]:
    tab = request.GET.get("view", "")
    tab = tab if tab in TABS else "reading"
    around = _around(request, trace, cards)
    return {
        **around,
        **_guideline_news(request, cards, around["open_judge"]),
        **trace_content(trace, tab),
        "tab": tab,
        "tabs": TABS,
        "next_tab": list(TABS)[(list(TABS).index(tab) + 1) % len(TABS)],
        "cards": cards,
        "rest": rest,
    }


def _around(request: AuthedRequest, trace: Trace, cards: list[JudgeCard]) -> dict[str, Any]:
    """What the page and a judge's card share: the list one came from, and where one goes from here."""
    query = request.GET.get("list", "")
    wanted = QueryDict(query) if query else QueryDict(f"experiment={trace.experiment_id}")
    trace_filter = TraceFilterForm(wanted, user=request.user).trace_filter()
    newer, older = keyset.neighbours(trace_filter.traces(request.user), trace)
    # Who came from a list of one judge's verdicts answers for that judge.
    judge = trace_filter.judge or trace_filter.label_judge
    opened = card_to_open(cards, request.GET.get("judge", str(judge.pk) if judge else ""))
    return {
        "trace": trace,
        "list_query": query or f"experiment={trace.experiment_id}",
        "newer": newer,
        "older": older,
        "open_judge": opened,
        "only_judge": len(cards) == 1,
        "next_judge": next((card.judge for card in cards if card.mine is None), None),
        "post_address": _address(request, trace),
    }


def _guideline_news(
    request: AuthedRequest, cards: list[JudgeCard], opened: int | None
) -> dict[str, Any]:
    """What changed in the guideline of the judge whose card is open, since the reader's last answer."""
    judge = next((card.judge for card in cards if card.judge.pk == opened), None)
    news = news_for(judge, request.user) if judge else None
    if judge is None or news is None:
        return {"news": None}
    values = value_words(judge, news.current, changed=news.keys)
    return {
        "news": news,
        "news_judge": judge,
        "news_values": [words for words in values if words.is_changed],
    }


def trace_content(trace: Trace, tab: str) -> dict[str, Any]:
    if tab == "raw":
        text = raw_text(
            {
                "inputs": trace.inputs,
                "outputs": trace.outputs,
                "tags": trace.tags,
                "metadata": trace.metadata,
            }
        )
        return {
            "raw": text[:LONGEST_RAW],
            "raw_length": len(text),
            "raw_is_cut": len(text) > LONGEST_RAW,
        }
    spans = trace.spans.order_by("start_ns", "pk")
    if tab == "steps":
        shown = list(spans[: MOST_STEPS + 1])
        return {
            "steps": steps_of(shown[:MOST_STEPS]),
            "more_steps": len(shown) > MOST_STEPS,
            "most_steps": MOST_STEPS,
        }
    told = _tools_and_retrievers(spans)
    return {
        "reading": reading_of(
            trace.inputs,
            trace.outputs,
            tool_times=[(span.name, span.duration_ms) for span in told if span.span_type == "TOOL"],
            retrievals=[
                retrieval_of(
                    name=span.name,
                    span_id=span.span_id,
                    inputs=cleaned(span.asked),
                    outputs=cleaned(span.found),
                )
                for span in told
                if span.span_type in RETRIEVERS
            ],
        )
    }


def _tools_and_retrievers(spans: Any) -> list[Any]:
    """In one query, and only retrievers with what they were asked and found: tools' results stand in the messages."""
    of_retriever = {"span_type__in": RETRIEVERS}
    return list(
        spans.filter(span_type__in=["TOOL", *RETRIEVERS])
        .only("span_id", "name", "span_type", "start_ns", "end_ns")
        .annotate(
            asked=Case(When(**of_retriever, then="inputs")),
            found=Case(When(**of_retriever, then="outputs")),
        )[:MOST_STEPS]
    )


def _address(request: AuthedRequest, trace: Trace, *, judge: int | None = None) -> str:
    """The trace's page, within the same list and tab; `judge` opens that judge's card."""
    kept = QueryDict(mutable=True)
    for name in ("list", "view"):
        if name in request.GET:
            kept[name] = request.GET[name]
    if judge is not None:
        kept["judge"] = str(judge)
    query, anchor = kept.urlencode(), f"#judge-{judge}" if judge is not None else ""
    return reverse("trace-detail", args=[trace.trace_id]) + (f"?{query}" if query else "") + anchor
