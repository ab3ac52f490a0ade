"""Assessments of every kind."""

import mlflow
from common import connect, flush, plain_assessment, refused
from mlflow.entities import AssessmentError, AssessmentSource, Expectation, Feedback


def source(kind, who):
    """Who says it."""
    return AssessmentSource(source_type=kind, source_id=who)


def every_kind(url, token, experiment):
    """A trace with feedback of each type and source, expectations and an error; as it reads afterwards."""
    connect(url, token)
    mlflow.set_experiment(experiment)
    with mlflow.start_span("assessed") as span:
        span.set_inputs({"question": "?"})
        span.set_outputs({"answer": "!"})
    flush()
    trace_id = span.trace_id
    ann, model = source("HUMAN", "ann@example.com"), source("LLM_JUDGE", "openai:/gpt-4.1-mini")
    code = source("CODE", "checks.py")
    values = {
        "words": "good", "yes": True, "no": False, "whole": 3, "half": 0.5, "nothing": "",
        "list": ["a", 1, None], "object": {"a": {"b": [1, 2]}}, "letters": "Größe ✓",
    }  # fmt: skip
    for name, value in values.items():
        mlflow.log_feedback(trace_id=trace_id, name=name, value=value, source=ann)
    mlflow.log_feedback(
        trace_id=trace_id,
        name="quality",
        value="poor",
        source=model,
        rationale="It names no day.",
        metadata={"tokens": "71"},
        span_id=span.span_id,
    )
    mlflow.log_feedback(trace_id=trace_id, name="length", value=17, source=code)
    mlflow.log_feedback(trace_id=trace_id, name="default_source", value=1)
    mlflow.log_feedback(
        trace_id=trace_id,
        name="broken",
        error=AssessmentError(error_code="TIMEOUT", error_message="no answer in 60 s"),
        source=model,
    )
    mlflow.log_expectation(trace_id=trace_id, name="capital", value="Paris", source=ann)
    mlflow.log_expectation(trace_id=trace_id, name="facts", value={"all": [1, "two"]}, source=ann)
    trace = mlflow.get_trace(trace_id)
    return {
        "trace": trace_id,
        "span": span.span_id,
        "assessments": [plain_assessment(a) for a in trace.info.assessments],
    }


def changed(url, token, experiment):
    """Feedback that is updated, overridden and deleted, and what is there after each step."""
    connect(url, token)
    mlflow.set_experiment(experiment)
    with mlflow.start_span("changed") as span:
        span.set_inputs("?")
    flush()
    trace_id, ann = span.trace_id, source("HUMAN", "ann")

    def now():
        return [plain_assessment(a) for a in mlflow.get_trace(trace_id).info.assessments]

    first = mlflow.log_feedback(
        trace_id=trace_id, name="quality", value="poor", source=ann, metadata={"a": "1", "b": "2"}
    )
    steps = {"logged": now()}
    mlflow.update_assessment(
        trace_id=trace_id,
        assessment_id=first.assessment_id,
        assessment=Feedback(
            name="quality", value="good", rationale="On reflection", metadata={"b": "3"}
        ),
    )
    steps["updated"] = now()
    second = mlflow.override_feedback(
        trace_id=trace_id, assessment_id=first.assessment_id, value="fair", rationale="In between",
        source=source("HUMAN", "ben"),
    )  # fmt: skip
    steps["overridden"] = now()
    mlflow.delete_assessment(trace_id=trace_id, assessment_id=second.assessment_id)
    steps["override_deleted"] = now()
    mlflow.delete_assessment(trace_id=trace_id, assessment_id="a-" + "0" * 32)
    expectation = mlflow.log_expectation(
        trace_id=trace_id, name="capital", value="Rome", source=ann
    )
    mlflow.update_assessment(
        trace_id=trace_id,
        assessment_id=expectation.assessment_id,
        assessment=Expectation(name="capital", value="Paris"),
    )
    steps["expectation"] = now()
    one = mlflow.get_assessment(trace_id=trace_id, assessment_id=first.assessment_id)
    mlflow.delete_assessment(trace_id=trace_id, assessment_id=first.assessment_id)
    steps["deleted"] = now()
    return {
        "trace": trace_id,
        "steps": steps,
        "one": plain_assessment(one),
        "unknown": refused(
            mlflow.get_assessment, trace_id=trace_id, assessment_id=first.assessment_id
        )["code"],
        "unknown_trace": refused(
            mlflow.log_feedback, trace_id="tr-" + "0" * 32, name="quality", value=1
        )["code"],
    }


def inside_the_span(url, token, experiment):
    """Feedback that is logged while the trace is made travels with it."""
    connect(url, token)
    mlflow.set_experiment(experiment)
    with mlflow.start_span("assessed_inside") as span:
        span.set_outputs("!")
        mlflow.log_feedback(
            trace_id=span.trace_id, name="quality", value="good", source=source("CODE", "checks")
        )
    flush()
    trace = mlflow.get_trace(span.trace_id)
    return [plain_assessment(a) for a in trace.info.assessments]


def log(url, token, trace_id, **feedback):
    """Log one piece of feedback; its id."""
    connect(url, token)
    kind, who = feedback.pop("source", ["HUMAN", "ann"])
    logged = mlflow.log_feedback(trace_id=trace_id, source=source(kind, who), **feedback)
    return logged.assessment_id
