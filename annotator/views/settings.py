"""What the installation is set to, and how to change it."""

from __future__ import annotations

from django import forms
from django.conf import settings
from django.contrib import messages
from django.http import HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.views.decorators.http import require_GET, require_POST

from annotator.http import AuthedRequest
from annotator.models import Judge, ModelPrice
from annotator.permissions import operator_required
from annotator.services import prices as price_service
from annotator.services.prices import PriceError
from annotator.views.judge_forms import dress


class PriceForm(forms.Form):
    """The price of a model, as providers write it."""

    model = forms.CharField(
        max_length=200,
        widget=forms.TextInput(attrs={"spellcheck": "false", "class": "mono"}),
        help_text="As in the judge: provider:/model.",
    )
    input_per_million = forms.FloatField(label="US dollars per million tokens asked")
    output_per_million = forms.FloatField(label="US dollars per million tokens answered")

    field_order = ("model", "input_per_million", "output_per_million")


@require_GET
def settings_models(request: AuthedRequest) -> HttpResponse:
    """How to use a real model, and what models cost. Keys live with the workers: none is shown or known here."""
    return _models_page(request, PriceForm())


@require_POST
@operator_required
def price_save(request: AuthedRequest) -> HttpResponse:
    """Enter what a model costs, for all teams."""
    form = PriceForm(request.POST)
    if form.is_valid():
        try:
            price = price_service.save_price(actor=request.user, **form.cleaned_data)
        except PriceError as error:
            form.add_error(error.field, str(error))
        else:
            messages.success(request, f"The price of {price.model} is saved.")
            return redirect("settings-models")
    return _models_page(request, form)


def _models_page(request: AuthedRequest, form: PriceForm) -> HttpResponse:
    dress(form)
    judges = (
        Judge.objects.visible_to(request.user)
        .select_related("current_version", "experiment")
        .order_by("experiment__name", "name")
    )
    ctx = {
        "default_model": settings.ANNOTATOR_DEFAULT_MODEL,
        "judges": [
            {
                "judge": judge,
                "model": judge.current_version.model if judge.current_version else "",
            }
            for judge in judges
        ],
        "prices": ModelPrice.objects.order_by("model"),
        "form": form,
        "may_set_prices": request.user.is_staff,
    }
    return render(request, "settings/models.html", ctx, status=422 if form.is_bound else 200)


@require_POST
@operator_required
def price_remove(request: AuthedRequest, pk: int) -> HttpResponse:
    """Go by the list that comes with LiteLLM again."""
    price = get_object_or_404(ModelPrice, pk=pk)
    price_service.remove_price(actor=request.user, price=price)
    messages.success(request, f"The price of {price.model} is removed; the list counts again.")
    return redirect("settings-models")
