"""Prices of models: entered by operators for all teams, before the list's, for costs, budgets and estimates."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator

import pytest
from django.test import Client
from django.urls import reverse

from annotator.demo.http_stub import StubServer
from annotator.models import ActivityLog, ModelPrice, Team, User
from annotator.services import prices
from annotator.services.prices import PriceError
from judges.calls import ModelCall
from judges.llm import Gateway
from judges.prices import enter_prices, listed_price
from judges.providers import price_of
from tests.factories import create_user

pytestmark = pytest.mark.django_db
FILLED = {"model": "openai:/ours", "input_per_million": "2", "output_per_million": "8"}


@pytest.fixture
def otto(team: Team) -> User:
    """An operator of the installation, who is no team's admin."""
    return create_user(username="otto", team=team, is_staff=True)


@pytest.fixture(autouse=True)
def _none_entered() -> Iterator[None]:
    yield
    enter_prices({})


def test_an_operator_enters_a_price_changes_it_and_goes_by_the_list_again(
    client: Client, otto: User
) -> None:
    client.force_login(otto)
    client.post(reverse("price-save"), FILLED)
    response = client.post(
        reverse("price-save"), FILLED | {"model": "openai/ours", "input_per_million": "3"}
    )
    assert response["Location"] == reverse("settings-models")
    price = ModelPrice.objects.get()
    assert (price.model, price.per_token) == ("openai:/ours", (3e-6, 8e-6))
    assert "openai:/ours" in client.get(reverse("settings-models")).content.decode()
    client.post(reverse("price-remove", args=[price.pk]))
    assert not ModelPrice.objects.exists()
    actions = ActivityLog.objects.filter(target_kind="modelprice").values_list("action", flat=True)
    assert sorted(actions) == ["removed price", "set price", "set price"]


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ({"model": "ours"}, "is not the address of a model"),
        ({"input_per_million": "-1"}, "Give US dollars from 0"),
        ({"output_per_million": "nan"}, "Enter a number"),
        ({"output_per_million": ""}, "This field is required"),
    ],
)
def test_a_wrong_price_is_refused_beside_its_field(
    client: Client, otto: User, change: dict[str, str], sentence: str
) -> None:
    client.force_login(otto)
    response = client.post(reverse("price-save"), FILLED | change)
    assert response.status_code == 422
    assert sentence in response.content.decode()
    assert not ModelPrice.objects.exists()


def test_no_teams_admin_sets_prices_for_the_others(client: Client, adam: User, otto: User) -> None:
    price = prices.save_price(
        actor=otto, model="openai:/ours", input_per_million=1, output_per_million=1
    )
    client.force_login(adam)
    assert client.post(reverse("price-save"), FILLED).status_code == 403
    assert client.post(reverse("price-remove", args=[price.pk])).status_code == 403
    page = client.get(reverse("settings-models")).content.decode()
    assert "openai:/ours" in page
    assert "only its operators (staff) set them" in page
    assert "Save the price" not in page


def test_a_price_out_of_bounds_is_named(adam: User) -> None:
    with pytest.raises(PriceError) as refusal:
        prices.save_price(actor=adam, model="a:/b", input_per_million=1, output_per_million=1e9)
    assert refusal.value.field == "output_per_million"


def test_calls_cost_what_was_entered(adam: User) -> None:
    prices.save_price(actor=adam, model="openai:/ours", input_per_million=2, output_per_million=8)
    prices.load_prices()
    with StubServer(lambda body: "x" * 400) as stub:
        call = ModelCall(
            model="openai:/ours",
            messages=({"role": "user", "content": "y" * 396},),
            base_url=stub.base_url,
            inference_params={"max_tokens": 500},
        )
        gateway = Gateway(max_cost=1.0)
        gateway.complete(call)
    assert gateway.usage.cost == pytest.approx(100 * 2e-6 + 101 * 8e-6)


def test_the_list_knows_exactly_the_models_it_has_and_an_entered_price_comes_first() -> None:
    assert listed_price("openai:/gpt-4o-mini") == (1.5e-07, 6e-07)
    assert listed_price("openai:/gpt-4o-mini-of-ours") is None
    assert listed_price("elsewhere:/gpt-4o-mini") is None
    enter_prices({"openai/gpt-4o-mini": (1.0, 2.0)})
    assert price_of("openai:/gpt-4o-mini") == (1.0, 2.0)


def test_the_list_is_read_without_loading_litellm() -> None:
    program = (
        "import sys; from judges.prices import listed_price;"
        "assert listed_price('openai:/gpt-4o-mini'); assert 'litellm' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", program], check=True)
