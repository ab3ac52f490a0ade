"""Every optimizer within a budget in money: never overspent, and ended with the best that was found."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from alignment.base import LabelledOptimizer
from alignment.best_of import BestOfAlignmentOptimizer
from alignment.estimates import Budget
from alignment.events import Event, LogLine
from alignment.gepa import GEPAAlignmentOptimizer
from alignment.memory import MemoryAlignmentOptimizer
from alignment.result import RunResult
from alignment.runner import run_alignment
from alignment.simba import SIMBAAlignmentOptimizer
from annotator.demo.http_stub import StubServer
from annotator.demo.model import respond
from judges.errors import BudgetExceededError
from judges.llm import Gateway
from judges.prices import enter_prices
from tests.alignment.support_desk import desk_examples, desk_judge

PRICE = (1e-6, 4e-6)
TESTS = 0.12  # what is kept for testing both versions
OPTIMIZERS = (
    SIMBAAlignmentOptimizer(batch_size=12, candidates=3),
    GEPAAlignmentOptimizer(max_calls=300),
    MemoryAlignmentOptimizer(),
    BestOfAlignmentOptimizer(max_calls=300),
)


@pytest.fixture(scope="module")
def server() -> Iterator[StubServer]:
    """The demo model, at a price."""
    enter_prices({"openai:/priced": PRICE})
    with StubServer(respond) as stub:
        yield stub
    enter_prices({})


def run(
    server: StubServer, optimizer: LabelledOptimizer, *, cost: float | None
) -> tuple[RunResult, list[str]]:
    """The result, and what the run's owner was told."""
    events: list[Event] = []
    result = run_alignment(
        judge=desk_judge(model="openai:/priced", base_url=server.base_url),
        examples=desk_examples(60),
        optimizer=optimizer,
        gateway=Gateway(concurrency=8),
        budget=Budget(cost=cost),
        emit=events.append,
    )
    return result, [each.text for each in events if isinstance(each, LogLine)]


@pytest.mark.parametrize("optimizer", OPTIMIZERS, ids=lambda each: each.title)
def test_with_less_money_than_it_would_take_a_run_ends_with_the_best_it_has_found(
    server: StubServer, optimizer: LabelledOptimizer
) -> None:
    granted = TESTS + 0.08
    result, said = run(server, optimizer, cost=granted)
    assert result.usage.cost is not None
    assert result.usage.cost <= granted
    assert result.candidate is not None, said


def test_simba_takes_as_many_steps_as_the_money_allows_and_says_so(server: StubServer) -> None:
    _, said = run(server, OPTIMIZERS[0], cost=TESTS + 0.08)
    assert any(text.startswith("The budget allows ") for text in said), said


def test_money_that_does_not_pay_for_the_tests_is_said_before_anything_is_optimised(
    server: StubServer,
) -> None:
    calls = server.calls
    with pytest.raises(BudgetExceededError, match="testing both versions alone"):
        run(server, OPTIMIZERS[0], cost=0.02)
    assert server.calls - calls <= 24  # the baseline told the price
