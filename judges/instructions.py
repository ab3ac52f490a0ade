"""Judges made from instructions in plain words, and `make_judge`."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from judges.answers import parse_answer
from judges.base import Judge
from judges.calibration import Calibration
from judges.calls import ModelCall, split_model
from judges.definition import (
    PLACEHOLDER,
    check_inference_params,
    check_instructions,
    check_model,
    check_name,
)
from judges.entities import AssessmentSource, Feedback, SourceType, Trace, Usage
from judges.errors import InvalidJudgeError, MalformedAnswerError
from judges.llm import Gateway, current_gateway
from judges.memory import Demonstration as Demonstration
from judges.memory import Memory, MemoryExample
from judges.render import (
    answer_schema,
    ask_again,
    case_text,
    instructions_with_guidelines,
    render,
)
from judges.values import ValueType, value_key

DEFAULT_MODEL = "openai:/gpt-4.1-mini"
MODEL_VARIABLE = "ANNOTATOR_DEFAULT_MODEL"

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
        check_name(self.name)
        check_instructions(self.instructions)
        check_model(self.model, base_url=self.base_url, extra_headers=self.extra_headers)
        check_inference_params(self.inference_params)
        if not isinstance(self.value_type, ValueType):
            raise InvalidJudgeError(
                "The value type must be a ValueType; make_judge makes one from bool or Literal[…]."
            )

    @property
    def variables(self) -> frozenset[str]:
        """The template variables that the instructions use."""
        return frozenset(PLACEHOLDER.findall(self.instructions))

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
            (vector,) = self.embed(memory.embedding_model, [text], gateway=gateway)
        trace_id = case.trace.trace_id if case.trace is not None else None
        return memory.nearest(text, trace_id=trace_id, vector=vector)

    def embed(self, model: str, texts: Sequence[str], *, gateway: Gateway) -> list[list[float]]:
        """Embeddings of texts; from the judge's own server where the model is of the judge's provider.

        Raises:
            ProviderError, BudgetExceededError, Cancelled: as the gateway does.
        """
        is_own = split_model(model)[0] == split_model(self.model)[0]
        return gateway.embed(
            model,
            texts,
            base_url=self.base_url if is_own else None,
            extra_headers=self.extra_headers if is_own else {},
        )

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
