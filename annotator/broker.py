"""The embedded broker: kombu's files in a folder, made safe for a reader that comes while a message is being written.

As kombu has it, the file is there before its content is, and a worker that reads it then dies of the empty message.
"""

from __future__ import annotations

import logging
import os
import time
import uuid
from pathlib import Path
from typing import Any

from kombu.exceptions import ChannelError
from kombu.transport import TRANSPORT_ALIASES, filesystem
from kombu.utils.json import dumps

SCHEME = "annotator-files"

logger = logging.getLogger(__name__)


class Channel(filesystem.Channel):
    """Messages appear whole or not at all."""

    def _put(self, queue: str, payload: Any, **kwargs: Any) -> None:  # type: ignore[override]
        # kombu's own class differs from its base in the same way.
        # The order of the names is the order of the queue; only names that end in the queue's are messages.
        name = f"{round(time.monotonic() * 1000)}_{uuid.uuid4()}.{queue}.msg"
        folder = Path(self.data_folder_out)
        unfinished = folder / f".{name}.part"
        try:
            unfinished.write_text(dumps(payload), encoding="utf-8")
            os.replace(unfinished, folder / name)
        except OSError as error:
            raise ChannelError(f"Cannot write a message to {folder}: {error}") from error

    def _get(self, queue: str, timeout: float | None = None) -> Any:
        while True:
            try:
                return super()._get(queue)
            except (
                ValueError
            ):  # cut off by a full disk or a power failure; its row will be found again
                logger.warning("Dropped a message of the queue %s that could not be read.", queue)


class Transport(filesystem.Transport):
    """The transport of `annotator-files://`."""

    Channel = Channel


def register() -> None:
    """Make the scheme known to kombu, which takes no dotted path in a broker's address."""
    TRANSPORT_ALIASES[SCHEME] = f"{__name__}:Transport"
