"""How the openai backend is set up, and what it finds out at the start."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from aiohttp import web

from tests.unit.openai_bench import ANSWER, QUESTION, serving
from tests.unit.scripted_server import (
    ScriptedServer,
    vllm_models,
)
from ttscale.backends.openai import OpenAIBackend
from ttscale.backends.openai.server import Server, find_server
from ttscale.backends.openai.transport import Transport
from ttscale.errors import BackendUnavailable, ConfigError, ParameterError
from ttscale.registry import build
from ttscale.types import JSON

# ── starting ────────────────────────────────────────────────────────────────────────────────────────────────


async def starting(url: str, model: str = "m", **options: object) -> str:
    """Return the message with which a backend refuses to start."""
    backend = OpenAIBackend(model, base_url=url, timeout_seconds=2.0, **options)  # type: ignore[arg-type]
    with pytest.raises(BackendUnavailable) as caught:
        await backend.start()
    await backend.aclose()
    return str(caught.value)


async def test_a_server_that_is_not_there_is_an_error_that_names_the_address() -> None:
    async with ScriptedServer([ANSWER]) as server:
        pass
    message = await starting(server.url)
    assert message == (
        f"no server answers at {server.url} (the connection failed: Connection refused); "
        f"start it or check the address"
    )


async def test_a_machine_that_is_not_there_is_an_error_that_names_the_address() -> None:
    message = await starting("http://nowhere.invalid/v1")
    assert message.startswith("no server answers at http://nowhere.invalid/v1 (the connection failed: ")
    assert message.endswith("start it or check the address")


async def test_a_tokenizer_that_is_not_there_is_an_error_that_names_the_option(tmp_path: Path) -> None:
    backend = OpenAIBackend("m", base_url="http://127.0.0.1:9/v1", tokenizer=str(tmp_path))
    with pytest.raises(ConfigError, match=r"cannot be loaded .*check tokenizer="):
        await backend.start()
    await backend.aclose()


async def test_a_wrong_model_name_is_an_error_that_names_the_models() -> None:
    models: JSON = {"data": [{"id": "qwen3-8b"}, {"id": "other"}]}
    async with ScriptedServer([ANSWER], models=models) as server:
        message = await starting(server.url, "qwen3-8B")
    assert message.endswith("has no model 'qwen3-8B'; it serves 'qwen3-8b', 'other'")


async def test_many_models_are_not_all_listed() -> None:
    models: JSON = {"data": [{"id": f"model-{number}"} for number in range(30)]}
    async with ScriptedServer([ANSWER], models=models) as server:
        message = await starting(server.url, "gpt")
    assert message.endswith("'model-14', 'model-15' and 22 more")


async def test_a_missing_v1_in_the_address_is_noticed() -> None:
    async with ScriptedServer([ANSWER], models={"data": [{"id": "m"}]}) as server:
        assert (
            await starting(server.root)
            == f"{server.root} is not the address of the API; write {server.root}/v1"
        )


async def test_a_server_without_a_list_of_models_is_taken_as_it_is() -> None:
    async with serving(ANSWER) as (_, backend):
        assert backend.profile.context_length is None
        assert not backend.capabilities.token_ids


async def test_a_page_that_is_no_list_of_models_is_an_error() -> None:
    async with ScriptedServer([ANSWER], pages={"/v1/models": "<html>Welcome</html>"}) as server:
        assert "check the address" in await starting(server.url)


@pytest.mark.usefixtures("no_pauses")
async def test_a_server_that_lets_nobody_in_or_does_not_work_says_so_at_the_start() -> None:
    for status, words in ((401, "OPENAI_API_KEY"), (500, "does not work: HTTP 500")):
        app = web.Application()

        async def refuse(request: web.Request, status: int = status) -> web.Response:
            return web.Response(status=status, text="no")

        app.router.add_get("/v1/models", refuse)
        runner = web.AppRunner(app)
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        host, port = runner.addresses[0][:2]
        assert words in await starting(f"http://{host}:{port}/v1", max_retries=1)
        await runner.cleanup()


@pytest.mark.parametrize(("version", "gives"), [("0.32.0", True), ("0.10.1.1", False), ("dev", True)])
async def test_an_old_vllm_is_known_to_return_no_token_ids(version: str, gives: bool) -> None:
    pages = {"/version": json.dumps({"version": version})}
    async with ScriptedServer([ANSWER], models=vllm_models("m"), pages=pages) as server:
        transport = Transport(
            server.url,
            api_key=None,
            max_concurrency=1,
            requests_per_second=None,
            max_retries=0,
            timeout_seconds=5.0,
        )
        await transport.start()
        found = await find_server(transport, "m", key_variable="KEY")
        await transport.aclose()
    assert found == Server(is_vllm=True, returns_token_ids=gives, context_length=512)


# ── configuration ───────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"max_concurrency": 0}, "max_concurrency must be >= 1; got 0"),
        ({"max_retries": -1}, "max_retries must be >= 0"),
        ({"timeout_seconds": 0.0}, "timeout_seconds must be > 0"),
        ({"requests_per_second": 0.0}, "requests_per_second must be > 0"),
        ({"profile_fields": {"num_params": 3}}, "profile_fields must be of .*num_parameters"),
        ({"base_url": "localhost:8000/v1"}, "base_url must be http"),
        ({"base_url": "http://h/v1?version=2"}, "base_url must be without [?]"),
        ({"api": "chats"}, "api="),
        ({"api_key": "sk-1"}, "no parameter 'api_key'"),
    ],
)
def test_a_wrong_option_is_an_error_that_names_it(options: dict[str, JSON], message: str) -> None:
    with pytest.raises(ParameterError, match=message):
        build(OpenAIBackend, {"model": "m", "base_url": "http://h/v1", **options}, label="backend 'openai'")


def test_a_password_in_the_address_is_refused_and_not_shown() -> None:
    with pytest.raises(ConfigError) as caught:
        OpenAIBackend("m", base_url="http://me:hunter2@h/v1")
    assert "hunter2" not in str(caught.value)


def test_what_is_known_of_the_model_can_be_said() -> None:
    backend = OpenAIBackend("m", base_url="http://h/v1/", profile_fields={"num_parameters": 8_000_000_000})
    assert backend.base_url == "http://h/v1"
    assert (backend.profile.name, backend.profile.num_parameters) == ("m", 8_000_000_000)
    assert backend.encode(QUESTION) is QUESTION
    assert backend.decode([1]) == ""
    assert backend.count_tokens(QUESTION) >= 12


def test_openais_own_address_is_known() -> None:
    backend = OpenAIBackend("m", base_url="https://api.openai.com/v1")
    assert backend._dialect.max_tokens_field == "max_completion_tokens"  # pyright: ignore[reportPrivateUsage]
