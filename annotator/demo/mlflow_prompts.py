"""How the demo model reads what MLflow's judges and optimizers send, which look different from ours."""

from __future__ import annotations

import re
from typing import Any

from annotator.demo.prompts import loaded

_TASK = re.compile(r"Your task:\s*(?P<task>.*)\.\s*You \*must\* format your", re.DOTALL)
_DEMONSTRATIONS = re.compile(
    r"\AHere are some examples of good assessments:.*^rationale: [^\n]*$(?:\n\n)?",
    re.DOTALL | re.MULTILINE,
)
_RETRIEVED = re.compile(
    r"^Example Judgements \(\d+\):$.*?(?=^Distilled Guidelines \(\d+\):$|\Z)",
    re.DOTALL | re.MULTILINE,
)
_FIELD = re.compile(r"^(inputs|outputs|expectations|conversation): ", re.MULTILINE)
_RECORD = re.compile(r'^\{\n\s*"id": (?P<id>\d+),\n(?P<fields>.*?)^\}', re.DOTALL | re.MULTILINE)
_RECORD_FIELD = re.compile(
    r'^\s*"(?P<name>\w+)": "(?P<value>.*?)",[ \t]*\n\s*(?=^\s*"\w+": "|\Z)',
    re.DOTALL | re.MULTILINE,
)


def task_in(system: str) -> str | None:
    """The instructions in the system message of one of MLflow's judges, without examples of other cases.

    None when the message is not MLflow's.
    """
    found = _TASK.search(system)
    if found is None:
        return None
    return _RETRIEVED.sub("", _DEMONSTRATIONS.sub("", found["task"])).strip()


def fields_in(user: str) -> dict[str, Any]:
    """The case in the user message of one of MLflow's judges: `inputs: …` and so on, each with its JSON."""
    marks = list(_FIELD.finditer(user))
    if not marks or marks[0].start():
        return {}
    ends = [*(mark.start() for mark in marks), len(user)][1:]
    return {
        mark[1]: loaded(user[mark.end() : end].strip())
        for mark, end in zip(marks, ends, strict=True)
    }


def records_in(prompt: str) -> list[dict[str, Any]]:
    """The labelled examples in MemAlign's request for guidelines: like JSON, but with quotes left as they are."""
    return [
        {"id": int(record["id"])}
        | {
            field["name"]: loaded(field["value"])
            for field in _RECORD_FIELD.finditer(record["fields"])
        }
        for record in _RECORD.finditer(prompt)
    ]
