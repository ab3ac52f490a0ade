"""The form of one topic that customers write about."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class Scenario:
    """One topic with its questions and the pieces that answers are made of.

    The texts may hold the slots {product}, {order}, {day}, {n} and {amount}.

    Attributes:
        topic: A short name.
        products: What each of the questions is about, in their order.
        questions: What customers ask; each one makes a trace.
        facts: The answer proper to each question, in their order, without a time or a next step.
        soon: A concrete time frame.
        vague: The same without one.
        step: What the customer is to do next.
        dead_end: A sentence in its place that gives the customer nothing to do.
        hype: Marketing talk.
        extra: What nobody asked for; both together make an answer over-long.
    """

    topic: str
    products: tuple[str, ...]
    questions: tuple[str, ...]
    facts: tuple[str, ...]
    soon: tuple[str, str]
    vague: tuple[str, str]
    step: tuple[str, str]
    dead_end: tuple[str, str]
    hype: tuple[str, str]
    extra: tuple[str, str]
