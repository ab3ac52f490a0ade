"""Messages to the workers. The rows say what is due, so that a broker that is down delays work and loses none."""

from __future__ import annotations

import logging
from collections.abc import Iterable
from functools import partial
from typing import TYPE_CHECKING

from django.db import transaction
from kombu.exceptions import ChannelError, OperationalError

if TYPE_CHECKING:
    from celery import Task

logger = logging.getLogger(__name__)

# One more try serves a connection that a restarted broker has closed; a person must not wait for a broker that is down.
_RETRY_ONCE = {"max_retries": 1, "interval_start": 0}


def send_on_commit(task: Task[[int], None], pks: Iterable[int]) -> None:
    """Have workers do the task for each key, as soon as this transaction stands."""
    transaction.on_commit(partial(send, task, list(pks)))


def send(task: Task[[int], None], pks: Iterable[int]) -> None:
    """Have workers do the task for each key now; what the broker does not take, `reconcile` sends again."""
    for pk in pks:
        try:
            task.apply_async((pk,), retry=True, retry_policy=_RETRY_ONCE)
        except (OperationalError, ChannelError) as error:
            logger.warning("The broker took no message, so this work begins later: %s", error)
            return
