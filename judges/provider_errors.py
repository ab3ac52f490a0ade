"""What a provider's failure means in our terms, and what of it may be shown: never a secret."""

from __future__ import annotations

import os
import re
import time
from collections.abc import Iterator, Mapping
from email.utils import parsedate_to_datetime

from judges.calls import FROM_ENVIRONMENT, ModelCall, split_model
from judges.errors import (
    ProviderAuthError,
    ProviderError,
    ProviderRateLimitError,
    ProviderRequestError,
    ProviderTimeoutError,
    ProviderUnavailableError,
)

_NO_KEY = re.compile(r"missing[^.]*(api.?key|credentials)|api.?key[^.]*must be set", re.IGNORECASE)
_KEY_VARIABLES = {
    "bedrock": "AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY",
    "together_ai": "TOGETHERAI_API_KEY",
    "vertex_ai": "GOOGLE_APPLICATION_CREDENTIALS",
}  # where it is not PROVIDER_API_KEY
_LONGEST_DETAIL = 300  # characters of a provider's own error text that we pass on


class LocalProviderError(Exception):
    """A local provider's own code failed. LiteLLM would take that for a lost connection."""


def resolved_headers(headers: Mapping[str, str]) -> dict[str, str]:
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


def translated(error: Exception, call: ModelCall, timeout_s: float) -> ProviderError:
    """The error in our terms. LiteLLM classifies by words in the text, so the true status is looked for first."""
    import httpx
    import litellm

    from judges.openai_http import ForeignAnswerError

    provider = split_model(call.model)[0]
    where = f"{provider} at {call.base_url}" if call.base_url else provider
    causes = list(chain(error))
    detail = _detail(_without_secrets(str(error), call))
    for cause in causes:
        if isinstance(cause, ProviderError):
            return cause
        if isinstance(cause, LocalProviderError):
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
    return _by_status(true_status(causes), causes, call, where, detail)


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


def chain(error: BaseException | None) -> Iterator[BaseException]:
    """The error and what it came from, the outermost first."""
    seen: set[int] = set()
    while error is not None and id(error) not in seen:
        seen.add(id(error))
        yield error
        error = error.__cause__ or error.__context__


def true_status(causes: list[BaseException]) -> int | None:
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
