"""The one module that knows LiteLLM: it sends a call once, without a retry, and says in our terms how it ended."""

from __future__ import annotations

import logging
import os
import re
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from email.utils import parsedate_to_datetime
from typing import Any

from judges.calls import FROM_ENVIRONMENT, ModelCall, Reply, split_model
from judges.entities import Usage
from judges.errors import (
    ProviderAuthError,
    ProviderError,
    ProviderRateLimitError,
    ProviderRequestError,
    ProviderTimeoutError,
    ProviderUnavailableError,
)

Respond = Callable[[dict[str, Any]], str]

# Anthropic otherwise gets the model's whole window, which its rate limits then count in full.
_ANTHROPIC_MAX_TOKENS = {"judge": 2048, "reflection": 8192}
# From the strictest down; a model that refuses one gets the next.
_FORMATS = ("json_schema", "json_object", "none")
_NO_KEY = re.compile(r"missing[^.]*(api.?key|credentials)|api.?key[^.]*must be set", re.IGNORECASE)
_KEY_VARIABLES = {
    "bedrock": "AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY",
    "together_ai": "TOGETHERAI_API_KEY",
    "vertex_ai": "GOOGLE_APPLICATION_CREDENTIALS",
}  # where it is not PROVIDER_API_KEY
_LONGEST_DETAIL = 300  # characters of a provider's own error text that we pass on

_local_providers: dict[str, Respond] = {}
_known_formats: dict[
    tuple[str, str | None], str
] = {}  # (model, address) -> the format it took before
_setup_lock = threading.Lock()
_loaded: Any = None  # LiteLLM; it comes without types that would help


class _LocalProviderError(Exception):
    """A local provider's own code failed. LiteLLM would take that for a lost connection."""


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


def price_is_known(model: str) -> bool:
    """Whether the cost of a call to `model` can be told. Loads LiteLLM."""
    provider, name = split_model(model)
    return provider in _local_providers or _has_price(_litellm(), provider, name)


def send(call: ModelCall, *, timeout_s: float) -> Reply:
    """Ask once.

    A model that refuses a JSON schema is asked for any JSON object, then for plain text, and what it took is
    remembered in this process.

    Raises:
        ProviderError: when there is no answer; `retryable` says whether another attempt may help.
    """
    if call.schema is None:
        return _ask(call, "none", timeout_s)
    place = ("/".join(split_model(call.model)), call.base_url)
    known = _known_formats.get(place)
    for answer_format in _FORMATS[_FORMATS.index(known or "json_schema") :]:
        try:
            reply = _ask(call, answer_format, timeout_s)
        except ProviderRequestError as error:
            # Only 400 and 422 can mean the format, and a model that took it before refuses something else now.
            if answer_format in {known, "none"} or _true_status(list(_chain(error))) not in {
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
    headers = _resolved(call.extra_headers)
    params = {**call.inference_params, **_response_format(call, answer_format)}
    if call.nonce is not None:
        params["seed"] = call.nonce
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
        raise _translated(error, call, timeout_s) from error
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
            cost=_cost(litellm, provider, name, response),
        ),
        seconds=seconds,
        truncated=choice.finish_reason == "length",
    )


def _resolved(headers: Mapping[str, str]) -> dict[str, str]:
    """The headers with `env:NAME` replaced by that environment variable; they exist for the length of one call.

    Raises:
        ProviderAuthError: when the variable is missing, or holds what no header can carry.
    """
    return {name: _header_value(name, value) for name, value in headers.items()}


def _header_value(header: str, value: str) -> str:
    if not value.startswith(FROM_ENVIRONMENT):
        return value
    variable = value.removeprefix(FROM_ENVIRONMENT)
    secret = os.environ.get(variable, "").strip()
    if not secret:
        raise ProviderAuthError(
            f"The header {header} takes its value from {variable}, which is not set. Set {variable} for the workers."
        )
    if not (secret.isascii() and secret.isprintable()):
        raise ProviderAuthError(
            f"The value of {variable} cannot be sent as the header {header}: it must be one line of plain ASCII."
        )
    return secret


def _without_secrets(text: str, call: ModelCall) -> str:
    """The text without the values of `env:NAME`, which some providers repeat in their errors."""
    for name, value in call.extra_headers.items():
        if value.startswith(FROM_ENVIRONMENT):
            text = text.replace(_header_value(name, value), value)
    return text


def _response_format(call: ModelCall, answer_format: str) -> dict[str, Any]:
    if answer_format == "json_schema":
        schema = {"name": "verdict", "strict": True, "schema": call.schema}
        return {"response_format": {"type": "json_schema", "json_schema": schema}}
    return {"response_format": {"type": "json_object"}} if answer_format == "json_object" else {}


def _has_price(litellm: Any, provider: str, name: str) -> bool:
    """Whether the price list has exactly this model. LiteLLM prices models that it does not know at 0."""
    entry = litellm.model_cost.get(f"{provider}/{name}")
    if entry is None:
        entry = litellm.model_cost.get(name, {})
        if entry.get("litellm_provider") != provider:
            return False
    return bool(entry.get("input_cost_per_token") or entry.get("output_cost_per_token"))


def _cost(litellm: Any, provider: str, name: str, response: Any) -> float | None:
    if provider in _local_providers:
        return 0.0
    if not _has_price(litellm, provider, name):
        return None
    cost: float | None = response._hidden_params.get("response_cost")
    return cost or None  # 0 at a known price means that the server did not count its tokens


def _translated(error: Exception, call: ModelCall, timeout_s: float) -> ProviderError:
    """The error in our terms. LiteLLM classifies by words in the text, so the true status is looked for first."""
    import httpx
    import litellm

    from judges.openai_http import ForeignAnswerError

    provider = split_model(call.model)[0]
    where = f"{provider} at {call.base_url}" if call.base_url else provider
    causes = list(_chain(error))
    detail = _detail(_without_secrets(str(error), call))
    for cause in causes:
        if isinstance(cause, ProviderError):
            return cause
        if isinstance(cause, _LocalProviderError):
            return ProviderError(f"The local model {call.model} failed: {cause}")
        if isinstance(cause, ForeignAnswerError):
            return ProviderError(f"{where} does not answer as OpenAI does: check the base URL.")
        if isinstance(cause, httpx.TimeoutException):
            return _timeout(call, where, timeout_s)
        if isinstance(cause, (httpx.TransportError, ConnectionError)):
            return ProviderUnavailableError(
                f"No connection to {where}: check that the address is right and the server runs."
            )
    if isinstance(error, litellm.exceptions.Timeout):
        return _timeout(call, where, timeout_s)
    if isinstance(error, ImportError):
        return ProviderRequestError(f"{provider} needs a package that is not installed: {error}.")
    if "LLM Provider NOT provided" in str(error):
        return ProviderRequestError(
            f"There is no provider “{provider}”: write the model as provider:/model with a provider that LiteLLM "
            "knows, such as openai, anthropic or ollama."
        )
    if _NO_KEY.search(detail):
        return ProviderAuthError(
            f"There is no key for {provider}. Set {_key_variable(provider)} for the workers."
        )
    return _by_status(_true_status(causes), causes, call, where, detail)


def _by_status(
    status: int | None, causes: list[BaseException], call: ModelCall, where: str, detail: str
) -> ProviderError:
    provider, name = split_model(call.model)
    retry_after = _retry_after(causes)
    if status in {401, 403}:
        return ProviderAuthError(
            f"{where} refused the key for {name} ({status}). Set {_key_variable(provider)} for the workers."
        )
    if status == 404:
        return ProviderRequestError(
            f"{where} does not know the model {name} (404): check the model's name and the address."
        )
    if status == 429:
        if any("insufficient_quota" in f"{cause} {getattr(cause, 'body', '')}" for cause in causes):
            return ProviderError(
                f"The quota at {where} is used up (429): look at the billing there."
            )
        return ProviderRateLimitError(
            f"{where} had too many requests for {name} (429): let fewer run at one time, or try later.",
            retry_after=retry_after,
        )
    if status == 408:
        return ProviderTimeoutError(
            f"{where} gave up on {name} (408): try later.", retry_after=retry_after
        )
    if status == 409 or (status is not None and status >= 500):
        return ProviderUnavailableError(
            f"{where} failed on {name} ({status}): try later. It said: {detail}",
            retry_after=retry_after,
        )
    if status in {400, 422}:
        return ProviderRequestError(f"{where} refused the request to {name} ({status}): {detail}")
    return ProviderError(
        f"The call to {name} of {where} failed; check the address and the model. {detail}"
    )


def _key_variable(provider: str) -> str:
    return _KEY_VARIABLES.get(provider, f"{provider.upper()}_API_KEY")


def _timeout(call: ModelCall, where: str, timeout_s: float) -> ProviderTimeoutError:
    return ProviderTimeoutError(
        f"{where} gave no answer from {split_model(call.model)[1]} within {timeout_s:g} s: try later, or allow more time."
    )


def _chain(error: BaseException | None) -> Iterator[BaseException]:
    """The error and what it came from, the outermost first."""
    seen: set[int] = set()
    while error is not None and id(error) not in seen:
        seen.add(id(error))
        yield error
        error = error.__cause__ or error.__context__


def _true_status(causes: list[BaseException]) -> int | None:
    """The HTTP status that the provider gave, else the one that LiteLLM chose."""
    chosen_by_litellm = None
    for cause in causes:
        status = getattr(cause, "status_code", None)
        if isinstance(status, int):
            if not type(cause).__module__.startswith("litellm.exceptions"):
                return status
            chosen_by_litellm = chosen_by_litellm or status
    return chosen_by_litellm


def _detail(text: str) -> str:
    """What the provider said, without LiteLLM's and Python's wrappings."""
    text = text.partition("Traceback (most recent")[0].strip()
    for prefix in ("litellm.", "Error: ", "Exception - "):
        head, found, rest = text.partition(prefix)
        if found and len(head) < 40:
            text = rest
    return text if len(text) <= _LONGEST_DETAIL else text[:_LONGEST_DETAIL] + "…"


def _retry_after(causes: list[BaseException]) -> float | None:
    """Seconds that the provider asks us to wait: a number or a date."""
    for cause in causes:
        headers = getattr(cause, "litellm_response_headers", None) or {}
        wish = headers.get("retry-after")
        if wish is None:
            continue
        try:
            return max(0.0, float(wish))
        except ValueError:
            pass
        try:
            return max(0.0, parsedate_to_datetime(wish).timestamp() - time.time())
        except ValueError:
            return None
    return None


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
            raise _LocalProviderError(f"{type(error).__name__}: {error}") from error
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
