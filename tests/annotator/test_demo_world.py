"""The demo world: believable, always the same, its figures true, and exactly three labels short."""

from __future__ import annotations

import random
from collections import Counter
from dataclasses import replace
from itertools import pairwise

import pytest

from alignment.gate import Outcome
from alignment.labels import Example, LabelRule, Settled, Side, Vote, settle
from alignment.readiness import Thresholds, TraceState, readiness
from alignment.result import RunResult
from alignment.runner import run_alignment
from alignment.sides import Sides
from alignment.simba import SIMBAAlignmentOptimizer
from alignment.split import groups_of
from annotator.demo.answers import SCENARIOS, DemoTrace, make_traces
from annotator.demo.criteria import criteria_in
from annotator.demo.experts import CATEGORIES, GUIDE
from annotator.demo.model import respond
from annotator.demo.prompts import said
from annotator.demo.world import (
    demo_world,
    first_judge,
    hidden_label,
    initial_verdicts,
    settled_labels,
    verdict_of,
)
from judges.instructions import Case
from judges.llm import Gateway
from judges.providers import register_local_provider
from judges.render import render

EXPERTS_CRITERIA = (
    "The answer must state a concrete time frame.\nThe answer must give a concrete next step.\n"
    "The answer must have at most 70 words.\nThe answer must not use marketing talk."
)
WORLD = demo_world()
LABELS = settled_labels(WORLD)
TRACES = {trace.trace.trace_id: trace for trace in WORLD.traces}
VERDICTS = initial_verdicts()
SIDES = Sides(
    by_value=dict.fromkeys(WORLD.judge.positive, Side.POSITIVE)
    | dict.fromkeys(WORLD.judge.negative, Side.NEGATIVE)
)


def answer_of(trace: DemoTrace) -> str:
    return said(trace.trace.outputs)


def settled() -> dict[str, Settled]:
    """The labels by trace, as the app settles them."""
    votes: dict[str, list[Vote]] = {}
    for item in sorted(WORLD.feedback, key=lambda item: -item.offset_s):
        vote = Vote(source_id=item.username, value=item.value, rationale=item.rationale)
        votes.setdefault(item.trace_id, []).append(vote)
    rule = LabelRule(WORLD.judge.label_rule)
    outcomes = {trace_id: settle(given, rule) for trace_id, given in votes.items()}
    return {trace_id: found for trace_id, found in outcomes.items() if isinstance(found, Settled)}


# --- The traces


def test_there_are_enough_traces_and_no_two_are_alike():
    assert len(WORLD.traces) >= 150
    assert len({answer_of(trace) for trace in WORLD.traces}) == len(WORLD.traces)
    assert len(set(groups_of([trace.trace for trace in WORLD.traces]).values())) == len(
        WORLD.traces
    )
    assert len({trace.trace.trace_id for trace in WORLD.traces}) == len(WORLD.traces)


def test_every_topic_has_an_answer_to_each_question():
    for scenario in SCENARIOS:
        assert len(scenario.products) == len(scenario.facts) == len(scenario.questions) == 5


def test_no_slot_is_left_open_and_no_text_is_empty():
    for trace in WORLD.traces:
        text = f"{said(trace.trace.inputs)} {answer_of(trace)}"
        assert "{" not in text
        assert "  " not in text
        assert answer_of(trace).strip() == answer_of(trace) != ""


def test_conversations_call_tools_and_some_calls_fail():
    chats = [trace for trace in WORLD.traces if trace.trace.messages]
    assert len(chats) == 20
    for chat in chats:
        kinds = Counter(span.span_type for span in chat.trace.spans)
        assert kinds["AGENT"] == 1
        assert kinds["LLM"] == 2
        assert kinds["TOOL"] in {1, 2}
        assert [turn["role"] for turn in chat.trace.messages][-3:] == [
            "assistant",
            "tool",
            "assistant",
        ]
        assert chat.trace.metadata["session"]
    failed = [span for chat in chats for span in chat.trace.spans if span.status == "ERROR"]
    assert 1 <= len(failed) <= 2
    assert all(span.status_message for span in failed)


def test_spans_lie_within_their_trace():
    for trace in WORLD.traces:
        root, *others = trace.trace.spans
        ends = {span.span_id: span.end_ns or 0 for span in trace.trace.spans}
        assert (root.start_ns, root.parent_id, root.end_ns) == (
            0,
            "",
            ends[others[-1].span_id] + 1_000_000,
        )
        assert ends[root.span_id] // 1_000_000 == trace.duration_ms > 0
        assert (root.inputs, root.outputs) == (trace.trace.inputs, trace.trace.outputs)
        assert {span.parent_id for span in others} == {root.span_id}
        for before, after in pairwise(others):
            assert before.start_ns < ends[before.span_id] < after.start_ns


def test_the_traces_of_two_weeks_come_newest_first():
    ages = [trace.offset_s for trace in WORLD.traces]
    assert ages == sorted(ages)
    assert 0 < ages[0] < ages[-1] <= 14 * 24 * 3600
    assert ages[-1] > 12 * 24 * 3600


def test_the_answers_differ_in_more_than_the_experts_look_at():
    texts = [answer_of(trace) for trace in WORLD.traces]
    for mark in (
        "\n- ",
        "| What |",
        "Hello ",
        "sorry",
        "not entirely sure",
        "You should have",
        "LO-4",
    ):
        assert 1 <= sum(mark in text for text in texts) <= len(texts) // 2
    assert {hidden_label(trace) for trace in WORLD.traces} == set(CATEGORIES)


def test_it_is_the_same_world_every_time():
    assert make_traces() == WORLD.traces
    demo_world.cache_clear()
    assert demo_world() == WORLD


# --- The people and what they say


def test_the_people_are_there():
    roles = {person.username: person.role for person in WORLD.people}
    assert roles == {
        "admin": "ADMIN",
        "lead": "LEAD",
        "expert1": "EXPERT",
        "expert2": "EXPERT",
        "expert3": "EXPERT",
    }
    assert all(" " in person.full_name for person in WORLD.people)


def test_feedback_follows_the_trace_and_fits_the_form():
    experts = {person.username for person in WORLD.people if person.role == "EXPERT"}
    assert len({(item.trace_id, item.username) for item in WORLD.feedback}) == len(WORLD.feedback)
    for item in WORLD.feedback:
        assert item.username in experts
        assert 0 < item.offset_s < TRACES[item.trace_id].offset_s
        assert (item.value is None) == bool(item.cannot_judge_reason)
        assert item.value is None or item.value in CATEGORIES
    given = [item for item in WORLD.feedback if item.value]
    assert 0.6 < sum(bool(item.rationale) for item in given) / len(given) < 0.8
    assert {item.username for item in given} == experts


def test_the_labels_follow_the_experts_own_criteria_but_for_a_few_slips():
    wrong = [
        trace_id for trace_id, value in LABELS.items() if value != hidden_label(TRACES[trace_id])
    ]
    assert 1 <= len(wrong) <= 0.06 * len(LABELS)


def test_some_experts_disagree_and_some_cannot_judge():
    votes: dict[str, list[str | None]] = {}
    for item in WORLD.feedback:
        votes.setdefault(item.trace_id, []).append(item.value)
    ties = [v for v in votes.values() if len(v) == 2 and None not in v and v[0] != v[1]]
    assert len(ties) >= 1
    assert sum(len([v for v in values if v]) >= 2 for values in votes.values()) >= 15
    assert sum(len(values) == 3 and len(set(values)) == 2 for values in votes.values()) >= 2
    assert sum(values == [None] for values in votes.values()) >= 2


def test_the_experts_guide_does_not_leak_into_the_judge():
    assert set(WORLD.guideline.choose_when) == set(CATEGORIES)
    assert criteria_in(f"The answer must do this: {GUIDE}")
    assert criteria_in(WORLD.judge.judge.instructions) == []
    assert "70" not in WORLD.judge.judge.instructions
    prompt = str(render(first_judge(), Case.from_trace(WORLD.traces[0].trace, first_judge())))
    assert GUIDE not in prompt
    assert all(text not in prompt for text in WORLD.guideline.choose_when.values())


# --- Three labels short


def test_the_judge_is_exactly_three_labels_short_and_balanced():
    assert WORLD.judge.minimum_labels == 60
    states = [
        TraceState(trace_id=trace_id, label=LABELS.get(trace_id), verdict=VERDICTS[trace_id].value)
        for trace_id in TRACES
    ]
    thresholds = Thresholds(minimum=WORLD.judge.minimum_labels, min_share=WORLD.judge.min_share)
    found = readiness(states, sides=SIDES, thresholds=thresholds)
    assert (found.usable, found.missing) == (57, ["3 more labels"])
    assert min(found.share(Side.POSITIVE), found.share(Side.NEGATIVE)) >= 0.38


def test_the_labels_are_those_that_the_rule_settles():
    assert {trace_id: label.value for trace_id, label in settled().items()} == LABELS


def test_what_to_review_next_is_unreviewed_and_of_both_sides():
    reviewed = {item.trace_id for item in WORLD.feedback}
    assert not reviewed & set(WORLD.review_next)
    assert len(TRACES) - len(reviewed) >= 30
    assert len(WORLD.review_next) >= 12
    sides = [SIDES.side_of(VERDICTS[trace_id].value) for trace_id in WORLD.review_next[:6]]
    assert sides == [Side.NEGATIVE, Side.POSITIVE] * 3


# --- The judge


def agreement(instructions: str) -> float:
    judge = replace(first_judge(), instructions=instructions)
    right = [verdict_of(judge, trace).value == hidden_label(trace) for trace in WORLD.traces]
    return sum(right) / len(right)


def test_the_general_judge_agrees_only_moderately():
    assert 0.33 <= agreement(first_judge().instructions) <= 0.55
    on_labels = [VERDICTS[trace_id].value == value for trace_id, value in LABELS.items()]
    assert 0.35 <= sum(on_labels) / len(on_labels) <= 0.55
    assert {verdict.value for verdict in VERDICTS.values()} == set(CATEGORIES)
    assert all(verdict.rationale for verdict in VERDICTS.values())


def test_a_judge_that_is_told_the_experts_criteria_agrees_strongly():
    assert agreement(f"{first_judge().instructions}\n{EXPERTS_CRITERIA}") >= 0.85


def examples(*, shuffled: bool) -> list[Example]:
    """The 57 labels and three more, as a newcomer would give them; shuffled with their reasons if so asked."""
    lessons = [(label.value, label.rationale) for label in settled().values()]
    more = WORLD.review_next[:3]
    lessons += [(hidden_label(TRACES[trace_id]), "") for trace_id in more]
    trace_ids = [*settled(), *more]
    if shuffled:
        random.Random(3).shuffle(lessons)
    return [
        Example(
            trace=TRACES[trace_id].trace,
            value=value,
            rationale=rationale,
            side=SIDES.side_of(value),
            verdict_value=VERDICTS[trace_id].value,
            group=trace_id,
        )
        for trace_id, (value, rationale) in zip(trace_ids, lessons, strict=True)
    ]


def align(seed: int, *, shuffled: bool = False) -> RunResult:
    register_local_provider("demo", respond)
    return run_alignment(
        judge=first_judge(),
        examples=examples(shuffled=shuffled),
        optimizer=SIMBAAlignmentOptimizer(),
        gateway=Gateway(),
        sides=SIDES,
        seed=seed,
    )


@pytest.mark.parametrize("seed", [0, 1])
def test_alignment_lifts_the_agreement_on_held_out_labels_decisively(seed: int):
    result = align(seed)
    assert result.after is not None
    assert (result.before.accuracy.value or 0) <= 0.55
    assert (result.after.accuracy.value or 0) >= 0.8
    assert result.decision.outcome is Outcome.PROMOTE


def test_alignment_on_shuffled_labels_promotes_nothing():
    assert align(0, shuffled=True).decision.outcome is not Outcome.PROMOTE
