"""A judge asked about many traces at once: verdicts as they come, failures as values, a provider that is down stops it."""

from __future__ import annotations

import logging
import time
from collections import defaultdict
from collections.abc import Iterator, Sequence
from concurrent.futures import CancelledError, Future, ThreadPoolExecutor
from queue import Empty, SimpleQueue

from django.conf import settings

from annotator.models import Assessment, Kind, Trace
from judges.entities import Feedback
from judges.errors import JudgeError, ProviderError
from judges.instructions import Case, InstructionsJudge
from judges.llm import Gateway

logger = logging.getLogger(__name__)

FAILURES_IN_A_ROW = 8  # of the provider: it is down, and asking on would only take time
IDLE_S = 1.0

Outcome = tuple[Trace, Feedback | JudgeError]


class UnforeseenError(JudgeError):
    """Something failed on one trace that nobody thought of; the other traces are judged all the same."""


def judge_traces(
    judge: InstructionsJudge, traces: Sequence[Trace], gateway: Gateway
) -> Iterator[list[Outcome]]:
    """What the judge says of the traces, as many at once as the gateway lets through; a failed one is its error.

    Yields what has come since the last time, at least once a second and then perhaps nothing, so that the caller can
    write. When it stops early, the verdicts of the calls that were in flight still come first.

    Raises:
        ProviderError: when the provider failed on many traces in a row.
        Cancelled: when the gateway was told to stop.
    """
    cases = _cases(judge, traces)
    finished: SimpleQueue[Future[Feedback]] = SimpleQueue()
    streak = _Streak(most=min(FAILURES_IN_A_ROW, len(traces)))
    threads = max(1, min(settings.LLM_CONCURRENCY, len(traces)))
    pool = ThreadPoolExecutor(threads, thread_name_prefix="judge")
    try:
        waiting: dict[Future[Feedback], Trace] = {}
        for trace, case in zip(traces, cases, strict=True):
            future = pool.submit(judge.evaluate, case, gateway=gateway)
            waiting[future] = trace
            future.add_done_callback(finished.put)
        stop: BaseException | None = None
        while waiting and stop is None:
            outcomes: list[Outcome] = []
            for future in _come(finished):
                trace = waiting.pop(future)
                error = future.exception()
                if error is not None and not isinstance(error, Exception):
                    stop = error
                else:
                    outcome = _outcome(future, trace)
                    outcomes.append((trace, outcome))
                    stop = stop or streak.broken_by(outcome)
            yield outcomes
        pool.shutdown(wait=True, cancel_futures=True)
        yield [
            (trace, future.result()) for future, trace in waiting.items() if _has_verdict(future)
        ]
        if stop is not None:
            raise stop
    finally:
        pool.shutdown(wait=True, cancel_futures=True)


class _Streak:
    """Counts the failures in a row that are not the traces' own."""

    def __init__(self, *, most: int) -> None:
        self._most = most
        self._failures = 0

    def broken_by(self, outcome: Feedback | JudgeError) -> JudgeError | None:
        """The error to stop with, once there were too many."""
        if not isinstance(outcome, (ProviderError, UnforeseenError)):
            self._failures = 0
            return None
        self._failures += 1
        return outcome if self._failures >= self._most else None


def _come(finished: SimpleQueue[Future[Feedback]]) -> Iterator[Future[Feedback]]:
    """What has finished, without waiting for more once something has."""
    until = time.monotonic() + IDLE_S
    try:
        yield finished.get(timeout=IDLE_S)
        while time.monotonic() < until:
            yield finished.get_nowait()
    except Empty:
        return


def _outcome(future: Future[Feedback], trace: Trace) -> Feedback | JudgeError:
    error = future.exception()
    if error is None:
        return future.result()
    if isinstance(error, JudgeError):
        return error
    logger.error("Judging trace %s failed.", trace.trace_id, exc_info=error)
    return UnforeseenError(
        f"Something went wrong that should not have ({type(error).__name__}: {error}); the worker's log has the details."
    )


def _has_verdict(future: Future[Feedback]) -> bool:
    try:
        return future.exception(timeout=0) is None
    except CancelledError:
        return False


def _cases(judge: InstructionsJudge, traces: Sequence[Trace]) -> list[Case]:
    needs_spans = bool(judge.variables & {"trace", "conversation"})
    expectations: dict[int, list[Assessment]] = defaultdict(list)
    if "expectations" in judge.variables:
        rows = Assessment.objects.valid().filter(
            kind=Kind.EXPECTATION, trace__in=[trace.pk for trace in traces]
        )
        for row in rows.order_by("created_at", "pk"):
            expectations[row.trace_id].append(row)
    return [
        Case.from_trace(
            trace.to_domain(spans=needs_spans, assessments=expectations[trace.pk]), judge
        )
        for trace in traces
    ]
