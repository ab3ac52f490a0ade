"""What a judge may be made of; each wrong part is refused with a sentence that names the remedy."""

from __future__ import annotations

import re

from judges.calls import FROM_ENVIRONMENT, split_model
from judges.errors import InvalidJudgeError
from judges.render import VARIABLES

PLACEHOLDER = re.compile(r"\{\{\s*([A-Za-z_][\w.-]*)\s*\}\}")
_INVISIBLE = re.compile(r"[\x00-\x1f\x7f-\x9f\u200b-\u200f\u2028-\u202e\ud800-\udfff\ufeff]")
# They belong to the call, not to the model; a key among them would lie open in the database.
_NO_INFERENCE_PARAMS = {
    *("model", "messages", "response_format", "tools", "n", "stream", "mock_response"),
    *("api_key", "api_base", "api_version", "base_url", "headers", "extra_headers"),
    *("client", "custom_llm_provider", "callbacks", "drop_params"),
    *("timeout", "num_retries", "max_retries", "fallbacks"),
}
_VARIABLE_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
# Secrets of the program itself, which no model's server is to have.
_NO_HEADER_VARIABLES = {"SECRET_KEY", "DATABASE_URL", "REDIS_URL"}


def check_name(name: object) -> None:
    """A name that feedback can bear.

    Raises:
        InvalidJudgeError: when it is none. The message names the remedy.
    """
    if not isinstance(name, str) or not name.strip():
        raise InvalidJudgeError(
            "A judge needs a name: feedback teaches the judge whose name it bears."
        )
    if name != name.strip():
        raise InvalidJudgeError(
            f"The name “{name}” begins or ends with a blank; write “{name.strip()}”."
        )
    if _INVISIBLE.search(name):
        raise InvalidJudgeError(
            "The name holds a line break or another invisible character; remove it."
        )


def check_instructions(instructions: object) -> None:
    """Instructions that say what to judge, with known placeholders only.

    Raises:
        InvalidJudgeError: when it is none. The message names the remedy.
    """
    known = ", ".join(f"{{{{ {variable} }}}}" for variable in VARIABLES)
    if not isinstance(instructions, str) or not instructions.strip():
        raise InvalidJudgeError(
            "A judge needs instructions: say in plain words what is good and what is bad."
        )
    used = set(PLACEHOLDER.findall(instructions))
    foreign = sorted(used - set(VARIABLES))
    if foreign:
        raise InvalidJudgeError(
            f"The instructions use {{{{ {foreign[0]} }}}}, which no case has; use only {known}."
        )
    if not used:
        raise InvalidJudgeError(
            f"The instructions must say what to judge: use at least one of {known}."
        )
    beside_conversation = sorted(used - {"conversation", "expectations"})
    if "conversation" in used and beside_conversation:
        raise InvalidJudgeError(
            f"{{{{ conversation }}}} cannot stand together with {{{{ {beside_conversation[0]} }}}}: it already holds "
            "the inputs and outputs. Only {{ expectations }} may stand beside it."
        )


def check_inference_params(params: object) -> None:
    """Parameters that belong to the model and hold no secret.

    Raises:
        InvalidJudgeError: when it is none. The message names the remedy.
    """
    if not isinstance(params, dict):
        raise InvalidJudgeError(
            'The inference parameters must be a dict, for example {"temperature": 0}.'
        )
    for name in params:
        if not isinstance(name, str) or name in _NO_INFERENCE_PARAMS:
            raise InvalidJudgeError(
                f"“{name}” cannot be an inference parameter; temperature, top_p, max_tokens and seed can."
            )


def check_model(model: object, *, base_url: object, extra_headers: object) -> None:
    """A model's address, and a connection to it.

    Raises:
        InvalidJudgeError: when it is none. The message names the remedy.
    """
    if not isinstance(model, str):
        raise InvalidJudgeError("The model must be a text such as openai:/gpt-4.1-mini.")
    split_model(model)
    if base_url is not None and (
        not isinstance(base_url, str) or not base_url.startswith(("http://", "https://"))
    ):
        raise InvalidJudgeError("The base URL must be a text that begins with http:// or https://.")
    if not isinstance(extra_headers, dict) or not all(
        isinstance(part, str) for header in extra_headers.items() for part in header
    ):
        raise InvalidJudgeError(
            "The extra headers must be a dict of texts: header name to header value."
        )
    for name, value in extra_headers.items():
        variable = value.removeprefix(FROM_ENVIRONMENT)
        if value != variable and not _VARIABLE_NAME.fullmatch(variable):
            raise InvalidJudgeError(
                f"The extra headers say “{value}” for {name}: write env: and the name of an environment variable, "
                "such as env:MY_KEY."
            )
        if value != variable and variable in _NO_HEADER_VARIABLES:
            raise InvalidJudgeError(
                f"The extra headers must not send {variable}, a secret of this program; name another variable."
            )
