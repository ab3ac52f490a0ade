"""Judges made from instructions in plain words, and `make_judge`."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from judges.answers import parse_answer
from judges.base import Judge
from judges.calibration import Calibration
from judges.calls import FROM_ENVIRONMENT, ModelCall, split_model
from judges.entities import AssessmentSource, Feedback, SourceType, Trace, Usage
from judges.errors import InvalidJudgeError, MalformedAnswerError
from judges.llm import Gateway, current_gateway
from judges.memory import Demonstration as Demonstration
from judges.memory import Memory, MemoryExample
from judges.render import (
    VARIABLES,
    answer_schema,
    ask_again,
    case_text,
    instructions_with_guidelines,
    render,
)
from judges.values import ValueType, value_key

DEFAULT_MODEL = "openai:/gpt-4.1-mini"
MODEL_VARIABLE = "ANNOTATOR_DEFAULT_MODEL"

_PLACEHOLDER = re.compile(r"\{\{\s*([A-Za-z_][\w.-]*)\s*\}\}")
_INVISIBLE = re.compile(r"[\x00-\x1f\x7f-\x9f\u200b-\u200f\u2028-\u202e\ud800-\udfff\ufeff]")
# They belong to the call, not to the model; a key among them would lie open in the database.
_NO_INFERENCE_PARAMS = {
    *("model", "messages", "response_format", "tools", "n", "stream", "mock_response"),
    *("api_key", "api_base", "api_version", "base_url", "headers", "extra_headers"),
    *("client", "custom_llm_provider", "callbacks", "drop_params"),
    *("timeout", "num_retries", "max_retries", "fallbacks"),
}
_VARIABLE_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
# Secrets of the program itself, which no model's server is to have.
_NO_HEADER_VARIABLES = {"SECRET_KEY", "DATABASE_URL", "REDIS_URL"}
_MOST_ASKS = 3  # an unusable answer is asked again twice


@dataclass(frozen=True, kw_only=True)
class Case:
    """What a judge is to judge. A trace in it never carries assessments."""

    inputs: Any = None
    outputs: Any = None
    expectations: Any = None
    trace: Trace | None = None

    def __post_init__(self) -> None:
        if self.trace is not None and self.trace.assessments:
            object.__setattr__(self, "trace", self.trace.without_assessments())

    @classmethod
    def from_trace(cls, trace: Trace, judge: InstructionsJudge) -> Case:
        """The case that a trace poses to a judge: nothing that people or judges said of it, and expectations only
        where the instructions name them."""
        return cls(
            inputs=trace.inputs,
            outputs=trace.outputs,
            expectations=trace.expectations if "expectations" in judge.variables else None,
            trace=trace.without_assessments(),
        )


@dataclass(frozen=True, kw_only=True)
class InstructionsJudge(Judge):
    """A judge made from instructions. Immutable: an aligned judge is a new one.

    Attributes:
        name: The name its verdicts, and the feedback that teaches it, bear.
        instructions: The criteria, with at least one of the placeholders `{{ inputs }}`, `{{ outputs }}`,
            `{{ expectations }}`, `{{ trace }}`, `{{ conversation }}`.
        value_type: What its verdicts may be.
        model: `provider:/model` or `provider/model`.
        description: For people; never sent to the model.
        inference_params: temperature, max_tokens and the like.
        base_url: Address of an own or proxy server, or None.
        extra_headers: HTTP headers for it; `env:NAME` as a value sends that environment variable, which is not stored.
        generate_rationale_first: Whether the model writes its reason before its verdict, so that it informs it.
        demonstrations: Cases with their right verdicts, shown in the prompt.
        memory: Guidelines, and labelled cases of which the nearest are shown; None for none.
        calibration: What the model's answers stand for; None takes them as they are.

    Raises:
        InvalidJudgeError: when something of this is wrong. The message names the remedy.
    """

    name: str
    instructions: str
    value_type: ValueType
    model: str
    description: str = ""
    inference_params: dict[str, Any] = field(default_factory=dict)
    base_url: str | None = None
    extra_headers: dict[str, str] = field(default_factory=dict)
    generate_rationale_first: bool = True
    demonstrations: tuple[Demonstration, ...] = ()
    memory: Memory | None = None
    calibration: Calibration | None = None

    def __post_init__(self) -> None:
        _check_name(self.name)
        _check_instructions(self.instructions)
        _check_model(self.model, base_url=self.base_url, extra_headers=self.extra_headers)
        _check_inference_params(self.inference_params)
        if not isinstance(self.value_type, ValueType):
            raise InvalidJudgeError(
                "The value type must be a ValueType; make_judge makes one from bool or Literal[…]."
            )

    @property
    def variables(self) -> frozenset[str]:
        """The template variables that the instructions use."""
        return frozenset(_PLACEHOLDER.findall(self.instructions))

    def __call__(
        self,
        *,
        inputs: Any = None,
        outputs: Any = None,
        expectations: Any = None,
        trace: Trace | None = None,
    ) -> Feedback:
        """The verdict on the fields given, or on a trace; a field given stands above the trace's.

        Raises:
            InvalidTraceError: when a field that the instructions use is neither given nor in the trace.
            ProviderError: when the model could not be reached or refused.
            MalformedAnswerError: when its answer could not be used, also when asked again.
        """
        case = Case() if trace is None else Case.from_trace(trace, self)
        given = {"inputs": inputs, "outputs": outputs, "expectations": expectations}
        return self.evaluate(
            replace(case, **{name: value for name, value in given.items() if value is not None})
        )

    def evaluate(
        self,
        case: Case,
        *,
        gateway: Gateway | None = None,
        temperature: float | None = None,
        nonce: int | None = None,
    ) -> Feedback:
        """The verdict on a case.

        Args:
            case: What to judge.
            gateway: Where to send the calls; None means the current one.
            temperature: Overrides the judge's own, to sample different verdicts.
            nonce: Tells such samples apart.

        Raises:
            InvalidTraceError: when the case lacks a field that the instructions use.
            ProviderError: when the model could not be reached or refused.
            MalformedAnswerError: when its answer could not be used, also when asked again.
            BudgetExceededError: when the gateway's budget is used up.
        """
        gateway = gateway or current_gateway()
        params = dict(self.inference_params)
        if temperature is not None:
            params["temperature"] = temperature
        call = ModelCall(
            model=self.model,
            messages=render(self, case, self._recalled(case, gateway)),
            schema=answer_schema(self),
            inference_params=params,
            base_url=self.base_url,
            extra_headers=self.extra_headers,
            nonce=nonce,
        )
        usage = Usage()
        problem = ""
        for _ in range(_MOST_ASKS):
            reply = gateway.complete(call)
            if not reply.cached:
                usage += reply.usage
            try:
                value, rationale = parse_answer(reply.text, self.value_type)
            except MalformedAnswerError as error:
                problem = str(error)
                if reply.truncated:
                    problem += " It was cut off: raise max_tokens in the inference parameters."
                call = replace(
                    call, messages=call.messages[:2] + ask_again(reply.text, problem, self)
                )
                continue
            said = value
            if self.calibration is not None:
                value = self.calibration.apply(said, self.value_type)
            metadata = {"served_by": reply.served_by} if reply.served_by else {}
            if value_key(value) != value_key(said):
                metadata["answer_before_calibration"] = value_key(said)
            return Feedback(
                name=self.name,
                value=value,
                rationale=rationale,
                source=AssessmentSource(source_type=SourceType.LLM_JUDGE, source_id=self.model),
                usage=usage,
                metadata=metadata,
            )
        raise MalformedAnswerError(
            f"{self.model} gave no usable verdict, also when asked again. {problem}",
            answer=reply.text,
        )

    def _recalled(self, case: Case, gateway: Gateway) -> tuple[MemoryExample, ...]:
        """The labelled cases to show beside this one, never itself."""
        memory = self.memory
        if memory is None or not memory.recalls:
            return ()
        text = case_text(self, case)
        vector: Sequence[float] = ()
        if memory.embedding_model:
            (vector,) = gateway.embed(memory.embedding_model, [text])
        trace_id = case.trace.trace_id if case.trace is not None else None
        return memory.nearest(text, trace_id=trace_id, vector=vector)

    def without_memory(self) -> InstructionsJudge:
        """The same judge as plain instructions, for programs that know nothing of memories.

        The guidelines stand in its text; labelled cases that were looked up become none, a calibration is left off.
        """
        if self.memory is None:
            return replace(self, calibration=None)
        text = instructions_with_guidelines(self)
        return replace(self, instructions=text, memory=None, calibration=None)

    def to_dict(self) -> dict[str, Any]:
        """A JSON-able form; `from_dict` makes the same judge of it."""
        return {
            "name": self.name,
            "instructions": self.instructions,
            "value_type": self.value_type.to_dict(),
            "model": self.model,
            "description": self.description,
            "inference_params": dict(self.inference_params),
            "base_url": self.base_url,
            "extra_headers": dict(self.extra_headers),
            "generate_rationale_first": self.generate_rationale_first,
            "demonstrations": [demonstration.to_dict() for demonstration in self.demonstrations],
            "memory": self.memory.to_dict() if self.memory else None,
            "calibration": self.calibration.to_dict() if self.calibration else None,
        }

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> InstructionsJudge:
        """The inverse of `to_dict`.

        Raises:
            InvalidJudgeError: when the data are those of no valid judge.
        """
        return cls(
            **{
                **data,
                "value_type": ValueType.from_dict(data["value_type"]),
                "demonstrations": tuple(
                    Demonstration(**item) for item in data.get("demonstrations", ())
                ),
                "memory": Memory.from_dict(data["memory"]) if data.get("memory") else None,
                "calibration": Calibration.from_dict(data["calibration"])
                if data.get("calibration")
                else None,
            }
        )


def make_judge(
    name: str,
    instructions: str,
    model: str | None = None,
    description: str | None = None,
    feedback_value_type: object = None,
    inference_params: dict[str, Any] | None = None,
    base_url: str | None = None,
    extra_headers: dict[str, str] | None = None,
    *,
    generate_rationale_first: bool = True,
) -> InstructionsJudge:
    """A judge made from instructions in plain words.

    Args:
        name: The name its verdicts, and the feedback that teaches it, bear.
        instructions: The criteria, with at least one of `{{ inputs }}`, `{{ outputs }}`, `{{ expectations }}`,
            `{{ trace }}`, `{{ conversation }}`; a conversation goes together with expectations only.
        model: `provider:/model` or `provider/model`. None takes the environment's ANNOTATOR_DEFAULT_MODEL, else
            `openai:/gpt-4.1-mini`.
        description: For people; never sent to the model.
        feedback_value_type: `bool`, `int`, `float`, `str`, `Literal[…]`, or a `ValueType` for bounds and order.
            None means text.
        inference_params: temperature, max_tokens and the like.
        base_url: Address of an own or proxy server.
        extra_headers: HTTP headers for it; `env:NAME` as a value sends that environment variable, which is not stored.
        generate_rationale_first: Whether the model writes its reason before its verdict.

    Raises:
        InvalidJudgeError: when something of this is wrong. The message names the remedy.
    """
    return InstructionsJudge(
        name=name,
        instructions=instructions,
        value_type=ValueType.from_annotation(feedback_value_type),
        model=model if model is not None else os.environ.get(MODEL_VARIABLE) or DEFAULT_MODEL,
        description=description or "",
        inference_params=inference_params if inference_params is not None else {},
        base_url=base_url,
        extra_headers=extra_headers if extra_headers is not None else {},
        generate_rationale_first=generate_rationale_first,
    )


def _check_name(name: object) -> None:
    if not isinstance(name, str) or not name.strip():
        raise InvalidJudgeError(
            "A judge needs a name: feedback teaches the judge whose name it bears."
        )
    if name != name.strip():
        raise InvalidJudgeError(
            f"The name “{name}” begins or ends with a blank; write “{name.strip()}”."
        )
    if _INVISIBLE.search(name):
        raise InvalidJudgeError(
            "The name holds a line break or another invisible character; remove it."
        )


def _check_instructions(instructions: object) -> None:
    known = ", ".join(f"{{{{ {variable} }}}}" for variable in VARIABLES)
    if not isinstance(instructions, str) or not instructions.strip():
        raise InvalidJudgeError(
            "A judge needs instructions: say in plain words what is good and what is bad."
        )
    used = set(_PLACEHOLDER.findall(instructions))
    foreign = sorted(used - set(VARIABLES))
    if foreign:
        raise InvalidJudgeError(
            f"The instructions use {{{{ {foreign[0]} }}}}, which no case has; use only {known}."
        )
    if not used:
        raise InvalidJudgeError(
            f"The instructions must say what to judge: use at least one of {known}."
        )
    beside_conversation = sorted(used - {"conversation", "expectations"})
    if "conversation" in used and beside_conversation:
        raise InvalidJudgeError(
            f"{{{{ conversation }}}} cannot stand together with {{{{ {beside_conversation[0]} }}}}: it already holds "
            "the inputs and outputs. Only {{ expectations }} may stand beside it."
        )


def _check_inference_params(params: object) -> None:
    if not isinstance(params, dict):
        raise InvalidJudgeError(
            'The inference parameters must be a dict, for example {"temperature": 0}.'
        )
    for name in params:
        if not isinstance(name, str) or name in _NO_INFERENCE_PARAMS:
            raise InvalidJudgeError(
                f"“{name}” cannot be an inference parameter; temperature, top_p, max_tokens and seed can."
            )


def _check_model(model: object, *, base_url: object, extra_headers: object) -> None:
    if not isinstance(model, str):
        raise InvalidJudgeError("The model must be a text such as openai:/gpt-4.1-mini.")
    split_model(model)
    if base_url is not None and (
        not isinstance(base_url, str) or not base_url.startswith(("http://", "https://"))
    ):
        raise InvalidJudgeError("The base URL must be a text that begins with http:// or https://.")
    if not isinstance(extra_headers, dict) or not all(
        isinstance(part, str) for header in extra_headers.items() for part in header
    ):
        raise InvalidJudgeError(
            "The extra headers must be a dict of texts: header name to header value."
        )
    for name, value in extra_headers.items():
        variable = value.removeprefix(FROM_ENVIRONMENT)
        if value != variable and not _VARIABLE_NAME.fullmatch(variable):
            raise InvalidJudgeError(
                f"The extra headers say “{value}” for {name}: write env: and the name of an environment variable, "
                "such as env:MY_KEY."
            )
        if value != variable and variable in _NO_HEADER_VARIABLES:
            raise InvalidJudgeError(
                f"The extra headers must not send {variable}, a secret of this program; name another variable."
            )
