"""The answers that models gave in a run, written down before the run goes on with them.

A run that is taken up again after its worker's death finds every answer that came: it asks for none twice.
"""

from __future__ import annotations

import threading
from dataclasses import asdict
from types import TracebackType
from typing import Self

from django.db import DatabaseError, connection

from annotator.models import AlignmentRun, RunAnswer
from judges.calls import Reply
from judges.entities import Usage


class RunAnswers:
    """The answers of one run. Used by many threads; one of its own writes, all that wait at once.

    A thread that has an answer waits until it is in the database. While one batch is written the next gathers, so that
    the wait is that of one write, however many threads there are.
    """

    def __init__(self, run: AlignmentRun) -> None:
        self._run = run
        self._known = {
            key: Reply(**{**reply, "usage": Usage(**reply["usage"])})
            for key, reply in run.answers.values_list("key", "reply")
        }
        self._unsaved: dict[str, Reply] = {}
        self._batch = 0  # the one that gathers now
        self._written = 0  # batches that are in the database
        self._failure: DatabaseError | None = None
        self._has_ended = False
        self._changed = threading.Condition()
        self._thread = threading.Thread(
            target=self._write_until_ended, name="run-answers", daemon=True
        )

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        with self._changed:
            self._has_ended = True
            self._changed.notify_all()
        self._thread.join()

    def get(self, key: str) -> Reply | None:
        """The answer to the call of that key."""
        with self._changed:
            return self._known.get(key)

    def put(self, key: str, reply: Reply) -> None:
        """Keep an answer; it is in the database when this returns.

        Raises:
            DatabaseError: when it could not be written.
        """
        with self._changed:
            self._known[key] = self._unsaved[key] = reply
            mine = self._batch
            self._changed.notify_all()
            # An answer that comes in while the run ends is written by nobody: its work is over.
            self._changed.wait_for(
                lambda: self._written > mine or self._failure is not None or self._has_ended
            )
            if self._failure is not None:
                raise self._failure

    def _write_until_ended(self) -> None:
        try:
            while True:
                with self._changed:
                    self._changed.wait_for(lambda: bool(self._unsaved) or self._has_ended)
                    if not self._unsaved:
                        return
                    batch, self._unsaved = self._unsaved, {}
                    self._batch += 1
                self._write(batch)
                with self._changed:
                    self._written = self._batch
                    self._changed.notify_all()
        except DatabaseError as error:
            with self._changed:
                self._failure = error
                self._changed.notify_all()
        finally:
            connection.close()

    def _write(self, batch: dict[str, Reply]) -> None:
        RunAnswer.objects.bulk_create(
            [
                RunAnswer(run=self._run, key=key, reply=asdict(reply))
                for key, reply in batch.items()
            ],
            ignore_conflicts=True,
        )
