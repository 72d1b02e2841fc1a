"""Finding out at the start who answers: the models served, and whether the server is vLLM."""

from __future__ import annotations

import re
from dataclasses import dataclass
from difflib import get_close_matches
from typing import Final

from pydantic import BaseModel, ConfigDict, PositiveInt, ValidationError

from ttscale.backends.openai.failures import RequestFailed
from ttscale.backends.openai.replies import clean_message
from ttscale.backends.openai.transport import Transport
from ttscale.errors import BackendError, BackendUnavailable

_NO_SUCH_PAGE: Final = frozenset({404, 405, 501})
_NO_ENTRY: Final = frozenset({401, 403})
_TOKEN_IDS_SINCE: Final = (0, 10, 2)
"""First vLLM release that returns token ids over HTTP."""
_MAX_NAMES: Final = 8


@dataclass(frozen=True, slots=True, kw_only=True)
class Server:
    """What is known of a server."""

    is_vllm: bool = False
    returns_token_ids: bool = False
    context_length: int | None = None


class _Entry(BaseModel):
    model_config = ConfigDict(extra="ignore")

    id: str
    owned_by: str | None = None
    max_model_len: PositiveInt | None = None


class _Models(BaseModel):
    model_config = ConfigDict(extra="ignore")

    data: list[_Entry]


async def find_server(transport: Transport, model: str, *, key_variable: str) -> Server:
    """Ask a server for its models; one that has no list of models is taken as it is.

    Args:
        transport: started.
        model: the name that must be among them.
        key_variable: the environment variable that holds its key, for the message of a refused one.

    Raises:
        BackendUnavailable: nobody answers, not this protocol, without the model, or not to us.
    """
    url = transport.base_url
    try:
        body = await transport.get(f"{url}/models")
    except RequestFailed as error:
        if error.status in _NO_SUCH_PAGE:
            await _refuse_missing_path(transport)
            return Server()
        raise _unavailable(url, error, key_variable) from error
    except BackendError as error:
        raise BackendUnavailable(f"no OpenAI-compatible server answers at {url}: {error}") from error
    entry = _entry(url, body, model)
    if entry is None or entry.owned_by != "vllm":
        return Server(context_length=entry.max_model_len if entry is not None else None)
    return Server(
        is_vllm=True,
        returns_token_ids=await _returns_token_ids(transport),
        context_length=entry.max_model_len,
    )


def _unavailable(url: str, error: RequestFailed, key_variable: str) -> BackendUnavailable:
    if error.status in _NO_ENTRY:
        mend = f"put a valid key into the environment variable {key_variable}"
        return BackendUnavailable(f"the server at {url} lets nobody in ({error}); {mend}", status=error.status)
    if error.status is not None:
        return BackendUnavailable(f"the server at {url} does not work: {error}", status=error.status)
    return BackendUnavailable(f"no server answers at {url} ({error}); start it or check the address")


async def _refuse_missing_path(transport: Transport) -> None:
    """Find the commonest mistake in an address: that its last part, ``/v1``, is missing.

    Raises:
        BackendUnavailable: it is.
    """
    url = transport.base_url
    if url.endswith("/v1"):
        return
    try:
        await transport.get(f"{url}/v1/models")
    except BackendError:
        return
    raise BackendUnavailable(f"{url} is not the address of the API; write {url}/v1")


def _entry(url: str, body: str, model: str) -> _Entry | None:
    """Return the model's entry in the list, ``None`` where the list is empty."""
    try:
        entries = _Models.model_validate_json(body).data
    except ValidationError as error:
        start = clean_message(body)[:80]
        raise BackendUnavailable(
            f"{url} does not answer as an OpenAI-compatible server but with {start!r}; "
            f"check the address, which often ends in /v1"
        ) from error
    named = {entry.id: entry for entry in entries}
    if named and model not in named:
        raise BackendUnavailable(
            f"the server at {url} has no model {model!r}; it serves {_listed(model, list(named))}"
        )
    return named.get(model)


def _listed(model: str, names: list[str]) -> str:
    """Return names, the likeliest first, in a length that can be read."""
    close = get_close_matches(model, names, n=_MAX_NAMES)
    ordered = [*close, *(name for name in sorted(names) if name not in close)]
    more = f" and {len(names) - _MAX_NAMES} more" if len(names) > _MAX_NAMES else ""
    return ", ".join(repr(clean_message(name)) for name in ordered[:_MAX_NAMES]) + more


async def _returns_token_ids(transport: Transport) -> bool:
    """Ask a vLLM server for its version; one that does not say is taken for a recent one."""
    root = transport.base_url.removesuffix("/v1")
    try:
        body = await transport.get(f"{root}/version")
    except BackendError:
        return True
    found = re.search(r"(\d+)\.(\d+)\.(\d+)", body)
    return found is None or tuple(int(part) for part in found.groups()) >= _TOKEN_IDS_SINCE
