"""What models cost: prices that somebody entered, else LiteLLM's list, read as a file so that LiteLLM is not loaded."""

from __future__ import annotations

import json
from collections.abc import Mapping
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from judges.calls import split_model

Price = tuple[float, float]  # US dollars per token asked and per token answered

_entered: dict[str, Price] = {}


def enter_prices(prices: Mapping[str, Price]) -> None:
    """Make exactly these prices, by model URI, come before the list's in this process."""
    _entered.clear()
    _entered.update({"/".join(split_model(model)): price for model, price in prices.items()})


def entered_price(model: str) -> Price | None:
    """The price that somebody entered for `model`."""
    return _entered.get("/".join(split_model(model)))


def listed_price(model: str) -> Price | None:
    """The price that LiteLLM's list gives for exactly this model. LiteLLM itself prices models it does not know at 0."""
    provider, name = split_model(model)
    entry = _list().get(f"{provider}/{name}")
    if entry is None:
        entry = _list().get(name, {})
        if entry.get("litellm_provider") != provider:
            return None
    asked = float(entry.get("input_cost_per_token") or 0.0)
    answered = float(entry.get("output_cost_per_token") or 0.0)
    return (asked, answered) if asked or answered else None


@cache
def _list() -> dict[str, Any]:
    package = find_spec("litellm")
    if package is None or package.origin is None:
        return {}
    path = Path(package.origin).with_name("model_prices_and_context_window_backup.json")
    prices: dict[str, Any] = json.loads(path.read_text())
    return prices
