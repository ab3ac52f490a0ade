"""The queue, and what a worker process does at its start and its end."""

from __future__ import annotations

import gc
import importlib
import os
from typing import Any

from celery import Celery
from celery.signals import beat_init, worker_init, worker_ready, worker_shutdown

from annotator import broker

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "annotator.settings")

broker.register()
app = Celery("annotator")
app.config_from_object("django.conf:settings", namespace="CELERY")
app.autodiscover_tasks(["annotator"])


@worker_init.connect
def prepare(**_: Any) -> None:
    """Make the demo model known and, where a worker serves many, load the model libraries before it forks.

    On one machine a quick start counts more, so that the libraries load with the first job.
    """
    from django.conf import settings

    from annotator.demo.model import DEMO_PROVIDER, respond
    from judges.providers import preload, register_local_provider

    register_local_provider(DEMO_PROVIDER, respond)
    if settings.REDIS_URL:
        preload()
        importlib.import_module("alignment.dspy_bridge")  # and with it dspy
        gc.collect()
        gc.freeze()  # what is there now is shared by all children, as long as nobody writes to it


@worker_ready.connect
def begin(sender: Any, **_: Any) -> None:
    """Say from now on that this worker lives, and look for work that an earlier one left."""
    from annotator.services import workers
    from annotator.tasks import reconcile

    heart = workers.start_beating(nodename=sender.hostname)
    worker_shutdown.connect(lambda **_: heart.stop(), weak=False)
    reconcile.delay()


@beat_init.connect
def watch(**_: Any) -> None:
    """In the scheduler, which needs no worker: tell admins when there is none."""
    from annotator.services.worker_watch import Watch

    Watch().start()
