"""The code of the page on judge alignment, block by block, as it stands there.

Three things are put in, because the page leaves them to its reader: the address of the server, traces for the ground truth
(the page's are called trace1 to trace3), and the name `traces_with_feedback`. Its model is asked for under the name of
another provider: `anthropic:/…` becomes `openai:/…`, which the local model understands.
"""

from pathlib import Path

import mlflow
from common import connect, flush, refused
from mlflow.genai.judges.optimizers import GEPAAlignmentOptimizer, MemAlignOptimizer
from mlflow.genai.scorers import get_scorer

MODEL = "openai:/claude-opus-4-1-20250805"
LABELS = ["excellent", "poor", "good", "poor", "fair"]
page = {}


def blocks():
    """The code of each block by its name."""
    text = (Path(__file__).parent / "reference_blocks.txt").read_text()
    found = [part.partition("\n") for part in text.split("\n### ")[1:]]
    return {name: code for name, _, code in found}


def run(name, old="", new=""):
    """Run a block in the page's own names, one passage of it replaced if need be."""
    code = blocks()[name].replace("anthropic:/claude-opus-4-1-20250805", MODEL)
    assert old in code, old
    code = code.replace(old, new) if old else code
    exec(compile(code, name, "exec"), page)  # noqa: S102 - what the page says is what is tested


def failing(name):
    """The type and text of what a block ends with."""
    try:
        run(name)
    except AttributeError as error:
        return [type(error).__name__, str(error)]
    return None


def start(url, token):
    """Make the experiment, the judge and the traces; judge each trace and log what people and the judge say of it."""
    connect(url, token)
    page.clear()
    run("set up and generate traces")
    flush()
    for trace_id in page["traces"]:
        trace = mlflow.get_trace(trace_id)
        root = trace.data.spans[0]
        verdict = page["initial_judge"](inputs=root.inputs, outputs=root.outputs)
        mlflow.log_assessment(trace_id=trace_id, assessment=verdict)
    unknown = refused(run, "log ground truth")
    truth = [
        {"trace_id": trace_id, "label": LABELS[number % len(LABELS)]}
        for number, trace_id in enumerate(page["traces"])
    ]
    code = blocks()["log ground truth"]
    listed = code[code.index("ground_truth_data") : code.index("# Log ground truth")]
    run("log ground truth", old=listed, new=f"ground_truth_data = {truth!r}\n")
    return {
        "experiment": page["experiment_id"],
        "traces": page["traces"],
        "labels": [item["label"] for item in truth],
        "ground_truth_of_unknown_traces": unknown["code"],
    }


def with_simba():
    """Align with SIMBA in both orders of arguments that the page uses, and register the result."""
    first_order = failing("align and register")
    run("align and register with an explicit optimizer")
    return {"first_order": first_order, **outcome()}


def with_the_default_and_detailed_output():
    """Align without naming an optimizer, and with logging turned up."""
    page["traces_with_feedback"] = page["traces_for_alignment"]
    default = blocks()["align with the default and with SIMBA"].partition("# Explicit")[0]
    exec(default, page)  # noqa: S102
    kind = type(page["aligned_judge"]).__name__
    return {"default": kind, "first_order_again": failing("detailed output")}


def with_gepa():
    """Align with GEPA within a small budget."""
    optimizer = GEPAAlignmentOptimizer(model=MODEL, max_metric_calls=30)
    page["aligned_judge"] = page["initial_judge"].align(page["traces_for_alignment"], optimizer)
    return registered("with_gepa")


def with_memory():
    """Align with MemAlign: a judge with guidelines and examples, which asks for embeddings when it is called."""
    optimizer = MemAlignOptimizer(
        reflection_lm=MODEL, embedding_model="openai:/text-embedding-3-small"
    )
    page["aligned_judge"] = page["initial_judge"].align(page["traces_for_alignment"], optimizer)
    return registered("with_memory")


def with_a_custom_optimizer():
    """Align with the page's own optimizer, whose strategy it leaves open."""
    strategy = 'return instructions + " Prefer short descriptions."'
    run("a custom optimizer", old="pass", new=strategy)
    run("use the custom optimizer")
    return {"instructions": page["aligned_judge"].instructions}


def outcome():
    """The judge that came out, and the page's test of improvement on five traces."""
    run("test the improvement")
    aligned = page["aligned_judge"]
    figures = page["test_alignment_improvement"](
        page["initial_judge"], aligned, page["traces_for_alignment"][:5]
    )
    return {"instructions": aligned.instructions, "figures": figures}


def registered(name):
    """Register the aligned judge under a name, fetch it again, and compare."""
    page["aligned_judge"].register(name=name, experiment_id=page["experiment_id"])
    fetched = get_scorer(name=name, experiment_id=page["experiment_id"])
    verdict = fetched(inputs={"query": "A chair"}, outputs={"description": "A chair of oak."})
    return {
        "fetched": type(fetched).__name__,
        "same_instructions": fetched.instructions == page["aligned_judge"].instructions,
        "verdict": verdict.value,
        "error": str(verdict.error),
        **outcome(),
    }
