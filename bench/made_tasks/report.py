"""The tables of `bench/alignment.py`: held-out accuracy and kappa with intervals, and what they took."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Sequence
from typing import Any

import numpy as np
from made_tasks.tasks import TASKS

RESAMPLES = 400
# MLflow's best, as shipped and at the temperature that ours asks at
RIVALS = ("MemAlign", "MemAlign at 0")
STUB = "The model is the offline demo model behind a stub, no language model."


def report(rows: Sequence[dict[str, Any]]) -> str:
    """Markdown: two tables a condition, tasks in columns; the difference to MLflow's best; what each optimizer took."""
    models = sorted({row.get("model", "") for row in rows})
    note = f"*{' '.join(f'The model is {model}.' if model else STUB for model in models)}*"
    parts = []
    for condition in dict.fromkeys(row["condition"] for row in rows):
        own = [row for row in rows if row["condition"] == condition]
        parts += [f"### {condition}", "", note, "", *_score_tables(own), ""]
    for rival in RIVALS:
        if any(row["optimizer"] == rival for row in rows):
            title = f"### Mean accuracy less that of MLflow's {rival}"
            parts += [title, "", note, "", *_difference_table(rows, rival), ""]
    return "\n".join([*parts, "### What it took", "", note, "", *_cost_table(rows)])


def _score_tables(rows: Sequence[dict[str, Any]]) -> list[str]:
    tasks = [task.name for task in TASKS if any(row["task"] == task.name for row in rows)]
    tables: dict[str, list[str]] = {}
    for place, measure in enumerate(("accuracy", "kappa")):
        tables[measure] = [
            f"| {measure} | {' | '.join(tasks)} | mean |",
            "|---|" + "---|" * (len(tasks) + 1),
        ]
        for (side, optimizer), own in _grouped(rows, "side", "optimizer").items():
            figures = [_figures(task, [r for r in own if r["task"] == task]) for task in tasks]
            shown = [figure if isinstance(figure, str) else figure[place] for figure in figures]
            cells = [each if isinstance(each, str) else _with_interval(*each) for each in shown]
            whole = [each[0] for each in shown if not isinstance(each, str)]
            mean = f"{np.mean(whole):.3f}" if len(whole) == len(tasks) else ""
            seeds = ", ".join(str(seed) for seed in sorted({row["seed"] for row in own}))
            tables[measure].append(
                f"| {side} {optimizer}, seeds {seeds} | {' | '.join(cells)} | {mean} |"
            )
    return [*tables["accuracy"], "", *tables["kappa"]]


def _figures(
    task: str, rows: Sequence[dict[str, Any]]
) -> str | tuple[tuple[float, Sequence[float]], tuple[float, Sequence[float]]]:
    """Accuracy and kappa over the seeds, each with what resampling seeds and items makes of it."""
    if not rows:
        return ""
    failed = sum(bool(row["error"]) for row in rows)
    if failed:
        return f"failed {failed} of {len(rows)}"
    dice = np.random.default_rng(0)
    is_ordered = task in {"product", "rating"}
    codes = {
        json.dumps(value): place
        for place, value in enumerate(next(t for t in TASKS if t.name == task).values)
    }

    items = [_items(row, codes) for row in rows]
    accuracies, kappas = [], []
    for _ in range(RESAMPLES):
        drawn = np.concatenate(
            [
                items[place][dice.integers(len(items[place]), size=len(items[place]))]
                for place in dice.integers(len(items), size=len(items))
            ]
        )
        accuracies.append(float(np.mean(drawn[:, 0] == drawn[:, 1])))
        kappas.append(_kappa(drawn, len(codes), is_ordered=is_ordered))
    everything = np.concatenate(items)
    accuracy = float(np.mean(everything[:, 0] == everything[:, 1]))
    kappa = _kappa(everything, len(codes), is_ordered=is_ordered)
    return (accuracy, accuracies), (kappa, kappas)


def _kappa(items: np.ndarray[Any, Any], values: int, *, is_ordered: bool) -> float:
    """Cohen's kappa, with quadratic weights where values are ordered; a failed verdict is a value of its own."""
    size = values + 1
    places = items[:, 0] * size + items[:, 1] % size  # -1 becomes the last one
    seen = np.bincount(places, minlength=size * size).reshape(size, size) / len(items)
    by_chance = np.outer(seen.sum(axis=1), seen.sum(axis=0))
    place = np.arange(size)
    apart = np.abs(place[:, None] - place[None, :])
    weights = apart**2 if is_ordered else (apart > 0).astype(int)
    expected = float((weights * by_chance).sum())
    return 1.0 - float((weights * seen).sum()) / expected if expected else float("nan")


def _items(row: dict[str, Any], codes: dict[str, int]) -> np.ndarray[Any, Any]:
    """The tested items as pairs of codes; a verdict that is none of the values, or failed, is wrong: -1."""
    return np.array(
        [
            (codes[truth], codes.get(verdict, -1))
            for truth, verdict, count in row["pairs"]
            for _ in range(count)
        ]
    )


def _with_interval(figure: float, samples: Sequence[float]) -> str:
    low, high = np.quantile(samples, [0.025, 0.975])
    return f"{_short(figure)} ({_short(low)} to {_short(high)})"


def _short(figure: float) -> str:
    return f"{figure:.2f}".replace("0.", ".", 1)


def _difference_table(rows: Sequence[dict[str, Any]], rival: str) -> list[str]:
    """Mean difference of accuracy over the tasks, cell by cell, with the interval from resampling each task's seeds."""
    dice = np.random.default_rng(0)
    others = [pair for pair in _grouped(rows, "side", "optimizer") if pair != ("mlflow", rival)]
    conditions = list(dict.fromkeys(row["condition"] for row in rows))
    known = {_place(row): _accuracy(row) for row in rows if row["optimizer"] == rival}
    lines = [f"| | {' | '.join(conditions)} |", "|---|" + "---|" * len(conditions)]
    for side, optimizer in others:
        cells = []
        for condition in conditions:
            by_task: dict[str, list[float]] = defaultdict(list)
            for row in rows:
                is_own = (row["side"], row["optimizer"]) == (side, optimizer)
                if is_own and row["condition"] == condition and _place(row) in known:
                    by_task[row["task"]].append(_accuracy(row) - known[_place(row)])
            if not by_task:
                cells.append("")
                continue
            drawn = [
                np.array(each)[dice.integers(len(each), size=(10 * RESAMPLES, len(each)))]
                for each in by_task.values()
            ]
            samples = np.mean([each.mean(axis=1) for each in drawn], axis=0)
            low, high = np.quantile(samples, [0.025, 0.975])
            mean = np.mean([np.mean(each) for each in by_task.values()])
            cells.append(f"{mean:+.3f} ({low:+.3f} to {high:+.3f})")
        if any(cells):
            lines.append(f"| {side} {optimizer} | {' | '.join(cells)} |")
    return lines


def _place(row: dict[str, Any]) -> tuple[Any, ...]:
    return row["task"], row["condition"], row["seed"]


def _accuracy(row: dict[str, Any]) -> float:
    return float(row["right"] / sum(count for _, _, count in row["pairs"]))


def _cost_table(rows: Sequence[dict[str, Any]]) -> list[str]:
    """Means; the share of the limit is calls times latency by calls in flight, over the seconds that it took."""
    lines = [
        "| optimizer | runs | calls to align (most) | tokens to align | seconds (median) | share of the limit "
        "| calls a verdict | embeddings a verdict | tokens a verdict |",
        "|---|---|---|---|---|---|---|---|---|",
    ]
    for (side, optimizer, in_flight), own in _grouped(
        rows, "side", "optimizer", "in_flight"
    ).items():
        calls = [row["calls"] for row in own]
        limits = [row["calls"] * row["latency_ms"] / 1000 / in_flight for row in own]
        shares = [limit / row["seconds"] for limit, row in zip(limits, own, strict=True)]
        cells = [
            str(len(own)),
            f"{np.mean(calls):,.0f} ({max(calls):,})",
            f"{np.mean([row['tokens'] for row in own]):,.0f}",
            f"{np.median([row['seconds'] for row in own]):.1f}",
            f"{np.median(shares):.2f} at {in_flight} in flight" if any(limits) else "no latency",
            f"{np.mean([row['serving_calls'] for row in own]):.2f}",
            f"{np.mean([row['serving_embeddings'] for row in own]):.2f}",
            f"{np.mean([row['serving_tokens'] for row in own]):.0f}",
        ]
        lines.append(f"| {side} {optimizer} | {' | '.join(cells)} |")
    return lines


def _grouped(
    rows: Sequence[dict[str, Any]], *names: str
) -> dict[tuple[Any, ...], list[dict[str, Any]]]:
    groups: dict[tuple[Any, ...], list[dict[str, Any]]] = defaultdict(list)
    for row in rows:
        groups[tuple(row[name] for name in names)].append(row)
    return groups
