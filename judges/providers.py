"""The one module that knows LiteLLM: it sends a call once, without a retry, and says in our terms how it ended."""

from __future__ import annotations

import json
import logging
import os
import threading
import time
from collections.abc import Callable
from typing import Any

from judges.calls import ModelCall, Reply, split_model
from judges.entities import Usage
from judges.errors import ProviderError, ProviderRequestError
from judges.prices import Price, entered_price, listed_price
from judges.provider_errors import (
    LocalProviderError,
    chain,
    resolved_headers,
    translated,
    true_status,
)

Respond = Callable[[dict[str, Any]], str]

# Anthropic otherwise gets the model's whole window, which its rate limits then count in full.
_ANTHROPIC_MAX_TOKENS = {"judge": 2048, "reflection": 8192, "embedding": 0}
# From the strictest down; a model that refuses one gets the next.
_FORMATS = ("json_schema", "json_object", "none")

_local_providers: dict[str, Respond] = {}
_known_formats: dict[
    tuple[str, str | None], str
] = {}  # (model, address) -> the format it took before
_setup_lock = threading.Lock()
_loaded: Any = None  # LiteLLM; it comes without types that would help


def register_local_provider(name: str, respond: Respond) -> None:
    """Answer `name:/…` in this process by `respond(body)`, through LiteLLM, at no cost.

    Args:
        name: The provider's name in model URIs.
        respond: Gets a body in OpenAI's form (model, messages; temperature, seed, response_format where given)
            and returns the text of the answer. Called by many threads. A ProviderError that it raises reaches the
            caller as it is; any other exception becomes a ProviderError.
    """
    with _setup_lock:
        _local_providers[name] = respond
        if _loaded is not None:
            _install_local_provider(_loaded, name)


def price_of(model: str) -> Price | None:
    """US dollars per token asked and per token answered; None where the price is unknown."""
    if split_model(model)[0] in _local_providers:
        return 0.0, 0.0
    return entered_price(model) or listed_price(model)


def send(call: ModelCall, *, timeout_s: float) -> Reply:
    """Ask once.

    A model that refuses a JSON schema is asked for any JSON object, then for plain text, and what it took is
    remembered in this process.

    Raises:
        ProviderError: when there is no answer; `retryable` says whether another attempt may help.
    """
    if call.purpose == "embedding":
        return _embed(call, timeout_s)
    if call.schema is None:
        return _ask(call, "none", timeout_s)
    place = ("/".join(split_model(call.model)), call.base_url)
    known = _known_formats.get(place)
    for answer_format in _FORMATS[_FORMATS.index(known or "json_schema") :]:
        try:
            reply = _ask(call, answer_format, timeout_s)
        except ProviderRequestError as error:
            # Only 400 and 422 can mean the format, and a model that took it before refuses something else now.
            if answer_format in {known, "none"} or true_status(list(chain(error))) not in {
                400,
                422,
            }:
                raise
        else:
            _known_formats[place] = answer_format
            return reply
    raise AssertionError("the last format returns or raises")


def _ask(call: ModelCall, answer_format: str, timeout_s: float) -> Reply:
    litellm = _litellm()
    from litellm._internal_context import is_internal_call
    from openai import OpenAIError

    from judges.openai_http import OpenAIClient

    provider, name = split_model(call.model)
    headers = resolved_headers(call.extra_headers)
    params = {**call.inference_params, **_response_format(call, answer_format)}
    if call.nonce is not None:
        params["seed"] = call.nonce
    if call.longest_answer:
        bound = "max_completion_tokens" if "max_completion_tokens" in params else "max_tokens"
        params[bound] = min(params.get(bound) or call.longest_answer, call.longest_answer)
    if ("claude" in name or provider == "anthropic") and "max_completion_tokens" not in params:
        params.setdefault("max_tokens", _ANTHROPIC_MAX_TOKENS[call.purpose])
    if provider == "openai" and call.base_url:
        # Own servers often want no key; LiteLLM insists on one.
        params["client"] = OpenAIClient(call.base_url, os.environ.get("OPENAI_API_KEY") or "none")
    began = time.perf_counter()
    # Without callbacks LiteLLM's bookkeeping after a call is a fifth of its CPU time, spent on a log nobody reads.
    token = is_internal_call.set(True)
    try:
        response = litellm.completion(
            model=f"{provider}/{name}",
            messages=list(call.messages),
            base_url=call.base_url,
            extra_headers=headers or None,
            timeout=float(timeout_s),
            num_retries=0,
            max_retries=0,
            drop_params=True,
            **params,
        )
    except (OpenAIError, ImportError) as error:
        raise translated(error, call, timeout_s) from error
    finally:
        is_internal_call.reset(token)
    seconds = time.perf_counter() - began
    choice = response.choices[0]
    return Reply(
        text=choice.message.content or "",
        usage=Usage(
            calls=1,
            input_tokens=response.usage.prompt_tokens or 0,
            output_tokens=response.usage.completion_tokens or 0,
            cost=_cost(call.model, response),
        ),
        seconds=seconds,
        truncated=choice.finish_reason == "length",
        served_by=_served_by(response),
    )


def _served_by(response: Any) -> str:
    """The model that the provider names in its answer, with OpenAI's mark of its configuration where there is one."""
    parts = (getattr(response, "model", None), getattr(response, "system_fingerprint", None))
    return " ".join(str(part) for part in parts if part)


def _response_format(call: ModelCall, answer_format: str) -> dict[str, Any]:
    if answer_format == "json_schema":
        schema = {"name": "verdict", "strict": True, "schema": call.schema}
        return {"response_format": {"type": "json_schema", "json_schema": schema}}
    return {"response_format": {"type": "json_object"}} if answer_format == "json_object" else {}


def _embed(call: ModelCall, timeout_s: float) -> Reply:
    """The embeddings of the messages' texts, as a JSON list of lists of numbers."""
    litellm = _litellm()
    from openai import OpenAIError

    provider, name = split_model(call.model)
    if provider in _local_providers:
        raise ProviderRequestError(
            f"{call.model} makes no embeddings; name another embedding model, or none for the lexical index."
        )
    began = time.perf_counter()
    try:
        response = litellm.embedding(
            model=f"{provider}/{name}",
            input=[str(message["content"]) for message in call.messages],
            api_base=call.base_url,
            extra_headers=resolved_headers(call.extra_headers) or None,
            api_key=(os.environ.get("OPENAI_API_KEY") or "none")
            if provider == "openai" and call.base_url
            else None,
            timeout=float(timeout_s),
            num_retries=0,
            max_retries=0,
            drop_params=True,
        )
    except (OpenAIError, ImportError) as error:
        raise translated(error, call, timeout_s) from error
    vectors = [row["embedding"] for row in sorted(response.data, key=lambda row: row["index"])]
    asked = getattr(response.usage, "prompt_tokens", 0) or 0
    price = price_of(call.model)
    return Reply(
        text=json.dumps(vectors),
        usage=Usage(calls=1, input_tokens=asked, cost=price and price[0] * asked),
        seconds=time.perf_counter() - began,
    )


def _cost(model: str, response: Any) -> float | None:
    entered = entered_price(model)
    if entered is not None:
        asked, answered = response.usage.prompt_tokens or 0, response.usage.completion_tokens or 0
        # A server that counts no tokens has not answered for nothing.
        return asked * entered[0] + answered * entered[1] if asked or answered else None
    price = price_of(model)
    if price is None or price == (0.0, 0.0):
        return price and 0.0
    # LiteLLM's own sum knows of cached tokens; 0 at a known price means that the server did not count its tokens.
    cost: float | None = response._hidden_params.get("response_cost")
    return cost or None


def preload() -> None:
    """Load LiteLLM now; processes forked later share its memory."""
    _litellm()


def _litellm() -> Any:
    """LiteLLM, loaded at the first call: importing it takes seconds and 150 MB, and the web process never needs it."""
    global _loaded
    if _loaded is None:
        with _setup_lock:
            if _loaded is None:
                # Without these it fetches a price list and more from the internet, and waits where there is none.
                os.environ.setdefault("LITELLM_LOCAL_MODEL_COST_MAP", "True")
                os.environ.setdefault("LITELLM_LOCAL_ANTHROPIC_BETA_HEADERS", "True")
                import litellm

                litellm.suppress_debug_info = True
                litellm.telemetry = False
                logging.getLogger("LiteLLM").setLevel(logging.ERROR)
                for name in _local_providers:
                    _install_local_provider(litellm, name)
                _loaded = litellm
    return _loaded


def _install_local_provider(litellm: Any, name: str) -> None:
    def completion(_: Any, model: str, messages: list[Any], *__: Any, **rest: Any) -> Any:
        body = {"model": model, "messages": messages, **rest["optional_params"]}
        body.pop("max_retries", None)  # meant for LiteLLM
        try:
            text = _local_providers[name](body)
        except ProviderError:
            raise
        # The provider's code is anybody's, and whatever it raises LiteLLM would call a lost connection.
        except Exception as error:
            raise LocalProviderError(f"{type(error).__name__}: {error}") from error
        asked = sum(len(str(message.get("content") or "")) for message in messages)
        usage = {"prompt_tokens": asked // 4 + 1, "completion_tokens": len(text) // 4 + 1}
        message = {"role": "assistant", "content": text}
        return litellm.ModelResponse(
            model=model,
            choices=[{"index": 0, "message": message, "finish_reason": "stop"}],
            usage={**usage, "total_tokens": sum(usage.values())},
        )

    handler = type("LocalProvider", (litellm.CustomLLM,), {"completion": completion})()
    others = [item for item in litellm.custom_provider_map if item["provider"] != name]
    litellm.custom_provider_map = [*others, {"provider": name, "custom_handler": handler}]
