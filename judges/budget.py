"""Budgets in calls and money that hold exactly: what a call may cost is set aside before it is begun, settled after.

Set aside is what the longest answer would cost, and the provider is told to stop there. Where that much is not left,
twice the longest answer so far will do, with that as the answer's bound; where not even that is left, a call waits for
those in flight, which mostly take less than was set aside for them. Only when none is in flight is the budget used up.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace

from judges.calls import ModelCall, Reply
from judges.entities import Usage
from judges.errors import BudgetExceededError

Price = Callable[[str], tuple[float, float] | None]

_BYTES_PER_TOKEN = (
    3  # fewer than any common text has, so that a call is never taken for cheaper than it is
)
# Tokens of an answer: the longest where the call sets none, and what is enough before one has been seen.
_LONGEST = {"judge": 8192, "reflection": 16384, "embedding": 0}
_ENOUGH = {"judge": 1024, "reflection": 4096, "embedding": 0}
_MARGIN = 2  # times the longest answer so far
_TICK_S = 0.1  # how often a waiting call looks whether it was cancelled


@dataclass
class Payment:
    """A call that is being paid for.

    Attributes:
        call: The call to make: the one asked for, its answer bounded by what was set aside for it.
        reply: Where whoever makes it puts what came of it.
    """

    call: ModelCall
    reply: Reply | None = None


class Purse:
    """Calls and money granted. One object serves many threads.

    Args:
        max_calls: Answers that may be bought in all; None for no bound.
        max_cost: US dollars that may be spent in all; None for no bound.
    """

    def __init__(self, *, max_calls: int | None, max_cost: float | None) -> None:
        self.max_calls = max_calls
        self.max_cost = max_cost
        self._changed = threading.Condition()
        self._usage = Usage()
        self._spent = 0.0
        self._calls_aside = 0
        self._money_aside = 0.0
        self._longest_answer: dict[tuple[str, str], int] = {}

    @property
    def usage(self) -> Usage:
        """What all answers took so far."""
        with self._changed:
            return self._usage

    @property
    def calls_left(self) -> int | None:
        """Answers that may still be bought; None for no bound."""
        with self._changed:
            if self.max_calls is None:
                return None
            return max(0, self.max_calls - self._usage.calls - self._calls_aside)

    @property
    def money_left(self) -> float | None:
        """US dollars that are neither spent nor set aside; None for no bound."""
        with self._changed:
            if self.max_cost is None:
                return None
            return max(0.0, self.max_cost - self._spent - self._money_aside)

    @contextmanager
    def paying_for(
        self, call: ModelCall, price_of: Price, raise_if_cancelled: Callable[[], None]
    ) -> Iterator[Payment]:
        """Set aside what a call may take, and count what it took. A call that fails costs nothing.

        Raises:
            BudgetExceededError: when the calls or the money granted do not suffice.
            Cancelled: by `raise_if_cancelled`, while it waits for money.
        """
        aside, bounded = self._set_aside(call, price_of, raise_if_cancelled)
        payment = Payment(call=bounded)
        try:
            yield payment
        finally:
            with self._changed:
                self._calls_aside -= 1
                self._money_aside -= aside
                if payment.reply is not None:
                    self._count(call, payment.reply, aside)
                self._changed.notify_all()

    def _count(self, call: ModelCall, reply: Reply, aside: float) -> None:
        usage = reply.usage
        self._usage += usage
        # A server that does not count its tokens may have taken all that was set aside.
        self._spent += aside if usage.cost is None else usage.cost
        kind = (call.model, call.purpose)
        self._longest_answer[kind] = max(self._longest_answer.get(kind, 0), usage.output_tokens)

    def _set_aside(
        self, call: ModelCall, price_of: Price, raise_if_cancelled: Callable[[], None]
    ) -> tuple[float, ModelCall]:
        with self._changed:
            if self.max_cost is None:
                self._take_a_call()
                return 0.0, call
            asked, per_token = _price_to_ask(call, price_of)
            while True:
                longest = longest_answer(call)
                for answered in (longest, min(longest, self._enough_for(call))):
                    cost = asked + answered * per_token
                    if self._spent + self._money_aside + cost <= self.max_cost:
                        self._take_a_call()
                        self._money_aside += cost
                        return cost, replace(call, longest_answer=answered)
                if not self._calls_aside:
                    raise BudgetExceededError(
                        f"The budget of ${self.max_cost:.2f} does not suffice for another call "
                        f"(${self._spent:.4f} spent, the call may cost ${cost:.4f})."
                    )
                self._changed.wait(_TICK_S)
                raise_if_cancelled()

    def _take_a_call(self) -> None:
        begun = self._usage.calls + self._calls_aside
        if self.max_calls is not None and begun >= self.max_calls:
            raise BudgetExceededError(f"The budget of {self.max_calls} calls is used up.")
        self._calls_aside += 1

    def _enough_for(self, call: ModelCall) -> int:
        seen = self._longest_answer.get((call.model, call.purpose), 0)
        return _MARGIN * seen or _ENOUGH[call.purpose]


def longest_answer(call: ModelCall) -> int:
    """The most tokens that the answer may have."""
    params = call.inference_params
    bounds = (params.get("max_tokens"), params.get("max_completion_tokens"), call.longest_answer)
    return min((bound for bound in bounds if bound), default=_LONGEST[call.purpose])


def _price_to_ask(call: ModelCall, price_of: Price) -> tuple[float, float]:
    """What asking costs at most, and each token of the answer, in US dollars.

    Raises:
        BudgetExceededError: when the price is unknown.
    """
    price = price_of(call.model)
    if price is None:
        raise BudgetExceededError(
            f"The price of {call.model} is unknown, so a budget in money cannot be kept: set one in calls."
        )
    texts = [*(message.get("content") or "" for message in call.messages), call.schema or ""]
    return sum(len(str(text).encode()) for text in texts) / _BYTES_PER_TOKEN * price[0], price[1]
