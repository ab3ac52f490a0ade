"""The label rule: what it does to the labels is shown before it is applied."""

from __future__ import annotations

import hashlib
from typing import Any

from django import forms
from django.contrib import messages
from django.http import HttpResponse, QueryDict
from django.shortcuts import redirect
from django.views.decorators.http import require_http_methods

from alignment.labels import LabelRule
from annotator.http import AuthedRequest, render_either
from annotator.models import Judge, Membership, Role, Trace
from annotator.models.hidden import hidden_from
from annotator.permissions import require_role
from annotator.presenters.words import count, value_text
from annotator.services import judges as judge_service
from annotator.services.judges import JudgeServiceError
from annotator.services.kept_figures import KeptFigures
from annotator.services.label_previews import (
    CHANGED,
    GAINED,
    LOST,
    LabelPreview,
    preview_rule,
    preview_rules,
)
from annotator.views.judge_forms import dress
from annotator.views.judges import get_judge, judge_context, kept_figures
from judges.values import value_key

PAGE_SIZE = 30
KINDS = {GAINED: "Gained", LOST: "Lost", CHANGED: "Changed"}
RULES = [
    (LabelRule.MAJORITY.value, "What most people say; a tie teaches nothing"),
    (LabelRule.UNANIMOUS.value, "Only where all people say the same"),
    (LabelRule.ADJUDICATED.value, "What one named person says"),
    (LabelRule.SINGLE.value, "One person's answer is enough; with several, what most say"),
]


class RuleForm(forms.Form):
    """How several people's answers become one label."""

    label_rule = forms.ChoiceField(
        label="The answer that teaches", choices=RULES, widget=forms.RadioSelect
    )
    adjudicator = forms.CharField(
        required=False,
        max_length=250,
        label="Who settles",
        help_text="The user name of the person: for the third rule, and for whoever settles disagreements without leading the team.",
        widget=forms.TextInput(attrs={"list": "members", "autocomplete": "off"}),
    )
    only_current_guideline = forms.BooleanField(
        required=False,
        label="Leave out answers by a wording that has changed since",
        help_text="An answer counts again as soon as it is given by the wording in force.",
    )

    def __init__(self, data: QueryDict | None = None, *, judge: Judge) -> None:
        initial = {name: getattr(judge, name) for name in self.base_fields}
        super().__init__(data, initial=initial)
        dress(self)

    def clean(self) -> dict[str, Any]:
        data = super().clean() or {}
        data["adjudicator"] = (data.get("adjudicator") or "").replace("\0", "").strip()
        if data.get("label_rule") == LabelRule.ADJUDICATED and not data["adjudicator"]:
            self.add_error("adjudicator", "Name the person whose answer settles the label.")
        return data


@require_http_methods(["GET", "POST"])
def judge_rule(request: AuthedRequest, pk: int) -> HttpResponse:
    """The rule in force and what another would do; an admin applies it once that was shown."""
    judge = get_judge(request, pk)
    if request.method == "POST":
        require_role(request.user, judge.experiment.team_id, Role.ADMIN)
    asked = request.POST if request.method == "POST" else request.GET
    form = RuleForm(
        asked if "label_rule" in asked or request.method == "POST" else None, judge=judge
    )
    kept = kept_figures(judge)
    preview = _preview(kept, form) if kept else None
    is_stale = request.method == "POST" and request.POST.get("seen") != _digest(preview)
    if (
        request.method == "POST"
        and form.is_valid()
        and not is_stale
        and _apply(request, judge, form)
    ):
        messages.success(
            request, f"The rule of {judge.name} is applied, and its labels are made anew."
        )
        return redirect("judge-rule", pk)
    is_partial = request.htmx and not request.htmx.boosted
    ctx: dict[str, Any] = (
        {} if is_partial else judge_context(request, judge, tab="settings", kept=kept)
    )
    ctx |= {
        "judge": judge,
        "form": form,
        "may_admin": request.user.has_role(judge.experiment.team_id, Role.ADMIN),
        "is_stale": is_stale and form.is_valid(),
        "rules": [] if is_partial else _rule_rows(judge, kept, form),
        "members": Membership.objects.filter(team=judge.experiment.team_id)
        .order_by("user__username")
        .values_list("user__username", flat=True),
        **_preview_context(request, judge, form, preview),
    }
    status = 422 if form.is_bound and (form.errors or request.method == "POST") else 200
    return render_either(
        request, "judges/rule.html", "judges/_rule_preview.html", ctx, status=status
    )


def _preview(kept: KeptFigures, form: RuleForm) -> LabelPreview | None:
    if not (form.is_bound and form.is_valid()):
        return None
    judge, data = kept.judge, form.cleaned_data
    rule = LabelRule(data["label_rule"])
    is_same_person = rule is not LabelRule.ADJUDICATED or data["adjudicator"] == judge.adjudicator
    if is_same_person and data["only_current_guideline"] == judge.only_current_guideline:
        return kept.get(preview_rules)[rule]
    return preview_rule(
        judge=judge,
        rule=rule,
        adjudicator=data["adjudicator"],
        only_current_guideline=data["only_current_guideline"],
    )


def _digest(preview: LabelPreview | None) -> str:
    """What was shown: if the labels change meanwhile, it is shown again before anything is applied."""
    if preview is None:
        return ""
    shown = [(change.trace_pk, str(change.before), str(change.after)) for change in preview.changes]
    return hashlib.sha256(repr(shown).encode()).hexdigest()


def _apply(request: AuthedRequest, judge: Judge, form: RuleForm) -> bool:
    try:
        judge_service.update_settings(actor=request.user, judge=judge, **form.cleaned_data)
    except JudgeServiceError as error:
        form.add_error(error.field if error.field in form.fields else None, str(error))
        return False
    return True


def _rule_rows(judge: Judge, kept: KeptFigures | None, form: RuleForm) -> list[dict[str, Any]]:
    """Every rule with what it would do to the labels, so that nobody has to choose to find out."""
    previews = kept.get(preview_rules) if kept else {}
    return [
        {
            "radio": radio,
            "is_current": radio.data["value"] == judge.label_rule,
            "effect": effect_of(previews[rule])
            if (rule := LabelRule(str(radio.data["value"]))) in previews
            else "Name the person to see what would change.",
        }
        for radio in form["label_rule"]
    ]


def effect_of(preview: LabelPreview) -> str:
    """`58 now, 60 labels then: 2 gained.`"""
    counts = preview.counts()
    after = count(counts["after"], "label")
    changes = [f"{counts[kind]} {kind}" for kind in KINDS if counts[kind]]
    return (
        f"{counts['before']} now, {after} then: {', '.join(changes)}."
        if changes
        else f"{after}, as now."
    )


def _preview_context(
    request: AuthedRequest, judge: Judge, form: RuleForm, preview: LabelPreview | None
) -> dict[str, Any]:
    """Counts for everybody; the traces, whose labels tell what people answered, for leads."""
    if preview is None:
        return {"preview": None}
    keys = [value_key(value) for value in judge.value_type.choices]
    keys += sorted({*preview.values_before, *preview.values_after} - set(keys))
    shown = request.GET.get("show", "")
    query = QueryDict(mutable=True)
    for name in ("label_rule", "adjudicator"):
        query[name] = form.cleaned_data[name]
    if form.cleaned_data["only_current_guideline"]:
        query["only_current_guideline"] = "on"
    context: dict[str, Any] = {
        "preview": preview,
        "effect": effect_of(preview),
        "digest": _digest(preview),
        "values": [
            {
                "words": value_text(key, judge.value_type),
                "before": preview.values_before.get(key, 0),
                "after": preview.values_after.get(key, 0),
            }
            for key in keys
        ],
        "kinds": [
            {"name": name, "words": words, "count": preview.count(name), "is_on": name == shown}
            for name, words in KINDS.items()
        ],
        "shown": shown,
        "rule_query": query.urlencode(),
    }
    if not request.user.has_role(judge.experiment.team_id, Role.LEAD):
        return context
    after = request.GET.get("after", "")
    hidden = hidden_from(request.user).traces_of(judge.name)
    rest = [
        change
        for change in preview.changes
        if change.trace_pk not in hidden
        and (shown not in KINDS or change.kind == shown)
        and not (after.isdecimal() and change.trace_pk >= int(after[:18]))
    ]
    page = rest[:PAGE_SIZE]
    traces = Trace.objects.without_content().in_bulk([change.trace_pk for change in page])
    return context | {
        "changes": [
            {"trace": traces[change.trace_pk], "before": change.before, "after": change.after}
            for change in page
            if change.trace_pk in traces
        ],
        "next": page[-1].trace_pk if len(rest) > PAGE_SIZE else None,
    }
