"""The bridge between a judge and DSPy's optimizers: the judge as a DSPy program, and our gateway as DSPy's model.

The program renders and calls with the judge's own code, so that what is optimised is what will run. DSPy swallows every
Exception and scores it 0; a failure that must end the run therefore travels as `Aborted`, which is none.
"""

from __future__ import annotations

import contextlib
import inspect
import io
import json
import logging
import sys
import threading
import traceback
from collections.abc import Callable, Iterator, Sequence
from contextvars import ContextVar
from dataclasses import replace
from types import FrameType
from typing import Any, TextIO

import dspy
from dspy.lm15 import Message, Request, Response, TextPart
from dspy.lm15 import Usage as DspyUsage

from alignment.errors import Aborted
from alignment.events import RunContext
from alignment.instructions import merged_instructions
from alignment.labels import Example
from judges.entities import Feedback
from judges.errors import Cancelled, JudgeError, MalformedAnswerError
from judges.instructions import Case, Demonstration, InstructionsJudge
from judges.llm import Gateway, ModelCall
from judges.render import fields_of, render

MODULE_NAME = "judge"  # DSPy's advice is addressed to the module of this name


class Bench:
    """What all copies of the program share: the judge, the examples, the gateway, and every answer bought so far.

    DSPy copies programs deeply and often; the bench stays one. A repeated question is answered from memory, so that
    a part of a run can be repeated at no cost.
    """

    def __init__(
        self, judge: InstructionsJudge, examples: Sequence[Example], context: RunContext
    ) -> None:
        self.judge = judge
        self.context = context
        self._verdicts: dict[tuple[object, ...], Feedback | MalformedAnswerError] = {}
        self._failure: JudgeError | Cancelled | None = None
        self._lock = threading.Lock()
        self._by_key: dict[str, tuple[Example, Case]] = {}
        self.trainset: list[dspy.Example] = []
        for example in examples:
            case = Case.from_trace(example.trace, judge)
            render(judge, case)  # refuses what the judge cannot be shown
            fields = fields_of(judge, case)
            self._by_key[_key(fields)] = (example, case)
            known = {"expert_label": example.value, "expert_rationale": example.rationale}
            self.trainset.append(dspy.Example(**fields, **known).with_inputs(*fields))

    def __deepcopy__(self, memo: dict[int, Any]) -> Bench:
        return self

    def verdict(
        self,
        fields: dict[str, Any],
        instructions: str,
        demos: Sequence[Any],
        *,
        temperature: float | None,
        nonce: int | None,
    ) -> Feedback | MalformedAnswerError:
        """The verdict of the judge with these instructions; a malformed answer comes back as what it is.

        Raises:
            Aborted: when the gateway failed.
            Cancelled: when the run was cancelled.
        """
        self._raise_earlier_failure()
        own_key = _key(fields)
        judge = self.judge_with(
            instructions, [demo for demo in demos if self._demo_key(demo) != own_key]
        )
        question = (own_key, judge.instructions, repr(judge.demonstrations), temperature, nonce)
        known = self._verdicts.get(question)
        if known is not None:
            return known
        answer: Feedback | MalformedAnswerError
        try:
            self.context.stop_if_cancelled()
            answer = judge.evaluate(
                self._by_key[own_key][1],
                gateway=self.context.gateway,
                temperature=temperature,
                nonce=nonce,
            )
        except MalformedAnswerError as error:
            answer = error
        except (JudgeError, Cancelled) as error:
            raise self.failed(error) from error
        self._verdicts[question] = answer
        return answer

    def failed(self, error: JudgeError | Cancelled) -> BaseException:
        """Remember a failure, so that calls already queued end at once; what to raise for it."""
        with self._lock:
            self._failure = self._failure or error
        return error if isinstance(error, Cancelled) else Aborted(error)

    def _raise_earlier_failure(self) -> None:
        failure = self._failure
        if failure is not None:
            raise failure if isinstance(failure, Cancelled) else Aborted(failure)

    def judge_with(self, instructions: str, demos: Sequence[Any]) -> InstructionsJudge:
        """The judge with what a DSPy program has learnt."""
        demonstrations = dict.fromkeys(self._demo_key(demo) for demo in demos)
        return replace(
            self.judge,
            instructions=merged_instructions(
                self.judge.instructions, instructions, self.judge.variables
            ),
            demonstrations=(
                *self.judge.demonstrations,
                *(self._demonstration(key) for key in demonstrations if key in self._by_key),
            ),
        )

    def _demo_key(self, demo: Any) -> str:
        names = [name for name in _field_names(self.judge) if name in demo]
        return _key({name: demo[name] for name in names})

    def _demonstration(self, key: str) -> Demonstration:
        """The case with the experts' answer: the judge's own answer in DSPy's demo may be wrong or badly reasoned."""
        example, case = self._by_key[key]
        return Demonstration(
            inputs=case.inputs,
            outputs=case.outputs,
            expectations=case.expectations,
            value=example.value,
            rationale=example.rationale,
        )


class JudgePredict(dspy.Predict):
    """The judge as a DSPy predictor. DSPy owns its instructions, its demos, and how it is sampled."""

    def __init__(self, bench: Bench) -> None:
        names = {name: (str, dspy.InputField()) for name in _field_names(bench.judge)}
        answer = {"rationale": (str, dspy.OutputField()), "result": (str, dspy.OutputField())}
        super().__init__(dspy.make_signature({**names, **answer}, bench.judge.instructions))
        self.bench = bench

    def forward(self, **fields: Any) -> Any:
        sampling = (
            self.lm or dspy.settings.lm
        ).kwargs  # a copy with a temperature and a rollout id for each try
        answer = self.bench.verdict(
            fields,
            self.signature.instructions,
            self.demos,
            temperature=sampling.get("temperature"),
            nonce=sampling.get("rollout_id"),
        )
        if isinstance(answer, Feedback):
            prediction = dspy.Prediction(rationale=answer.rationale, result=answer.value)
        else:
            prediction = dspy.Prediction(rationale=str(answer), result=None)
        if dspy.settings.trace is not None:
            dspy.settings.trace.append((self, {**fields}, prediction))
        return prediction


class JudgeProgram(dspy.Module):
    """Gives a verdict on one case: reads its fields and answers with a rationale and a result."""

    def __init__(self, bench: Bench) -> None:
        super().__init__()
        self.judge = JudgePredict(bench)

    def forward(self, **fields: Any) -> Any:
        return self.judge(**fields)


class GatewayEngine:
    """DSPy's own model calls, such as SIMBA's advice, sent through our gateway."""

    def __init__(self, bench: Bench, model: str) -> None:
        self._bench = bench
        self._model = model

    def complete(self, request: Request) -> Response:
        judge = self._bench.judge
        is_own_model = self._model == judge.model
        messages = [
            {"role": message.role, "content": message.text or ""} for message in request.messages
        ]
        if request.system:
            system = request.system
            text = system if isinstance(system, str) else "".join(part.text for part in system)
            messages.insert(0, {"role": "system", "content": text})
        call = ModelCall(
            model=self._model,
            messages=tuple(messages),
            base_url=judge.base_url if is_own_model else None,
            extra_headers=judge.extra_headers if is_own_model else {},
            purpose="reflection",
        )
        gateway: Gateway = self._bench.context.gateway
        try:
            self._bench.context.stop_if_cancelled()
            reply = gateway.complete(call)
        except (JudgeError, Cancelled) as error:
            raise self._bench.failed(error) from error
        return Response(
            id=None,
            model=request.model,
            message=Message.assistant([TextPart(reply.text)]),
            finish_reason="stop",
            usage=DspyUsage(
                input_tokens=reply.usage.input_tokens, output_tokens=reply.usage.output_tokens
            ),
        )


@contextlib.contextmanager
def dspy_run(
    bench: Bench, model: str, *, on_line: Callable[[str, str], None], loggers: Sequence[str]
) -> Iterator[None]:
    """Everything that DSPy needs around a run, for this thread alone: model, adapter, no history, no output.

    Args:
        bench: The judge and its examples.
        model: Answers DSPy's own calls.
        on_line: Gets (level, text) of what DSPy logs in this thread to the loggers named; nobody else sees it.
        loggers: Names of DSPy's loggers.
    """
    # The name keeps DSPy from guessing what some known model can do; the gateway knows.
    lm = dspy.LM("gateway/model", engine=GatewayEngine(bench, model), cache=False, num_retries=0)
    with (
        _quiet_progress_bars(),
        _listening(on_line, loggers),
        dspy.context(
            lm=lm,
            adapter=dspy.ChatAdapter(),
            disable_history=True,
            warn_on_type_mismatch=False,
            track_usage=False,
            callbacks=[],
            trace=[],
        ),
    ):
        try:
            yield
        except BaseException as error:
            # A progress bar that lives on in the frames of the error would print itself when they are forgotten.
            traceback.clear_frames(error.__traceback__)
            raise


def _field_names(judge: InstructionsJudge) -> list[str]:
    return sorted(judge.variables)


def _key(fields: dict[str, Any]) -> str:
    return json.dumps(fields, sort_keys=True, default=str, ensure_ascii=False)


# --- What is global in DSPy, tamed: its loggers, and progress bars on standard output. Two runs in two threads share it.

_listener: ContextVar[Callable[[str, str], None] | None] = ContextVar("dspy_listener", default=None)
_globals_lock = threading.Lock()
_tapped: dict[str, tuple[int, int]] = {}  # logger -> (users, level before)
_stdout_users = 0


class _Tap(logging.Filter):
    """Hands a run's lines to the run and to nobody else; other people's lines pass."""

    def filter(self, record: logging.LogRecord) -> bool:
        listener = _listener.get()
        if listener is None:
            return True
        listener(record.levelname, record.getMessage().strip())
        return False


_tap = _Tap()


@contextlib.contextmanager
def _listening(on_line: Callable[[str, str], None], loggers: Sequence[str]) -> Iterator[None]:
    with _globals_lock:
        for name in loggers:
            logger = logging.getLogger(name)
            users, level = _tapped.get(name, (0, logger.level))
            _tapped[name] = (users + 1, level)
            if users == 0:
                logger.addFilter(_tap)
                logger.setLevel(logging.INFO)
    token = _listener.set(on_line)
    try:
        yield
    finally:
        _listener.reset(token)
        with _globals_lock:
            for name in loggers:
                logger = logging.getLogger(name)
                users, level = _tapped.pop(name)
                if users > 1:
                    _tapped[name] = (users - 1, level)
                else:
                    logger.removeFilter(_tap)
                    logger.setLevel(level)


class _WithoutBars(io.TextIOBase):
    """Standard output without the progress bars that DSPy draws in runs; all else passes."""

    def __init__(self, real: TextIO) -> None:
        self.real = real

    def write(self, text: str) -> int:
        if _listener.get() is not None and _is_called_by_tqdm(inspect.currentframe()):
            return len(text)
        return self.real.write(text)

    def flush(self) -> None:
        self.real.flush()

    def __getattr__(self, name: str) -> Any:
        return getattr(self.real, name)


def _is_called_by_tqdm(frame: FrameType | None) -> bool:
    caller = frame.f_back if frame is not None else None
    return caller is not None and str(caller.f_globals.get("__name__", "")).startswith("tqdm")


@contextlib.contextmanager
def _quiet_progress_bars() -> Iterator[None]:
    global _stdout_users
    with _globals_lock:
        if _stdout_users == 0:
            sys.stdout = _WithoutBars(sys.stdout)
        _stdout_users += 1
    try:
        yield
    finally:
        with _globals_lock:
            _stdout_users -= 1
            if _stdout_users == 0 and isinstance(sys.stdout, _WithoutBars):
                sys.stdout = sys.stdout.real
