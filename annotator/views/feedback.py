"""Feedback once given: deleted, and put back. Giving it is a POST to the trace's page."""

from __future__ import annotations

from collections.abc import Callable

from django.http import HttpResponse
from django.shortcuts import get_object_or_404
from django.views.decorators.http import require_POST

from annotator.http import AuthedRequest
from annotator.models import Assessment, Source, Trace
from annotator.presenters.judge_cards import judge_cards
from annotator.services import feedback as feedback_service
from annotator.views.traces import answer_with_card, card_named


@require_POST
def feedback_withdraw(request: AuthedRequest, assessment_id: str) -> HttpResponse:
    """Delete feedback: it stays in the history and votes no more."""
    return _change(request, assessment_id, feedback_service.withdraw_feedback, "Feedback deleted.")


@require_POST
def feedback_restore(request: AuthedRequest, assessment_id: str) -> HttpResponse:
    """Put deleted feedback back in force."""
    return _change(request, assessment_id, feedback_service.restore_feedback, "Feedback restored.")


def _change(
    request: AuthedRequest, assessment_id: str, change: Callable[..., Assessment], saved: str
) -> HttpResponse:
    found = Assessment.objects.filter(
        trace__in=Trace.objects.visible_to(request.user), source_type=Source.HUMAN
    ).select_related("trace__experiment__team", "author")
    assessment = get_object_or_404(found, assessment_id=assessment_id)
    problem = ""
    try:
        change(author=request.user, assessment=assessment)
    except feedback_service.FeedbackError as error:
        problem = str(error)
    cards, _ = judge_cards(assessment.trace, request.user)
    card = card_named(cards, assessment.name)
    return answer_with_card(request, assessment.trace, card, saved=saved, problem=problem)
