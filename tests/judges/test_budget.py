"""Budgets in calls and money, kept by the gateway against a server that counts what it is asked."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import Any

import pytest

from annotator.demo.http_stub import StubAnswer, StubServer
from judges.errors import BudgetExceededError, Cancelled, ProviderRequestError
from judges.llm import Gateway, ModelCall
from judges.prices import enter_prices

ANSWERED = 0.01  # US dollars per token answered; asking is free


def test_a_budget_of_calls_is_never_overshot(stub: StubServer, call: ModelCall) -> None:
    stub.latency_s = 0.02
    gateway = Gateway(max_calls=5)

    def ask(_: int) -> bool:
        try:
            gateway.complete(call)
        except BudgetExceededError:
            return False
        return True

    with ThreadPoolExecutor(8) as pool:
        assert sum(pool.map(ask, range(12))) == 5
    assert stub.calls == gateway.usage.calls == 5


def test_a_failed_call_leaves_the_budget_as_it_was(stub: StubServer, call: ModelCall) -> None:
    stub.answer_with(400)
    gateway = Gateway(max_calls=1)
    with pytest.raises(ProviderRequestError):
        gateway.complete(call)
    gateway.complete(call)
    with pytest.raises(BudgetExceededError, match="budget of 1 calls"):
        gateway.complete(call)


def test_a_budget_in_money_needs_a_known_price(stub: StubServer, call: ModelCall) -> None:
    with pytest.raises(BudgetExceededError, match="price of openai:/my-model is unknown"):
        Gateway(max_cost=1.0).complete(replace(call, model="openai:/my-model"))
    assert stub.calls == 0


# --- Money: every answer has 25 tokens, until it is told to stop earlier


@pytest.fixture
def dear(stub: StubServer, call: ModelCall) -> Iterator[ModelCall]:
    """A question whose answer costs 0.25 dollars, and 81.92 if it were as long as any answer may be."""
    enter_prices({"openai:/dear": (0.0, ANSWERED)})
    stub.respond = lambda body: long_answer(body, tokens=25)
    yield replace(call, model="openai:/dear")
    enter_prices({})


def long_answer(body: dict[str, Any], *, tokens: int) -> str:
    """A text of so many tokens, by the stub's count, or of as many as it was told to give at most."""
    most: int = body.get("max_tokens", tokens)
    return "x" * (4 * min(tokens, most) - 4)


def bought(gateway: Gateway, call: ModelCall, *, times: int) -> int:
    """How many of so many calls, eight at a time, the budget was enough for."""
    with ThreadPoolExecutor(8) as pool:
        asked = [pool.submit(gateway.complete, call) for _ in range(times)]
    errors = [each.exception() for each in asked]
    assert all(error is None or isinstance(error, BudgetExceededError) for error in errors)
    return errors.count(None)


def test_a_budget_in_money_is_used_up_and_not_overspent(stub: StubServer, dear: ModelCall) -> None:
    stub.latency_s = 0.01
    gateway = Gateway(max_cost=20.0, concurrency=8)
    answered = bought(gateway, dear, times=120)
    assert stub.calls == answered == gateway.usage.calls
    assert gateway.usage.cost is not None
    # the last call needs twice what an answer takes, and no more is left over
    assert 20.0 - 2 * 25 * ANSWERED < gateway.usage.cost <= 20.0


def test_the_bound_of_the_call_itself_is_set_aside(stub: StubServer, dear: ModelCall) -> None:
    gateway = Gateway(max_cost=1.0)
    short = replace(dear, inference_params={"max_tokens": 25})
    assert bought(gateway, short, times=6) == 4
    assert {body["max_tokens"] for body in stub.bodies} == {25}


def test_an_answer_cannot_be_longer_than_what_was_set_aside_for_it(
    stub: StubServer, dear: ModelCall
) -> None:
    gateway = Gateway(max_cost=50.0)
    gateway.complete(dear)
    stub.respond = lambda body: long_answer(body, tokens=100_000)
    while True:
        try:
            gateway.complete(dear)
        except BudgetExceededError as error:
            says = str(error)
            break
    assert gateway.usage.cost is not None
    assert gateway.usage.cost <= 50.0
    assert stub.bodies[1]["max_tokens"] == 50  # twice the longest so far
    assert stub.bodies[2]["max_tokens"] == 100  # which was cut: the next may be longer
    assert "does not suffice for another call" in says


def test_what_a_server_does_not_count_is_taken_for_all_that_was_set_aside(
    stub: StubServer, dear: ModelCall
) -> None:
    uncounted = StubAnswer(
        raw='{"object": "chat.completion", "model": "dear", "choices": [{"index": 0, "finish_reason": "stop", '
        '"message": {"role": "assistant", "content": "Hi"}}]}'
    )
    stub.answer_with(*[uncounted] * 4)
    gateway = Gateway(max_cost=100.0)
    gateway.complete(dear)
    assert bought(gateway, dear, times=3) < 3


def test_a_call_that_waits_for_money_can_be_cancelled(stub: StubServer, dear: ModelCall) -> None:
    asked, release, stopped = threading.Event(), threading.Event(), threading.Event()

    def answer_when_told(body: dict[str, Any]) -> str:
        asked.set()
        release.wait(10)
        return long_answer(body, tokens=25)

    stub.respond = answer_when_told
    gateway = Gateway(max_cost=12.0, cancelled=stopped.is_set)
    with ThreadPoolExecutor(2) as pool:
        first = pool.submit(gateway.complete, dear)
        asked.wait(10)
        second = pool.submit(gateway.complete, dear)
        stopped.set()
        assert isinstance(second.exception(), Cancelled)
        release.set()
        assert first.result().usage.calls == 1
    assert stub.calls == 1


def test_the_bound_is_no_part_of_the_question(call: ModelCall) -> None:
    assert replace(call, longest_answer=50).key() == call.key()
