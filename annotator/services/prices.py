"""Prices of models: entered by operators for all teams, and made known to this process before it asks models or estimates."""

from __future__ import annotations

from django.db import transaction
from django.utils import timezone

from annotator.models import ModelPrice, User
from annotator.services import log
from judges.calls import split_model
from judges.errors import InvalidJudgeError
from judges.prices import enter_prices

DEAREST = 100_000.0


class PriceError(ValueError):
    """The price cannot be taken; `field` says where on the form the remedy lies."""

    def __init__(self, message: str, *, field: str) -> None:
        super().__init__(message)
        self.field = field


def save_price(
    *, actor: User, model: str, input_per_million: float, output_per_million: float
) -> ModelPrice:
    """Enter the price of a model, in US dollars per million tokens, in place of an earlier one.

    Raises:
        PriceError: when the model's address or a price is wrong.
    """
    try:
        uri = ":/".join(split_model(model.strip()))
    except InvalidJudgeError as error:
        raise PriceError(str(error), field="model") from None
    for field, price in (
        ("input_per_million", input_per_million),
        ("output_per_million", output_per_million),
    ):
        if not 0 <= price <= DEAREST:
            raise PriceError(f"Give US dollars from 0 to {DEAREST:,.0f}.", field=field)
    with transaction.atomic():
        before = ModelPrice.objects.filter(model=uri).first()
        price_row, _ = ModelPrice.objects.update_or_create(
            model=uri,
            defaults={
                "input_per_million": input_per_million,
                "output_per_million": output_per_million,
                "entered_at": timezone.now(),
            },
        )
        log.record(
            actor=actor,
            action="set price",
            target=price_row,
            team=None,
            name=uri,
            before=_summary(before) if before else None,
            after=_summary(price_row),
        )
    return price_row


def remove_price(*, actor: User, price: ModelPrice) -> None:
    """Go by the list again."""
    with transaction.atomic():
        log.record(
            actor=actor,
            action="removed price",
            target=price,
            team=None,
            name=price.model,
            before=_summary(price),
        )
        price.delete()


def load_prices() -> None:
    """Make the entered prices known to this process, as they are now."""
    enter_prices({price.model: price.per_token for price in ModelPrice.objects.all()})


def _summary(price: ModelPrice) -> dict[str, float]:
    return {"input": price.input_per_million, "output": price.output_per_million}
