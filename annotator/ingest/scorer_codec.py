"""Registered judges over the wire: MLflow's serialized scorer read as far as it goes, and judges of ours written so."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from annotator.ingest.about import MLFLOW_VERSION
from annotator.ingest.body import check_depth
from annotator.ingest.errors import InvalidRequestError
from annotator.models import JudgeVersion
from annotator.records import ScorerDraft
from judges.answers import clean_text
from judges.errors import InvalidJudgeError
from judges.instructions import Demonstration, InstructionsJudge
from judges.values import ValueKind, ValueType, value_key

LONGEST_SERIALIZED = 2_000_000
LONGEST_INSTRUCTIONS = 100_000
LONGEST_MODEL = 200

_TEXT = ValueType(kind=ValueKind.TEXT)
_PLAIN = {
    "boolean": ValueKind.BOOLEAN,
    "integer": ValueKind.INTEGER,
    "number": ValueKind.NUMBER,
    "string": ValueKind.TEXT,
}
_OTHER_KINDS = {
    "builtin_scorer_class": "It is a scorer that comes with MLflow, whose program is in the client alone.",
    "third_party_scorer_data": "It belongs to another library, which is in the client alone.",
    "ensemble_scorer_data": "It puts several scorers together, which only the client does.",
}
_MEMORY = (
    "It is a judge with a memory, whose examples lie with the client. Its base instructions are shown here; "
    "edit them to make a version that runs."
)
_SESSION = "It looks at whole sessions of several traces, and judges here look at one trace."


def decode(text: str, *, name: str) -> ScorerDraft:
    """What a serialized scorer says. What cannot be run here is kept too, with the reason.

    Raises:
        InvalidRequestError: when it is no JSON object, or holds a program's source.
    """
    try:
        data = json.loads(text)
    except (ValueError, RecursionError):
        data = None
    if not isinstance(data, dict):
        raise InvalidRequestError(
            "Invalid value for parameter 'serialized_scorer': it must be a JSON object, as judge.register() writes it."
        )
    check_depth(data)
    if data.get("call_source"):
        raise InvalidRequestError(
            "Scorers made with @scorer cannot be registered here: whoever loads one would run its source. "
            "Register a judge made with make_judge instead."
        )
    draft = _Draft(text, data)
    plain = data.get("instructions_judge_pydantic_data")
    memory = data.get("memory_augmented_judge_data")
    if isinstance(plain, dict):
        draft.read(plain)
        if data.get("is_session_level_scorer") or data.get("session_level"):
            draft.problem = _SESSION
    elif isinstance(memory, dict):
        base = memory.get("base_judge")
        base = base.get("instructions_judge_pydantic_data") if isinstance(base, dict) else None
        if isinstance(base, dict):
            draft.read(base)
        draft.problem = _MEMORY
    else:
        known = (why for key, why in _OTHER_KINDS.items() if data.get(key))
        draft.problem = next(known, "It is of a kind that is not known here.")
    return draft.finished(name)


def encode(version: JudgeVersion) -> str:
    """The serialized scorer of a version: as it was registered, or, of one made here, with all that it has learnt."""
    if version.serialized:
        return version.serialized
    try:
        judge = version.to_domain()
    except InvalidJudgeError:
        # A draft without a model; the client asks for one when the judge is called.
        judge = None
    plain = judge.without_memory() if judge else None
    data: dict[str, Any] = {
        "instructions": _with_examples(plain) if plain else version.instructions,
        "model": version.model or None,
        "feedback_value_type": schema_of(version.value_type),
    }
    if version.inference_params:
        data["inference_params"] = version.inference_params
    if version.generate_rationale_first:
        data["generate_rationale_first"] = True
    return json.dumps(
        {
            "name": version.judge.name,
            "description": _description(version) or None,
            "aggregations": [],
            "is_session_level_scorer": False,
            "mlflow_version": MLFLOW_VERSION,
            "serialization_version": 1,
            "instructions_judge_pydantic_data": data,
        }
    )


def value_type_of(schema: Any) -> ValueType:
    """The value type of a JSON schema, as MLflow writes `feedback_value_type`.

    Raises:
        InvalidJudgeError: when verdicts of such a type cannot be given here.
    """
    if schema is None:
        return _TEXT
    if not isinstance(schema, dict):
        raise InvalidJudgeError("Its value type cannot be understood.")
    branches = schema.get("anyOf")
    if isinstance(branches, list):
        given = [each for each in branches if each != {"type": "null"}]
        if len(given) == 1:
            return value_type_of(given[0])
    members = schema.get("enum", [schema["const"]] if "const" in schema else None)
    if isinstance(members, list):
        is_plain = all(isinstance(member, (str, int, float, bool)) for member in members)
        if is_plain and set(map(value_key, members)) == {"true", "false"} and True in members:
            return ValueType(kind=ValueKind.BOOLEAN)
        if is_plain:
            return ValueType(kind=ValueKind.CATEGORY, categories=tuple(members), ordered=True)
    kind = _PLAIN.get(str(schema.get("type")))
    if kind is None or members is not None:
        raise InvalidJudgeError(
            "Its verdicts are lists or objects; here a verdict is yes or no, a category, a number or a text."
        )
    return ValueType(kind=kind)


def schema_of(value_type: ValueType) -> dict[str, Any]:
    """The JSON schema of a value type, as MLflow reads `feedback_value_type`; bounds cannot go along."""
    if value_type.kind is ValueKind.CATEGORY:
        members = list(value_type.categories)
        schema: dict[str, Any] = {"enum": members, "title": "Result"}
        if all(isinstance(member, str) for member in members):
            schema["type"] = "string"
        return schema
    names = {kind: name for name, kind in _PLAIN.items()}
    return {"title": "Result", "type": names[value_type.kind]}


class _Draft:
    """A draft being read; the first thing that cannot be run is the reason."""

    def __init__(self, text: str, data: Mapping[str, Any]) -> None:
        self.problem = ""
        self._columns: dict[str, Any] = {"serialized": text, "value_type": _TEXT}
        if isinstance(data.get("description"), str):
            self._columns["description"] = clean_text(data["description"])[:20_000]

    def read(self, data: Mapping[str, Any]) -> None:
        """Take over what a judge made of instructions says of itself."""
        for column, longest in (("instructions", LONGEST_INSTRUCTIONS), ("model", LONGEST_MODEL)):
            text = data.get(column)
            if isinstance(text, str) and len(text) <= longest:
                self._columns[column] = clean_text(text)
            elif text is not None:
                self.problem = (
                    f"Its {column} cannot be understood or are longer than {longest:,} characters."
                )
        if isinstance(params := data.get("inference_params"), dict):
            self._columns["inference_params"] = params
        self._columns["generate_rationale_first"] = data.get("generate_rationale_first") is True
        try:
            self._columns["value_type"] = value_type_of(data.get("feedback_value_type"))
        except InvalidJudgeError as error:
            self.problem = str(error)

    def finished(self, name: str) -> ScorerDraft:
        """The draft; one that makes no judge here says why."""
        draft = ScorerDraft(**self._columns)
        problem = self.problem
        if not problem:
            try:
                InstructionsJudge(
                    name=name,
                    instructions=draft.instructions,
                    value_type=draft.value_type,
                    model=draft.model,
                    inference_params=draft.inference_params,
                )
            except InvalidJudgeError as error:
                problem = str(error)
        return ScorerDraft(
            **{
                **self._columns,
                "not_runnable": f"Not runnable here. {problem}"[:500] if problem else "",
            }
        )


def _description(version: JudgeVersion) -> str:
    """The judge's own, and what of it cannot go along."""
    lines = [version.judge.description]
    if version.memory_data:
        lines.append("Its guidelines are in the text; the cases it looks up stay with Annotator.")
    if version.calibration_data:
        lines.append("Its calibration stays with Annotator.")
    return " ".join(line for line in lines if line)


def _with_examples(judge: InstructionsJudge) -> str:
    """The instructions, and below them the examples that the judge is shown; no braces in them are placeholders."""
    if not judge.demonstrations:
        return judge.instructions
    examples = [_example(each) for each in judge.demonstrations]
    text = "\n\n".join(["Examples of right verdicts:", *examples])
    return f"{judge.instructions.rstrip()}\n\n{text.replace('{{', '{ {').replace('}}', '} }')}"


def _example(demonstration: Demonstration) -> str:
    fields = {
        "inputs": demonstration.inputs,
        "outputs": demonstration.outputs,
        "expectations": demonstration.expectations,
    }
    lines = [
        f"{name}: {json.dumps(value, ensure_ascii=False)}"
        for name, value in fields.items()
        if value is not None
    ]
    lines.append(f"result: {value_key(demonstration.value)}")
    if demonstration.rationale:
        lines.append(f"rationale: {demonstration.rationale}")
    return clean_text("\n".join(lines))
