"""The offline demo model: a pure function from an OpenAI chat body to a text.

It is not a language model. As a judge it applies exactly the criteria that the instructions state; as an optimizer's
model it finds such criteria in the cases and comments it is shown. What it is asked for it sees from the prompt alone.
"""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from typing import Any

from annotator.demo.criteria import Criterion, criteria_in
from annotator.demo.grading import judge
from annotator.demo.mlflow_prompts import fields_in, records_in, task_in
from annotator.demo.pairs import judge_pair, pair_of_fields
from annotator.demo.prompts import (
    AnswerForm,
    answer_form,
    case_in,
    case_of_fields,
    fields_of,
    instructions_in,
    loaded,
    sections_of,
    text_of,
)
from annotator.demo.reflection import Lesson, advice_on, criteria_from, lesson_of, lessons_in

DEMO_PROVIDER = "demo"
DEMO_MODEL_NAME = "demo:/judge"
DEMO_MODEL_LABEL = "demo model"
DEMO_MODEL_NOTICE = (
    "Demo model: a small offline program that applies the written criteria; not a language model."
)

_CASE_MARK = re.compile(r"<(?:inputs|outputs|expectations|conversation|trace)>|\[\[ ## \w+ ## \]\]")


def respond(body: dict[str, Any]) -> str:
    """The answer to an OpenAI chat body: messages, and where given temperature, seed and response_format.

    The same body always gets the same answer. Any prompt gets one: what the model does not recognise, it judges.
    """
    messages = [message for message in body.get("messages") or [] if isinstance(message, dict)]
    system = "\n\n".join(text_of(m) for m in messages if m.get("role") in {"system", "developer"})
    users = [text_of(message) for message in messages if message.get("role") == "user"]
    user = next(
        (text for text in reversed(users) if _CASE_MARK.search(text)), users[-1] if users else ""
    )
    sections = sections_of(user)
    temperature = float(body.get("temperature") or 0)
    seed = body.get("seed")
    if "better_program_trajectory" in sections:
        return _advise(sections, system, dice=(user, seed if temperature else None))
    if "examples_with_feedback" in sections:
        return _propose(sections, system)
    if re.search(r"distill? a (?:set|list) of guidelines", f"{system}\n{user}", re.IGNORECASE):
        return _distill(user)
    if re.search(r"merge guidelines into one list", system, re.IGNORECASE):
        return _merge(user)
    return _judge(body, system, user, temperature=temperature, seed=seed)


def _judge(body: dict[str, Any], system: str, user: str, *, temperature: float, seed: Any) -> str:
    form = answer_form(body, system)
    instructions = task_in(system) or instructions_in(system)
    criteria, dice = criteria_in(instructions), (instructions, user, seed)
    fields = fields_in(user) or fields_of(user)
    pair = pair_of_fields(fields)
    if pair and set(pair.names) <= set(form.categories):
        verdict = judge_pair(pair, criteria, form.categories, temperature=temperature, dice=dice)
    else:
        case = case_of_fields(fields) if fields else case_in(user)
        verdict = judge(case, criteria, form, temperature=temperature, dice=dice)
    values = dict.fromkeys(form.fields, verdict.rationale) | {form.value_field: verdict.value}
    return _laid_out(values, form)


def _laid_out(values: dict[str, Any], form: AnswerForm) -> str:
    if not form.in_sections:
        return json.dumps(values, ensure_ascii=False)
    sections = [
        f"[[ ## {name} ## ]]\n{value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)}"
        for name, value in values.items()
    ]
    return "\n\n".join([*sections, "[[ ## completed ## ]]"])


def _advise(sections: dict[str, str], system: str, *, dice: tuple[object, ...]) -> str:
    """The answer to SIMBA's question what the judge should do better, from one case seen twice."""
    fields = loaded(sections.get("program_inputs", ""))
    lesson = lesson_of(
        fields if isinstance(fields, dict) else {"outputs": fields},
        loaded(sections.get("oracle_metadata", "")),
    )
    defined = sections.get("modules_defn", "")
    stated = criteria_in(defined.partition("Original Instructions:")[2])
    criteria = advice_on(lesson, stated, dice=dice)
    advice = _in_words(criteria)
    names = loaded(sections.get("module_names", ""))
    values = {
        "discussion": _discussion(lesson, criteria),
        "module_advice": {
            str(name): advice for name in (names if isinstance(names, list) else [names]) if advice
        },
    }
    in_sections = "Outputs will be a JSON object" not in system
    return _laid_out(values, AnswerForm(fields=tuple(values), in_sections=in_sections))


def _discussion(lesson: Lesson, criteria: Sequence[Criterion]) -> str:
    if not criteria:
        return "Nothing in this case tells the better verdict from the worse one."
    source = "The person's comment names" if lesson.comment else "A guess from the answer itself is"
    return f"{source} what the judge did not look at: {_in_words(criteria)}"


def _in_words(criteria: Sequence[Criterion]) -> str:
    return "\n".join(criterion.sentence for criterion in criteria)


def _propose(sections: dict[str, str], system: str) -> str:
    """The answer to GEPA's request for new instructions: the old ones, and the criteria that the examples teach."""
    current = sections.get("current_instruction", "")
    criteria = criteria_from(
        lessons_in(loaded(sections["examples_with_feedback"])), criteria_in(current)
    )
    sentences = {criterion.sentence for criterion in criteria}
    stated = {criterion.sentence for criterion in criteria_in(current)}
    kept = [line for line in current.splitlines() if line.strip() not in stated - sentences]
    known = {line.strip() for line in kept}
    added = [criterion.sentence for criterion in criteria if criterion.sentence not in known]
    values = {"new_instruction": "\n".join([*kept, *added]).strip()}
    in_sections = "JSON object" not in system
    return _laid_out(values, AnswerForm(fields=tuple(values), in_sections=in_sections))


def _distill(user: str) -> str:
    """Guidelines from a list of labelled cases in JSON, each with the cases that its criterion tells apart."""
    lessons = lessons_in(records_in(user) or _first_list(user))
    guidelines = [
        {
            "guideline_text": criterion.sentence,
            "source_trace_ids": [
                lesson.source
                for lesson in lessons
                if not all(criterion.is_met(text) for text in lesson.texts)
            ][:10],
        }
        for criterion in criteria_from(lessons, [])
    ]
    return json.dumps({"guidelines": guidelines}, ensure_ascii=False)


def _first_list(text: str) -> Any:
    """The first JSON list of objects in a text."""
    for match in re.finditer(r"\[\s*\{", text):
        try:
            found, _ = json.JSONDecoder().raw_decode(text, match.start())
        except ValueError:
            continue
        return found
    return []


def _merge(user: str) -> str:
    """One guideline for each thing that a list of them is about, the best supported first, and what they contradict."""
    about: dict[str, list[tuple[int, int, Criterion]]] = {}
    for number, record in enumerate(_first_list(user), start=1):
        for criterion in criteria_in(str(record.get("guideline_text"))):
            support = int(record.get("cases") or 0)
            about.setdefault(criterion.subject, []).append((support, number, criterion))
    best = {subject: max(said, key=lambda each: each[:2]) for subject, said in about.items()}
    ranked = sorted(best, key=lambda subject: -sum(support for support, _, _ in about[subject]))
    guidelines = [
        {
            "guideline_text": best[subject][2].sentence,
            "sources": [number for _, number, _ in about[subject]],
        }
        for subject in ranked
    ]
    contradictions = [
        {"about": " / ".join(sorted({criterion.sentence for _, _, criterion in said}))}
        for said in about.values()
        if len({criterion.is_wanted for _, _, criterion in said}) > 1
    ]
    return json.dumps(
        {"guidelines": guidelines, "contradictions": contradictions}, ensure_ascii=False
    )
