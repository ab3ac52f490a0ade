"""The gateway: every call to a model goes through it, so that it is limited, retried, counted, paid for and stopped
in one place."""

from __future__ import annotations

import json
import logging
import random
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import replace

from judges.budget import Purse
from judges.calls import AnswerStore, ModelCall, Reply
from judges.entities import Usage
from judges.errors import Cancelled, ProviderError, ProviderRateLimitError
from judges.providers import price_of, register_local_provider, send

__all__ = [
    "Allowance",
    "AnswerStore",
    "Gateway",
    "ModelCall",
    "Reply",
    "current_gateway",
    "register_local_provider",
    "use_gateway",
]

logger = logging.getLogger(__name__)

_TICK_S = 0.1  # how often a waiting thread looks whether it was cancelled
_FIRST_BACKOFF_S = 0.5
_LONGEST_WAIT_S = 60.0  # a provider that wants more is an error now: the job may come back later
_SUCCESSES_PER_SLOT = 20
_TEXTS_PER_EMBEDDING = 100


def never() -> bool:
    """The default of `cancelled`."""
    return False


class Gateway:
    """Sends calls to models. One object serves many threads.

    Args:
        concurrency: Most calls in flight. Fewer go out while the provider says that it is too much.
        timeout_s: Seconds that one attempt may take.
        max_attempts: How often one call is sent at most, when the failure is one that may pass.
        answers: Keeps answers; a call whose answer is there is not sent.
        max_calls: Answers that may be bought in all; None for no bound.
        max_cost: US dollars that may be spent in all; None for no bound. What a call may cost is set aside before it is
            begun, and the provider is told the longest answer that pays for.
        cancelled: Tells whether to stop. Asked before each call and ten times a second by each waiting thread, so
            it has to be cheap.
        on_reply: Called after each answer, in the thread that asked.
    """

    def __init__(
        self,
        *,
        concurrency: int = 16,
        timeout_s: float = 60.0,
        max_attempts: int = 5,
        answers: AnswerStore | None = None,
        max_calls: int | None = None,
        max_cost: float | None = None,
        cancelled: Callable[[], bool] = never,
        on_reply: Callable[[ModelCall, Reply], None] | None = None,
    ) -> None:
        self._timeout_s = timeout_s
        self._max_attempts = max_attempts
        self._answers = answers
        self._purse = Purse(max_calls=max_calls, max_cost=max_cost)
        self._cancelled = cancelled
        self._on_reply = on_reply
        self.concurrency = concurrency
        self._slots = _Slots(concurrency, self._raise_if_cancelled)
        self._asking: dict[str, threading.Lock] = {}
        self._asking_lock = threading.Lock()

    @property
    def usage(self) -> Usage:
        """What all answers took so far. Answers from the store count for nothing."""
        return self._purse.usage

    @property
    def calls_left(self) -> int | None:
        """Answers that may still be bought; None for no bound."""
        return self._purse.calls_left

    @property
    def money_left(self) -> float | None:
        """US dollars that may still be spent; None for no bound."""
        return self._purse.money_left

    def complete(self, call: ModelCall) -> Reply:
        """The answer to a call. Blocks until it is there.

        Raises:
            ProviderError: when the provider failed for good, or too often; the type says how.
            BudgetExceededError: when the calls or the money granted are used up.
            Cancelled: when the work was cancelled.
        """
        self._raise_if_cancelled()
        if self._answers is None:
            reply = self._buy(call)
        else:
            reply = self._from_store_or_buy(call, self._answers)
        if self._on_reply is not None:
            self._on_reply(call, reply)
        return reply

    def _from_store_or_buy(self, call: ModelCall, answers: AnswerStore) -> Reply:
        key = call.key()
        with self._asking_lock:
            lock = self._asking.setdefault(key, threading.Lock())
        while not lock.acquire(
            timeout=_TICK_S
        ):  # another thread asks the same: its answer serves both
            self._raise_if_cancelled()
        try:
            kept = answers.get(key)
            if kept is not None:
                return replace(kept, cached=True)
            reply = self._buy(call)
            answers.put(key, reply)
            return reply
        finally:
            lock.release()
            with self._asking_lock:
                self._asking.pop(key, None)

    def embed(
        self,
        model: str,
        texts: Sequence[str],
        *,
        base_url: str | None = None,
        extra_headers: Mapping[str, str] | None = None,
    ) -> list[list[float]]:
        """The embeddings of texts, many in one call.

        Raises:
            As `complete` does.
        """
        vectors: list[list[float]] = []
        for start in range(0, len(texts), _TEXTS_PER_EMBEDDING):
            part = texts[start : start + _TEXTS_PER_EMBEDDING]
            messages = tuple({"role": "user", "content": text} for text in part)
            reply = self.complete(
                ModelCall(
                    model=model,
                    messages=messages,
                    base_url=base_url,
                    extra_headers=extra_headers or {},
                    purpose="embedding",
                )
            )
            vectors.extend(json.loads(reply.text))
        return vectors

    def _buy(self, call: ModelCall) -> Reply:
        with self._purse.paying_for(call, price_of, self._raise_if_cancelled) as payment:
            reply = payment.reply = self._send_with_retries(payment.call)
        return reply

    def _send_with_retries(self, call: ModelCall) -> Reply:
        for attempt in range(1, self._max_attempts + 1):
            began = self._slots.acquire()
            try:
                reply = send(call, timeout_s=self._timeout_s)
            except ProviderError as error:
                if isinstance(error, ProviderRateLimitError):
                    self._slots.halve(began)
                if not error.retryable or attempt == self._max_attempts:
                    raise
                wait_s = random.uniform(0, min(_FIRST_BACKOFF_S * 2**attempt, _LONGEST_WAIT_S))  # noqa: S311 - no secret
                wait_s = max(wait_s, error.retry_after or 0.0)
                if wait_s > _LONGEST_WAIT_S:
                    raise
            else:
                self._slots.succeeded()
                return reply
            finally:
                self._slots.release()
            logger.info(
                "Attempt %d of %d failed, next in %.1f s", attempt, self._max_attempts, wait_s
            )
            self._wait(wait_s)
        raise AssertionError("the last attempt returns or raises")

    def _wait(self, seconds: float) -> None:
        until = time.monotonic() + seconds
        while (left := until - time.monotonic()) > 0:
            self._raise_if_cancelled()
            time.sleep(min(left, _TICK_S))
        self._raise_if_cancelled()

    def _raise_if_cancelled(self) -> None:
        if self._cancelled():
            raise Cancelled("The work was cancelled.")


class Allowance(Gateway):
    """A part of another gateway's budget: the same calls, slots and answers, with a bound of its own.

    An answer that comes from the store counts like one that is bought, once: a run that is taken up again, whose
    first answers cost nothing, thus ends exactly where it would have ended in one go.

    Args:
        gateway: Where the calls go.
        max_calls: Different questions that may be asked; None for no bound.
        max_cost: US dollars that their answers may have cost; None for no bound.
    """

    def __init__(
        self, gateway: Gateway, *, max_calls: int | None, max_cost: float | None = None
    ) -> None:
        super().__init__(
            concurrency=gateway.concurrency,
            answers=gateway._answers,
            max_calls=max_calls,
            max_cost=max_cost,
            cancelled=gateway._cancelled,
        )
        self._whole = gateway
        self._asked: dict[str, threading.Lock] = {}
        self._answered: set[str] = set()

    def complete(self, call: ModelCall) -> Reply:
        self._raise_if_cancelled()
        if self._answers is None:
            return self._count(call)
        key = call.key()
        with self._asking_lock:
            lock = self._asked.setdefault(key, threading.Lock())
        with lock:
            if key in self._answered:
                return self._whole.complete(call)
            reply = self._count(call)
            self._answered.add(key)
            return reply

    def _count(self, call: ModelCall) -> Reply:
        with self._purse.paying_for(call, price_of, self._raise_if_cancelled) as payment:
            reply = payment.reply = self._whole.complete(payment.call)
        return reply


class _Slots:
    """How many calls may be in flight: halved when the provider says it is too much, grown back with success."""

    def __init__(self, most: int, raise_if_cancelled: Callable[[], None]) -> None:
        self._most = most
        self._limit = most
        self._taken = 0
        self._successes = 0
        self._halved_at = 0.0
        self._raise_if_cancelled = raise_if_cancelled
        self._condition = threading.Condition()

    def acquire(self) -> float:
        """Wait for a slot and take it; returns the time it was taken."""
        with self._condition:
            while self._taken >= self._limit:
                self._condition.wait(_TICK_S)
                self._raise_if_cancelled()
            self._taken += 1
        return time.monotonic()

    def release(self) -> None:
        with self._condition:
            self._taken -= 1
            self._condition.notify()

    def succeeded(self) -> None:
        with self._condition:
            if self._limit < self._most:
                self._successes += 1
                if self._successes >= _SUCCESSES_PER_SLOT:
                    self._successes = 0
                    self._limit += 1
                    self._condition.notify()

    def halve(self, began: float) -> None:
        """Called for a refused call that began at `began`; a volley of refusals counts once."""
        with self._condition:
            if began >= self._halved_at:
                self._limit = max(1, self._limit // 2)
                self._successes = 0
                self._halved_at = time.monotonic()


_gateway: ContextVar[Gateway | None] = ContextVar("gateway", default=None)
_default_gateway = Gateway()


def current_gateway() -> Gateway:
    """The gateway of the surrounding `use_gateway`, else the one that the whole process shares."""
    return _gateway.get() or _default_gateway


@contextmanager
def use_gateway(gateway: Gateway) -> Iterator[Gateway]:
    """Make `gateway` the current one inside the block, in this thread or task (not in threads started there)."""
    token = _gateway.set(gateway)
    try:
        yield gateway
    finally:
        _gateway.reset(token)
