"""Many threads' writes in one transaction: whoever comes while another writes waits, and the next one writes for all.

A transaction costs about the same for one small write as for twenty, and a database with one writer at a time (SQLite)
makes them queue up anyway. Nobody is told that a write stands before its transaction does.
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable, Sequence
from typing import Generic, TypeVar

from django.db import DatabaseError

# What a database, or the library before it, makes of data that it cannot hold.
_BLAMED_ON_DATA = (DatabaseError, ValueError, OverflowError)

Job = TypeVar("Job")
MOST_JOBS = 64


class _Waiting(Generic[Job]):
    def __init__(self, job: Job) -> None:
        self.job = job
        self.is_done = False
        self.error: Exception | None = None


class GroupCommit(Generic[Job]):
    """Writes jobs in groups.

    Args:
        write: Writes all of the jobs in one transaction or, by raising a DatabaseError, none of them.

    Attributes:
        waiting: What nobody has begun to write.
    """

    def __init__(self, write: Callable[[Sequence[Job]], None]) -> None:
        self._write = write
        self.waiting: deque[_Waiting[Job]] = deque()
        self._turn = threading.Lock()

    def __call__(self, job: Job) -> None:
        """Return once the job stands.

        Raises:
            DatabaseError: when it could not be written, even alone.
        """
        own = _Waiting(job)
        self.waiting.append(own)
        while not own.is_done:
            with self._turn:
                # It may stand already: whoever had the turn before wrote it too.
                if not own.is_done:
                    self._write_group(own)
        if own.error is not None:
            raise own.error

    def _write_group(self, own: _Waiting[Job]) -> None:
        group = [self.waiting.popleft() for _ in range(min(len(self.waiting), MOST_JOBS))]
        try:
            self._try(group)
        finally:
            # A thread that dies in the middle leaves what others wait for to the next one.
            left = [each for each in group if not each.is_done and each is not own]
            self.waiting.extendleft(reversed(left))

    def _try(self, group: list[_Waiting[Job]]) -> None:
        try:
            self._write([each.job for each in group])
        except _BLAMED_ON_DATA as error:
            if len(group) > 1:
                # One of them may be to blame: none of the others shall suffer for it.
                for each in group:
                    self._try([each])
                return
            group[0].error = error
        for each in group:
            each.is_done = True
