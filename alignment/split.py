"""Which examples teach, which choose among candidates, and which are held out to test the result.

A trace that was held out once stays held out, and one that was learnt from stays learnt, so that the figures of
later versions are about traces that no version has seen. New traces are allotted by a hash, not by chance.
"""

from __future__ import annotations

import hashlib
import json
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass

from alignment.sides import Side
from judges.entities import Trace

CONVERSATION_KEYS = (
    "session",
    "conversation_id",
    "session_id",
    "mlflow.trace.session",
    "session.id",
    "thread_id",
)
USER_KEYS = ("user", "user_id", "mlflow.trace.user", "user.id", "customer_id")
LARGEST_USER = (
    0.2  # share of the traces; whoever has more is no group, or there would be nothing to divide
)


@dataclass(frozen=True, kw_only=True)
class SplitItem:
    """What the split must know of an example.

    Attributes:
        trace_id: The trace.
        side: The stratum: each side reaches the share by itself.
        group: Items of one group are never on both sides of a split.
    """

    trace_id: str
    side: Side
    group: str


@dataclass(frozen=True, kw_only=True)
class SplitPolicy:
    """How the examples are divided.

    Attributes:
        held_out: Share that tests the result, from 0 to 1.
        selection: Share of the learning part that chooses among candidates.
        selection_from: Smallest learning part that can spare a selection part.
        split_from: Fewest examples for a held-out part; below it cross-validation is used.
        min_held_out: Fewest held-out examples worth testing on; below it cross-validation is used.
        folds: Number of folds of the cross-validation.
    """

    held_out: float = 0.4
    selection: float = 0.25
    selection_from: int = 24
    split_from: int = 40
    min_held_out: int = 10
    folds: int = 3


@dataclass(frozen=True, kw_only=True)
class Split:
    """The division, as trace ids in a stable order. Either `held_out` or `folds` is filled.

    Attributes:
        train: What the optimizer learns from.
        selection: What chooses among the optimizer's candidates; may be empty.
        held_out: What tests the result; empty under cross-validation.
        folds: Under cross-validation the parts that are held out in turn.
    """

    train: tuple[str, ...]
    selection: tuple[str, ...] = ()
    held_out: tuple[str, ...] = ()
    folds: tuple[tuple[str, ...], ...] = ()

    @property
    def is_cross_validated(self) -> bool:
        """Whether the labels are too few to hold a part out for good."""
        return bool(self.folds)


def make_split(
    items: Sequence[SplitItem],
    *,
    salt: str,
    held_out_before: AbstractSet[str] = frozenset(),
    learnt_before: AbstractSet[str] = frozenset(),
    policy: SplitPolicy | None = None,
) -> Split:
    """The division of the examples. The same input gives the same division, in whatever order it comes.

    Args:
        items: The examples.
        salt: The judge's name: judges divide the same traces differently.
        held_out_before: Trace ids that were held out in earlier runs of the judge.
        learnt_before: Trace ids that earlier runs learnt from or chose by.
        policy: The shares.
    """
    policy = policy or SplitPolicy()
    ordered = sorted(items, key=lambda item: _rank(salt, item.trace_id))
    held = _hold_out(ordered, salt, held_out_before, learnt_before, policy.held_out)
    is_continued = any(item.trace_id in held_out_before for item in items)
    too_few = len(items) < policy.split_from or len(held) < policy.min_held_out
    if too_few and not is_continued:
        return Split(
            train=tuple(item.trace_id for item in ordered),
            folds=_folds(ordered, salt, policy.folds),
        )
    learning = [item for item in ordered if item.trace_id not in held]
    selection: AbstractSet[str] = frozenset()
    if len(learning) >= policy.selection_from:
        selection = _take(learning, f"{salt}/selection", _targets(learning, policy.selection))
    return Split(
        train=tuple(item.trace_id for item in learning if item.trace_id not in selection),
        selection=tuple(item.trace_id for item in learning if item.trace_id in selection),
        held_out=tuple(item.trace_id for item in ordered if item.trace_id in held),
    )


def groups_of(traces: Iterable[Trace]) -> dict[str, str]:
    """The group of every trace: traces of one conversation, of one user, or with equal inputs are in one group.

    Chains count: if A and B share a conversation and B and C have equal inputs, all three are one group. A user with
    more than a fifth of the traces is no group: where all are one tester's, nothing could be set aside.
    """
    traces = list(traces)
    users = Counter(user for trace in traces if (user := _found(trace, USER_KEYS)))
    few = {user for user, count in users.items() if count <= LARGEST_USER * len(traces)}
    members: dict[str, str] = {}
    links: dict[str, str] = {}

    def root(node: str) -> str:
        links.setdefault(node, node)
        while links[node] != node:
            links[node] = links[links[node]]
            node = links[node]
        return node

    for trace in traces:
        keys = _group_keys(trace, few)
        members[trace.trace_id] = keys[0]
        for key in keys[1:]:
            first, second = sorted((root(keys[0]), root(key)))
            links[second] = first
    return {trace_id: root(key) for trace_id, key in members.items()}


def _group_keys(trace: Trace, users: AbstractSet[str]) -> list[str]:
    inputs = json.dumps(trace.inputs, sort_keys=True, default=str, ensure_ascii=False)
    keys = [
        f"inputs:{_digest(inputs)}"
        if trace.inputs not in (None, {}, "")
        else f"trace:{trace.trace_id}"
    ]
    for place in (trace.metadata, trace.tags):
        for name in CONVERSATION_KEYS:
            if place.get(name):
                keys.append(f"conversation:{place[name]}")
    user = _found(trace, USER_KEYS)
    if user in users:
        keys.append(f"user:{user}")
    return keys


def _found(trace: Trace, names: Sequence[str]) -> str:
    """The first of these that the trace's metadata or tags have; empty for none."""
    places = (trace.metadata, trace.tags)
    return next((str(p[name]) for p in places for name in names if p.get(name)), "")


def _hold_out(
    ordered: Sequence[SplitItem],
    salt: str,
    held_out_before: AbstractSet[str],
    learnt_before: AbstractSet[str],
    share: float,
) -> set[str]:
    held = {item.trace_id for item in ordered if item.trace_id in held_out_before}
    learnt = {item.trace_id for item in ordered if item.trace_id in learnt_before} - held
    held_groups = {item.group for item in ordered if item.trace_id in held}
    learnt_groups = {item.group for item in ordered if item.trace_id in learnt}
    # A newcomer goes where its group already is; a group that history tore apart is kept from the optimizer.
    held |= {item.trace_id for item in ordered if item.group in held_groups} - learnt
    targets = _targets(ordered, share)
    targets.subtract(item.side for item in ordered if item.trace_id in held)
    free = [item for item in ordered if item.group not in held_groups | learnt_groups]
    return held | _take(free, salt, targets)


def _targets(items: Sequence[SplitItem], share: float) -> Counter[Side]:
    sizes = Counter(item.side for item in items)
    return Counter({side: round(share * size) for side, size in sizes.items()})


def _take(items: Sequence[SplitItem], salt: str, targets: Counter[Side]) -> set[str]:
    """Whole groups in hash order, each taken if it brings the sides nearer to their targets."""
    by_group: dict[str, list[SplitItem]] = defaultdict(list)
    for item in items:
        by_group[item.group].append(item)
    left = Counter(targets)
    taken: set[str] = set()
    for group in sorted(by_group, key=lambda name: _rank(salt, name)):
        sizes = Counter(item.side for item in by_group[group])
        if _distance(left, sizes) < _distance(left, {}):
            left.subtract(sizes)
            taken.update(item.trace_id for item in by_group[group])
    return taken


def _distance(left: Mapping[Side, int], sizes: Mapping[Side, int]) -> int:
    return sum(abs(left.get(side, 0) - sizes.get(side, 0)) for side in Side)


def _folds(ordered: Sequence[SplitItem], salt: str, count: int) -> tuple[tuple[str, ...], ...]:
    """Folds of whole groups, each group put where its sides are rarest, large groups first."""
    by_group: dict[str, list[SplitItem]] = defaultdict(list)
    for item in ordered:
        by_group[item.group].append(item)
    sides: list[Counter[Side]] = [Counter() for _ in range(count)]
    fold_of: dict[str, int] = {}
    for group in sorted(by_group, key=lambda name: (-len(by_group[name]), _rank(salt, name))):
        sizes = Counter(item.side for item in by_group[group])
        best = min(
            range(count),
            key=lambda fold: (
                sum(sides[fold][side] * size for side, size in sizes.items()),
                sides[fold].total(),
                fold,
            ),
        )
        sides[best].update(sizes)
        fold_of[group] = best
    folds = (
        tuple(item.trace_id for item in ordered if fold_of[item.group] == fold)
        for fold in range(count)
    )
    return tuple(fold for fold in folds if fold)


def _rank(salt: str, name: str) -> str:
    return _digest(f"{salt}\0{name}")


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()
