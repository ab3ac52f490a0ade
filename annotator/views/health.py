"""What machines ask about this installation, and the banner that tells people when no worker is there."""

from __future__ import annotations

import time
from datetime import datetime
from threading import Lock
from typing import Any

from django.contrib.auth.decorators import login_not_required
from django.http import HttpRequest, JsonResponse
from django.utils.functional import SimpleLazyObject
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_safe

from annotator.services import workers
from annotator.services.health import age_seconds, check_health

BANNER_SECONDS = 5


@require_safe
@never_cache
@login_not_required
def healthz(request: HttpRequest) -> JsonResponse:
    """The state as JSON: 503 when the database fails, else 200, with a sentence for each problem."""
    health = check_health()
    waiting = health.waiting
    return JsonResponse(
        {
            "status": "degraded" if health.problems else "ok",
            "problems": health.problems,
            "database": "ok" if health.database else "failed",
            "broker": "ok" if health.broker else "failed",
            "workers": [
                {
                    "name": worker.name,
                    "last_heartbeat": worker.last_seen_at.isoformat(),
                    "age_seconds": age_seconds(worker.last_seen_at),
                    "alive": not workers.is_silent(worker.last_seen_at),
                }
                for worker in health.workers
            ],
            "waiting": {
                "jobs": waiting.jobs,
                "oldest": waiting.since.isoformat() if waiting.since else None,
                "age_seconds": age_seconds(waiting.since) if waiting.since else None,
            },
        },
        status=200 if health.database else 503,
    )


def worker_banner(request: HttpRequest) -> dict[str, Any]:
    """`worker_banner` in templates: {alive, last_seen, waiting, command}. Asks at most every few seconds."""
    return {"worker_banner": SimpleLazyObject(banner_state.get)}


class _BannerState:
    """What all pages of this process show for a moment: one query then, and more only when no worker lives."""

    def __init__(self) -> None:
        self._lock = Lock()
        self._until = 0.0
        self._last_seen: datetime | None = None
        self._jobs = 0

    def get(self) -> dict[str, Any]:
        with self._lock:
            if time.monotonic() >= self._until:
                self._last_seen = workers.last_seen()
                self._jobs = workers.waiting().jobs if workers.is_silent(self._last_seen) else 0
                self._until = time.monotonic() + BANNER_SECONDS
            return {
                "alive": not workers.is_silent(self._last_seen),
                "last_seen": self._last_seen,
                "waiting": self._jobs,
                "command": workers.command_to_start(),
            }

    def forget(self) -> None:
        """Ask again at the next page."""
        self._until = 0.0


banner_state = _BannerState()
