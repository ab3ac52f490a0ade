"""Budgets in calls and money that hold exactly: what a call may cost is set aside before it is begun."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from judges.calls import ModelCall, Reply
from judges.entities import Usage
from judges.errors import BudgetExceededError

Price = Callable[[str], tuple[float, float] | None]

_BYTES_PER_TOKEN = (
    3  # fewer than any common text has, so that a call is never taken for cheaper than it is
)
_LONGEST_ANSWER = {"judge": 2048, "reflection": 8192, "embedding": 0}  # tokens, where none is set


@dataclass
class Payment:
    """A call that is being paid for; whoever makes it puts its reply here."""

    reply: Reply = field(default_factory=lambda: Reply(text="", usage=Usage(), seconds=0.0))


class Purse:
    """Calls and money granted. One object serves many threads.

    Args:
        max_calls: Answers that may be bought in all; None for no bound.
        max_cost: US dollars that may be spent in all; None for no bound.
    """

    def __init__(self, *, max_calls: int | None, max_cost: float | None) -> None:
        self.max_calls = max_calls
        self.max_cost = max_cost
        self._lock = threading.Lock()
        self._usage = Usage()
        self._calls_aside = 0
        self._money_aside = 0.0

    @property
    def usage(self) -> Usage:
        """What all answers took so far."""
        with self._lock:
            return self._usage

    @property
    def calls_left(self) -> int | None:
        """Answers that may still be bought; None for no bound."""
        with self._lock:
            if self.max_calls is None:
                return None
            return max(0, self.max_calls - self._usage.calls - self._calls_aside)

    @contextmanager
    def paying_for(self, call: ModelCall, price_of: Price) -> Iterator[Payment]:
        """Set aside what a call may take, and count what it took. A call that fails costs nothing.

        Raises:
            BudgetExceededError: when the calls or the money granted do not suffice.
        """
        most = 0.0 if self.max_cost is None else most_cost(call, price_of)
        self._set_aside(most)
        payment = Payment()
        try:
            yield payment
        finally:
            with self._lock:
                self._calls_aside -= 1
                self._money_aside -= most
                self._usage += payment.reply.usage

    def _set_aside(self, most: float) -> None:
        with self._lock:
            begun = self._usage.calls + self._calls_aside
            if self.max_calls is not None and begun >= self.max_calls:
                raise BudgetExceededError(f"The budget of {self.max_calls} calls is used up.")
            spent = self._usage.cost or 0.0
            if self.max_cost is not None and spent + self._money_aside + most > self.max_cost:
                raise BudgetExceededError(
                    f"The budget of ${self.max_cost:.2f} does not suffice for another call "
                    f"(${spent:.4f} spent, ${self._money_aside:.4f} set aside, the call may cost ${most:.4f})."
                )
            self._calls_aside += 1
            self._money_aside += most


def most_cost(call: ModelCall, price_of: Price) -> float:
    """What a call may cost at most, in US dollars.

    Raises:
        BudgetExceededError: when the price is unknown.
    """
    price = price_of(call.model)
    if price is None:
        raise BudgetExceededError(
            f"The price of {call.model} is unknown, so a budget in money cannot be kept: set one in calls."
        )
    asked = sum(len(str(message.get("content") or "").encode()) for message in call.messages)
    params = call.inference_params
    answered = (
        params.get("max_tokens")
        or params.get("max_completion_tokens")
        or _LONGEST_ANSWER[call.purpose]
    )
    return asked / _BYTES_PER_TOKEN * price[0] + answered * price[1]
