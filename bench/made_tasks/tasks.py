"""Five made tasks with hidden rubrics: cases, the right values, and labels as more or less careful people give them.

A case's features are drawn first and written into its text; the right value follows from the features, not from the
text. What the general judge is told says nothing of the rubric. Everything depends on the seed alone.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

COMMENTED = 0.6  # the share of labels that come with a reason, as in ENGINE-MEASURED's made tasks
FLIPPED = 0.15

# what an answer says when it has a feature: several wordings, so that no single phrase gives it away
SENTENCES: dict[str, tuple[str, ...]] = {
    "time_frame": (
        "It will be there within {n} days.",
        "You will have it by Friday.",
        "Expect it on {n} March.",
    ),
    "apology": ("We are sorry for the trouble.", "Sorry about that.", "We apologise for this."),
    "price": ("It costs {n}9 euros.", "The price is $ {n}9.50.", "You pay {n}9.95 euros."),
    "measure": ("It is {n}2 cm wide.", "It weighs {n}.5 kg.", "The cable is {n} m long."),
    "hype": ("It is an amazing piece.", "You will love it.", "It is simply unbeatable."),
    "next_step": (
        "Please reply with your order number.",
        "Now open the link in our email.",
        "Please send us a photo.",
    ),
    "empathy": ("I understand how annoying this is.", "I can see that this is frustrating."),
    "jargon": (
        "The RMA is with our WMS team.",
        "The SKU is a backorder.",
        "QC has the consignment.",
    ),
    "greeting": ("Hello,", "Good morning,", "Dear customer,"),
    "contact": ("You reach us at help@shop.example.", "Write to desk@shop.example."),
    "link": ("See https://shop.example/help.", "Read https://shop.example/terms first."),
    "policy": ("That is according to our terms and conditions.", "Our policy says so."),
}
FILLERS = (
    "Our colleagues have looked at it.",
    "We found the entry in the system.",
    "The item is in the catalogue.",
    "Many people ask for this.",
    "This model is a popular one with families and with offices alike.",
    "Thanks for asking.",
)
PADDING = (
    "Let us go through the background in some detail, because it is good to know how such things came about and what "
    "else there is to consider before anything is decided about it by anybody who has a say in the matter at all."
)

# what a person says when it is missing, and when it should not be there
COMPLAINTS: dict[tuple[str, bool], tuple[str, ...]] = {
    ("time_frame", True): ("No date is given.", "It does not say how long it takes."),
    ("apology", False): ("It must not apologise.", "The apology is out of place."),
    ("price", True): ("The price is missing.", "It does not name the price."),
    ("measure", True): ("No dimensions are given.", "The measurements are missing."),
    ("hype", False): ("Too much hype.", "It reads like marketing talk."),
    ("next_step", True): ("It gives no next step.", "It does not say what to do."),
    ("empathy", True): ("It shows no empathy.", "There is no sympathy in it."),
    ("jargon", False): ("It uses internal jargon.", "Too much jargon."),
    ("greeting", True): ("There is no greeting.", "It does not greet the customer."),
    ("contact", True): ("It must give contact details.", "No contact details."),
    ("short", True): ("It is too long.", "It is far too wordy."),
}
PRAISE = "That is how it should be."
QUESTIONS = (
    "Where is my parcel?",
    "Which lamp do you have?",
    "Can I return it?",
    "Is it in stock?",
)


@dataclass(frozen=True, kw_only=True)
class Task:
    """One made task.

    Attributes:
        name: The judge's name.
        instructions: What the general judge is told.
        kind: `{"kind": "boolean" | "category" | "integer", "values": worst first or None}`.
        rubric: Feature → whether it is wanted. "short" is a feature too.
        overlooked: The feature that a lenient reviewer does not care about.
        value_of: From the number of violated criteria, and their number, to the right value.
    """

    name: str
    instructions: str
    kind: Mapping[str, Any]
    rubric: Mapping[str, bool]
    overlooked: str
    value_of: Callable[[int, int], Any]
    is_pairwise: bool = False
    is_conversation: bool = False
    noise: tuple[str, ...] = ("greeting", "link", "policy")

    @property
    def values(self) -> list[Any]:
        """All values, worst first; of the pairwise task in the order of its type."""
        if self.kind["kind"] == "boolean":
            return [False, True]
        return list(self.kind["values"])


@dataclass(kw_only=True)
class Case:
    """One case with its right value, and what people said of it, oldest first."""

    id: str
    inputs: dict[str, Any]
    outputs: dict[str, Any]
    truth: Any
    lenient: Any
    violated: tuple[str, ...]
    assessments: list[dict[str, Any]] = field(default_factory=list)

    def to_dict(self) -> dict[str, Any]:
        """What either side gets: no truth."""
        return {
            "id": self.id,
            "inputs": self.inputs,
            "outputs": self.outputs,
            "assessments": self.assessments,
        }


TASKS = (
    Task(
        name="support",
        instructions="Decide whether the answer in {{ outputs }} helps the customer who asked {{ inputs }}.",
        kind={"kind": "boolean", "values": None},
        rubric={"time_frame": True, "apology": False, "short": True},
        overlooked="apology",
        value_of=lambda violated, _: violated == 0,
    ),
    Task(
        name="product",
        instructions=(
            "Rate the product description in {{ outputs }} for the query in {{ inputs }} as poor, fair, good or excellent."
        ),
        kind={"kind": "category", "values": ["poor", "fair", "good", "excellent"]},
        rubric={"price": True, "measure": True, "hype": False},
        overlooked="measure",
        value_of=lambda violated, _: ("excellent", "good", "fair", "poor")[violated],
    ),
    Task(
        name="rating",
        instructions="Rate the answer in {{ outputs }} to {{ inputs }} from 1 to 5.",
        kind={"kind": "integer", "values": [1, 2, 3, 4, 5]},
        rubric={"next_step": True, "time_frame": True, "jargon": False, "contact": True},
        overlooked="contact",
        value_of=lambda violated, _: 5 - violated,
    ),
    Task(
        name="conversation",
        instructions="Decide whether the last reply, {{ outputs }}, serves the customer well in the conversation {{ inputs }}.",
        kind={"kind": "boolean", "values": None},
        rubric={"empathy": True, "next_step": True},
        overlooked="empathy",
        value_of=lambda violated, _: violated == 0,
        is_conversation=True,
    ),
    Task(
        name="preference",
        instructions="Say which of the two responses in {{ outputs }} answers {{ inputs }} better.",
        kind={"kind": "category", "values": ["response_1", "response_2", "tie"]},
        rubric={"price": True, "hype": False, "greeting": True},
        overlooked="greeting",
        value_of=lambda violated, _: violated,
        is_pairwise=True,
        noise=("link", "policy"),
    ),
)
CONDITIONS = ("clean", "flipped", "imbalanced", "corrected", "two_reviewers")


def make_cases(
    task: Task, count: int, *, seed: int, start: int, positives: float | None = None
) -> list[Case]:
    """Cases with their right values, nobody's answers yet.

    Args:
        task: The task.
        count: How many.
        seed: Same seed, same cases.
        start: The number of the first one; train and test cases do not share numbers.
        positives: The share on the better half of the values; None takes them as they come, about half.
    """
    dice = random.Random(f"{task.name}/{seed}/{start}")
    wanted = (
        None if positives is None else [round(count * positives), count - round(count * positives)]
    )
    cases: list[Case] = []
    while len(cases) < count:
        case = _case(task, dice, number=start + len(cases))
        if wanted is not None:
            side = 0 if is_positive(task, case.truth) else 1
            if not wanted[side]:
                continue
            wanted[side] -= 1
        cases.append(case)
    dice.shuffle(cases)
    return cases


def is_positive(task: Task, value: Any) -> bool:
    """Whether a value is on the better half; of a pair, whether the first response won."""
    if task.is_pairwise:
        return bool(value == "response_1")
    return task.values.index(value) >= len(task.values) / 2


def label(task: Task, cases: list[Case], condition: str, *, seed: int) -> None:
    """Put people's answers and a general judge's verdict on the cases, as the condition has it."""
    dice = random.Random(f"{task.name}/{seed}/{condition}")
    for case in cases:
        verdict = dice.choice(task.values)
        case.assessments = [_assessment("LLM_JUDGE", "general", verdict)]
        if condition == "corrected" and dice.random() < 0.3:
            case.assessments.append(
                _assessment("HUMAN", "ann", _other(task, case.truth, dice), is_valid=False)
            )
        if condition == "two_reviewers":
            case.assessments.append(_human(task, case, "ann", case.truth, case.violated, dice))
            forgiven = tuple(name for name in case.violated if name != task.overlooked)
            case.assessments.append(_human(task, case, "ben", case.lenient, forgiven, dice))
        elif condition == "flipped" and dice.random() < FLIPPED:
            case.assessments.append(_assessment("HUMAN", "ann", _other(task, case.truth, dice)))
        else:
            case.assessments.append(_human(task, case, "ann", case.truth, case.violated, dice))


def _case(task: Task, dice: random.Random, *, number: int) -> Case:
    question = dice.choice(QUESTIONS)
    name = f"{task.name}-{number}"
    inputs: dict[str, Any] = {"question": f"{question} ({number})"}
    if task.is_pairwise:
        first, second = _violations(task, dice), _violations(task, dice)
        outputs = {
            "response_1": _text(task, first, dice),
            "response_2": _text(task, second, dice),
        }
        forgiving = [len(first - {task.overlooked}), len(second - {task.overlooked})]
        return Case(
            id=name, inputs=inputs, outputs=outputs,
            truth=_winner(len(first), len(second)), lenient=_winner(*forgiving),
            violated=tuple(sorted(first ^ second)),
        )  # fmt: skip
    violated = _violations(task, dice)
    text = _text(task, violated, dice)
    if task.is_conversation:
        inputs = {
            "messages": [
                {"role": "user", "content": "Hello, I have a question."},
                {"role": "assistant", "content": "Of course, what is it?"},
                {"role": "user", "content": f"{question} ({number})"},
            ]
        }
    return Case(
        id=name, inputs=inputs, outputs={"answer": text},
        truth=task.value_of(len(violated), len(task.rubric)),
        lenient=task.value_of(len(violated - {task.overlooked}), len(task.rubric)),
        violated=tuple(sorted(violated)),
    )  # fmt: skip


def _winner(first: int, second: int) -> str:
    return "tie" if first == second else "response_1" if first < second else "response_2"


def _violations(task: Task, dice: random.Random) -> set[str]:
    if task.kind["kind"] == "boolean" and dice.random() < 0.45:
        return set()
    return {name for name in task.rubric if dice.random() < 0.45}


def _text(task: Task, violated: set[str], dice: random.Random) -> str:
    present = {name for name, wanted in task.rubric.items() if wanted != (name in violated)}
    present |= {name for name in task.noise if name not in task.rubric and dice.random() < 0.4}
    is_long = "short" in task.rubric and "short" not in present
    parts = [dice.choice(FILLERS), dice.choice(FILLERS)]
    parts += [dice.choice(SENTENCES[name]) for name in sorted(present - {"short", "greeting"})]
    if is_long:
        parts += [PADDING, dice.choice(FILLERS)]
    dice.shuffle(parts)
    if "greeting" in present:
        parts.insert(0, dice.choice(SENTENCES["greeting"]))
    return " ".join(parts).replace("{n}", str(dice.randint(2, 9)))


def _human(
    task: Task, case: Case, who: str, value: Any, violated: tuple[str, ...], dice: random.Random
) -> dict[str, Any]:
    rationale = ""
    if dice.random() < COMMENTED:
        named = [name for name in violated if (name, task.rubric[name]) in COMPLAINTS]
        rationale = (
            dice.choice(COMPLAINTS[chosen, task.rubric[chosen]])
            if named and (chosen := dice.choice(named))
            else PRAISE
        )
    return _assessment("HUMAN", who, value, rationale=rationale)


def _other(task: Task, value: Any, dice: random.Random) -> Any:
    return dice.choice([option for option in task.values if option != value])


def _assessment(
    source_type: str, source_id: str, value: Any, *, rationale: str = "", is_valid: bool = True
) -> dict[str, Any]:
    return {
        "source_type": source_type,
        "source_id": source_id,
        "value": value,
        "rationale": rationale,
        "valid": is_valid,
    }
