"""What the installation is set to, and how to change it."""

from __future__ import annotations

from django.conf import settings
from django.http import HttpResponse
from django.shortcuts import render
from django.views.decorators.http import require_GET

from annotator.http import AuthedRequest
from annotator.models import Judge


@require_GET
def settings_models(request: AuthedRequest) -> HttpResponse:
    """How to use a real model. Keys live with the workers, so none is shown here, and none is known here."""
    judges = (
        Judge.objects.visible_to(request.user)
        .select_related("current_version", "experiment")
        .order_by("experiment__name", "name")
    )
    ctx = {
        "default_model": settings.ANNOTATOR_DEFAULT_MODEL,
        "judges": [
            {
                "judge": judge,
                "model": judge.current_version.model if judge.current_version else "",
            }
            for judge in judges
        ],
    }
    return render(request, "settings/models.html", ctx)
