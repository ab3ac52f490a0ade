"""The tables of `bench/alignment.py`: held-out accuracy and kappa with intervals, and what they took."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Sequence
from typing import Any

import numpy as np
from made_tasks.tasks import TASKS
from sklearn.metrics import cohen_kappa_score

RESAMPLES = 400


def report(rows: Sequence[dict[str, Any]]) -> str:
    """Markdown: one table a condition, tasks in columns; then what each optimizer took."""
    parts = []
    for condition in dict.fromkeys(row["condition"] for row in rows):
        parts += [
            f"### {condition}",
            "",
            *_accuracy_table([r for r in rows if r["condition"] == condition]),
            "",
        ]
    return "\n".join([*parts, "### What it took", "", *_cost_table(rows)])


def _accuracy_table(rows: Sequence[dict[str, Any]]) -> list[str]:
    tasks = [task.name for task in TASKS if any(row["task"] == task.name for row in rows)]
    lines = [f"| optimizer | {' | '.join(tasks)} |", "|---|" + "---|" * len(tasks)]
    for (side, optimizer), own in _grouped(rows, "side", "optimizer").items():
        cells = []
        for task in tasks:
            mine = [row for row in own if row["task"] == task]
            cells.append(_figures(task, mine) if mine else "")
        lines.append(f"| {side} {optimizer} | {' | '.join(cells)} |")
    return lines


def _figures(task: str, rows: Sequence[dict[str, Any]]) -> str:
    """Mean accuracy and kappa over the seeds, with the 95 % interval of the mean by resampling seeds and items."""
    failed = sum(bool(row["error"]) for row in rows)
    if failed:
        return f"failed {failed} of {len(rows)}"
    dice = np.random.default_rng(0)
    weights = "quadratic" if task in {"product", "rating"} else None
    codes = {
        json.dumps(value): place
        for place, value in enumerate(next(t for t in TASKS if t.name == task).values)
    }
    items = [_items(row, codes) for row in rows]
    accuracies, kappas = [], []
    for _ in range(RESAMPLES):
        truth, found = [], []
        for place in dice.integers(len(items), size=len(items)):
            own = items[place][dice.integers(len(items[place]), size=len(items[place]))]
            truth.append(own[:, 0])
            found.append(own[:, 1])
        accuracies.append(np.mean(np.concatenate(truth) == np.concatenate(found)))
        kappas.append(
            cohen_kappa_score(np.concatenate(truth), np.concatenate(found), weights=weights)
        )
    everything = np.concatenate(items)
    accuracy = np.mean(everything[:, 0] == everything[:, 1])
    kappa = cohen_kappa_score(everything[:, 0], everything[:, 1], weights=weights)
    return f"**{accuracy:.2f}** {_interval(accuracies)}, κ {kappa:.2f} {_interval(kappas)}"


def _items(row: dict[str, Any], codes: dict[str, int]) -> np.ndarray[Any, Any]:
    """The tested items as pairs of codes; a verdict that is none of the values, or failed, is wrong: -1."""
    return np.array(
        [
            (codes[truth], codes.get(verdict, -1))
            for truth, verdict, count in row["pairs"]
            for _ in range(count)
        ]
    )


def _interval(samples: Sequence[float]) -> str:
    low, high = np.quantile(samples, [0.025, 0.975])
    return f"({low:.2f} to {high:.2f})"


def _cost_table(rows: Sequence[dict[str, Any]]) -> list[str]:
    lines = [
        "| optimizer | calls to align | tokens to align | seconds | calls a verdict | embeddings a verdict | tokens a verdict |",
        "|---|---|---|---|---|---|---|",
    ]
    for (side, optimizer), own in _grouped(rows, "side", "optimizer").items():
        cells = [
            f"{np.median([row['calls'] for row in own]):.0f} (most {max(row['calls'] for row in own)})",
            f"{np.median([row['tokens'] for row in own]):,.0f}",
            f"{np.median([row['seconds'] for row in own]):.1f}",
            f"{np.median([row['serving_calls'] for row in own]):.2f}",
            f"{np.median([row['serving_embeddings'] for row in own]):.2f}",
            f"{np.median([row['serving_tokens'] for row in own]):.0f}",
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
