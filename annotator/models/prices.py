"""What models cost, where somebody knows it better than the list that comes with LiteLLM."""

from __future__ import annotations

from django.db import models
from django.db.models import Q
from django.utils import timezone

PER_MILLION = 1_000_000


class ModelPrice(models.Model):
    """The price of a model in US dollars per million tokens, as an admin entered it."""

    model = models.CharField(max_length=200, unique=True)
    input_per_million = models.FloatField()
    output_per_million = models.FloatField()
    entered_at = models.DateTimeField(default=timezone.now)

    class Meta:
        constraints = [
            models.CheckConstraint(
                condition=Q(input_per_million__gte=0) & Q(output_per_million__gte=0),
                name="price_not_negative",
            )
        ]

    def __str__(self) -> str:
        return f"price of {self.model} ({self.pk})"

    @property
    def per_token(self) -> tuple[float, float]:
        """US dollars per token asked and per token answered."""
        return self.input_per_million / PER_MILLION, self.output_per_million / PER_MILLION
