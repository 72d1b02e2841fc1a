"""The OpenAI protocol as pure functions: what is sent, and how answers are read."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ttscale.backends.openai.bodies import Dialect, Wire, endpoint_for, request_body
from ttscale.backends.openai.replies import (
    MAX_MESSAGE_CHARACTERS,
    Reply,
    ServerError,
    ServerUsage,
    TokenNames,
    clean_message,
    error_code,
    error_message,
    finish_reason,
    parse_reply,
)
from ttscale.backends.openai.shares import split_tokens
from ttscale.backends.openai.sse import DONE, EventParser
from ttscale.errors import BackendError
from ttscale.types import JSON, Message, Prompt, Sampling

VLLM = Dialect(is_vllm=True, prefill="continue_final_message", context_length=512)
PLAIN = Dialect()


def body_of(
    prompt: Prompt,
    sampling: Sampling | None = None,
    *,
    dialect: Dialect = PLAIN,
    wire: Wire | None = None,
    num_choices: int = 1,
    extra: dict[str, JSON] | None = None,
) -> dict[str, JSON]:
    return request_body(
        "m",
        prompt,
        sampling or Sampling(max_tokens=9, temperature=0.7),
        endpoint=endpoint_for(prompt, "auto"),
        seed=5,
        num_choices=num_choices,
        dialect=dialect,
        wire=wire or Wire(stream=True),
        extra=extra or {},
    )


# ── what is sent ──────────────────────────────────────────────────────────────────────────────────────────────


def test_a_conversation_goes_to_chat_with_every_sampling_field_said() -> None:
    assert body_of(Prompt.user("hi", system="be brief")) == {
        "model": "m",
        "messages": [{"role": "system", "content": "be brief"}, {"role": "user", "content": "hi"}],
        "max_tokens": 9,
        "temperature": 0.7,
        "top_p": 1.0,
        "seed": 5,
        "stream": True,
        "stream_options": {"include_usage": True},
    }


def test_text_and_token_ids_go_to_completions() -> None:
    assert endpoint_for(Prompt(text="a"), "auto") == "/completions"
    assert body_of(Prompt(text="a"))["prompt"] == "a"
    assert body_of(Prompt(token_ids=(1, 2)))["prompt"] == [1, 2]


def test_a_vllm_server_is_told_to_forget_the_models_own_defaults() -> None:
    body = body_of(Prompt(token_ids=(1,)), dialect=VLLM)
    off = {
        "top_k": 0,
        "min_p": 0.0,
        "repetition_penalty": 1.0,
        "presence_penalty": 0.0,
        "frequency_penalty": 0.0,
    }
    assert body.items() >= off.items()
    assert body["return_token_ids"] is True


def test_other_servers_get_no_field_of_vllm() -> None:
    body = body_of(Prompt.user("hi"), Sampling(max_tokens=1, top_k=20, logprobs=2))
    assert body["top_k"] == 20
    assert not body.keys() & {"min_p", "repetition_penalty", "return_token_ids", "return_tokens_as_token_ids"}


def test_top_k_reaches_a_vllm_server() -> None:
    assert body_of(Prompt(token_ids=(1,)), Sampling(max_tokens=1, top_k=20), dialect=VLLM)["top_k"] == 20


def test_samples_that_travel_together_are_asked_for_with_n() -> None:
    assert body_of(Prompt.user("hi"), num_choices=4)["n"] == 4
    assert "n" not in body_of(Prompt.user("hi"))


def test_stop_conditions_are_sent_where_the_server_knows_them() -> None:
    sampling = Sampling(max_tokens=1, stop=("\n", "end"), stop_token_ids=(2,))
    body = body_of(Prompt.user("hi"), sampling, dialect=VLLM)
    assert body["stop"] == ["\n", "end"]
    assert body["stop_token_ids"] == [2]
    with pytest.raises(BackendError, match="token ids"):
        body_of(Prompt.user("hi"), sampling)


@pytest.mark.parametrize(("asked", "sent"), [(0, 0), (2, 3), (19, 20), (20, 20)])
def test_one_more_alternative_is_asked_of_vllms_chat_which_counts_the_chosen_token(
    asked: int, sent: int
) -> None:
    body = body_of(Prompt.user("hi"), Sampling(max_tokens=1, logprobs=asked), dialect=VLLM)
    assert body["logprobs"] is True
    assert body["top_logprobs"] == sent
    assert body_of(Prompt.user("hi"), Sampling(max_tokens=1, logprobs=asked))["top_logprobs"] == asked


def test_completions_take_the_number_of_logprobs() -> None:
    body = body_of(Prompt(text="a"), Sampling(max_tokens=1, logprobs=3), dialect=VLLM)
    assert body["logprobs"] == 3
    assert body["return_tokens_as_token_ids"] is True


def test_openais_own_models_take_the_limit_under_another_name() -> None:
    body = body_of(Prompt.user("hi"), dialect=Dialect(max_tokens_field="max_completion_tokens"))
    assert body["max_completion_tokens"] == 9
    assert "max_tokens" not in body


def test_without_a_limit_chat_is_left_to_itself_and_completions_get_the_context() -> None:
    free = Sampling()
    assert "max_tokens" not in body_of(Prompt.user("hi"), free)
    assert body_of(Prompt(text="a"), free, dialect=VLLM)["max_tokens"] == 512
    with pytest.raises(BackendError, match="max_tokens"):
        body_of(Prompt(text="a"), free)


def test_extra_fields_win_and_a_null_takes_a_field_away() -> None:
    body = body_of(Prompt.user("hi"), extra={"top_p": 0.5, "stream_options": None, "user": "me"})
    assert body["top_p"] == 0.5
    assert body["user"] == "me"
    assert "stream_options" not in body


def test_events_are_gathered_only_on_vllm_and_only_in_streams() -> None:
    gathered = Wire(stream=True, tokens_per_event=8)
    assert body_of(Prompt.user("hi"), dialect=VLLM, wire=gathered)["stream_interval"] == 8
    assert "stream_interval" not in body_of(Prompt.user("hi"), wire=gathered)
    whole = body_of(Prompt.user("hi"), dialect=VLLM, wire=Wire(stream=False, tokens_per_event=8))
    assert whole["stream"] is False
    assert not whole.keys() & {"stream_interval", "stream_options"}


def test_an_assistants_last_message_is_continued_in_the_servers_way() -> None:
    prompt = Prompt(messages=(Message("user", "2+2"), Message("assistant", "It is")))
    body = body_of(prompt, dialect=VLLM)
    assert (body["continue_final_message"], body["add_generation_prompt"]) == (True, False)
    last: JSON = {"role": "assistant", "content": "It is", "prefix": True}
    messages = body_of(prompt, dialect=Dialect(prefill="prefix"))["messages"]
    assert isinstance(messages, list)
    assert messages[-1] == last
    assert "continue_final_message" not in body_of(prompt, dialect=Dialect(prefill="plain"))
    with pytest.raises(BackendError, match="prefill="):
        body_of(prompt)


def test_a_prompt_that_the_chosen_api_does_not_take_names_the_mend() -> None:
    with pytest.raises(BackendError, match="tokenizer="):
        endpoint_for(Prompt.user("hi"), "completions")
    with pytest.raises(BackendError, match="api=completions"):
        endpoint_for(Prompt(text="a"), "chat")


# ── how answers are read ──────────────────────────────────────────────────────────────────────────────────────


def read(document: JSON, *, max_top_logprobs: int = 0, names: TokenNames | None = None) -> Reply:
    return parse_reply(json.dumps(document), max_top_logprobs=max_top_logprobs, token_id=names or TokenNames())


def test_a_chat_event_brings_text_ids_and_logprobs_of_a_choice() -> None:
    top: JSON = [{"token": "token_id:7", "logprob": -0.1}, {"token": "token_id:4", "logprob": -3.0}]
    content: JSON = [{"token": "token_id:4", "logprob": -3.0, "top_logprobs": top}]
    choice: JSON = {
        "index": 2,
        "delta": {"content": "so"},
        "finish_reason": None,
        "logprobs": {"content": content},
        "token_ids": [4],
    }
    (delta,) = read({"choices": [choice]}, max_top_logprobs=1).deltas
    assert (delta.choice, delta.text, delta.token_ids, delta.logprobs) == (2, "so", (4,), (-3.0,))
    assert delta.top_logprobs == ({7: -0.1, 4: -3.0},)  # the most likely, and the chosen one
    assert delta.is_output
    assert delta.finish is None


def test_a_completions_event_is_read_the_same() -> None:
    logprobs: JSON = {
        "tokens": ["token_id:4", "token_id:5"],
        "token_logprobs": [-3.0, -0.5],
        "top_logprobs": [{"token_id:4": -3.0, "token_id:7": -0.1}, {"token_id:5": -0.5, "token_id:7": -2.0}],
    }
    choice: JSON = {
        "index": 0,
        "text": "so",
        "finish_reason": "length",
        "logprobs": logprobs,
        "token_ids": [4, 5],
        "prompt_token_ids": [1, 2, 3],
    }
    reply = read({"choices": [choice]}, max_top_logprobs=2)
    (delta,) = reply.deltas
    assert (delta.text, delta.logprobs, delta.finish) == ("so", (-3.0, -0.5), "length")
    assert delta.top_logprobs == ({7: -0.1, 4: -3.0}, {5: -0.5, 7: -2.0})
    assert reply.num_prompt_tokens == 3


def test_tokens_without_ids_get_numbers_below_zero_that_stay_the_same() -> None:
    names = TokenNames()
    assert [names("a"), names("b"), names("a"), names("token_id:12"), names("token_id:x")] == [
        -1,
        -2,
        -1,
        12,
        -3,
    ]


def test_reasoning_is_output_but_not_text() -> None:
    (delta,) = read({"choices": [{"index": 0, "delta": {"reasoning_content": "hmm"}}]}).deltas
    assert (delta.text, delta.is_output) == ("", True)
    (role,) = read({"choices": [{"index": 0, "delta": {"role": "assistant", "content": ""}}]}).deltas
    assert not role.is_output


def test_content_in_parts_is_joined() -> None:
    parts: JSON = [
        {"type": "thinking", "thinking": []},
        {"type": "text", "text": "a"},
        {"type": "text", "text": "b"},
    ]
    (delta,) = read({"choices": [{"index": 0, "message": {"content": parts}, "finish_reason": "stop"}]}).deltas
    assert delta.text == "ab"


def test_the_bill_is_read_with_its_cached_part() -> None:
    usage: dict[str, JSON] = {
        "prompt_tokens": 9,
        "completion_tokens": 4,
        "prompt_tokens_details": {"cached_tokens": 8},
    }
    bill = ServerUsage(prompt_tokens=9, completion_tokens=4, cached_tokens=8)
    assert read({"choices": [], "usage": usage}).usage == bill
    without: JSON = {**usage, "prompt_tokens_details": None}
    assert read({"choices": [], "usage": without}).usage == ServerUsage(prompt_tokens=9, completion_tokens=4)


@pytest.mark.parametrize(
    "data",
    [
        '{"choices": [{"index": 0, "delta": {"cont',
        "[]",
        '"hello"',
        '{"choices": [{"index": -1}]}',
        '{"choices": [{"index": 0, "token_ids": [1, "x"]}]}',
        '{"choices": [], "usage": {"prompt_tokens": -4, "completion_tokens": 2}}',
        '{"choices": 3}',
    ],
)
def test_a_broken_answer_is_an_error_that_says_so(data: str) -> None:
    with pytest.raises(BackendError, match="broken answer"):
        parse_reply(data, max_top_logprobs=0, token_id=TokenNames())


@pytest.mark.parametrize(
    ("document", "message"),
    [
        ({"error": {"message": "too long", "code": 400}}, "too long"),
        ({"error": "busy"}, "busy"),
        ({"object": "error", "message": "no such model"}, "no such model"),
        ({"detail": "Not authenticated"}, "Not authenticated"),
        ({"error": {"message": "cut"}, "choices": [{"index": 0, "delta": {}}]}, "cut"),
    ],
)
def test_an_error_report_in_an_answer_is_told_with_the_servers_words(document: JSON, message: str) -> None:
    with pytest.raises(ServerError, match=message):
        read(document)


def test_a_servers_message_is_cleaned_and_shortened() -> None:
    assert clean_message("a\x1b[31m\n\tb\x00\u202e") == "a[31m b"
    assert len(clean_message("x" * 1000)) == MAX_MESSAGE_CHARACTERS
    assert clean_message(" \n") == "no message"
    assert error_message("<html>oops</html>") == "<html>oops</html>"
    assert error_message('{"error": {"code": 5}}') == '{"error": {"code": 5}}'


def test_an_errors_code_is_found() -> None:
    assert error_code('{"error": {"code": "insufficient_quota"}}') == "insufficient_quota"
    assert error_code('{"code": 429}') == 429
    assert error_code("not json") is None


@pytest.mark.parametrize(
    ("word", "reason"),
    [
        ("stop", "stop"),
        ("length", "length"),
        ("max_tokens", "length"),
        ("tool_calls", "stop"),
        ("eos_token", "stop"),
        ("content_filter", "error"),
        ("abort", "error"),
    ],
)
def test_finish_reasons_are_translated(word: str, reason: str) -> None:
    ours, error = finish_reason(word)
    assert ours == reason
    assert (error is not None) == (reason == "error")


# ── server-sent events ────────────────────────────────────────────────────────────────────────────────────────


def test_only_data_counts_in_an_event_stream() -> None:
    stream = b': alive\n\nevent: message\nid: 4\ndata: {"a":\ndata: 1}\n\ndata:x\r\n\r\n'
    assert EventParser().feed(stream + b"retry: 3\n\ndata: [DONE]\n\n") == ['{"a":\n1}', "x", DONE]


@given(
    st.lists(st.text(st.characters(codec="utf-8", exclude_characters="\r\n"), min_size=1), max_size=5),
    st.sampled_from(["\n", "\r\n"]),
    st.data(),
)
def test_events_come_out_whole_however_the_bytes_are_cut(
    events: list[str], newline: str, data: st.DataObject
) -> None:
    stream = "".join(f"data: {event}{newline}{newline}" for event in events).encode()
    cuts = sorted(data.draw(st.lists(st.integers(0, len(stream)), max_size=10)))
    parser = EventParser()
    found = list[str]()
    for start, end in zip([0, *cuts], [*cuts, len(stream)], strict=True):
        found += parser.feed(stream[start:end])
    assert found == events
    assert parser.finish() == []


def test_a_last_event_without_its_blank_line_is_kept() -> None:
    parser = EventParser()
    assert parser.feed(b"data: a\n\ndata: b") == ["a"]
    assert parser.finish() == ["b"]


@pytest.mark.parametrize(
    "part", [b"x" * 100_000, b"data: " + b"x" * 100_000 + b"\n"], ids=["one line", "many lines"]
)
def test_an_event_without_end_is_refused(monkeypatch: pytest.MonkeyPatch, part: bytes) -> None:
    monkeypatch.setattr("ttscale.backends.openai.sse.MAX_EVENT_BYTES", 1 << 20)
    parser = EventParser()
    for _ in range(10):
        assert parser.feed(part) == []
    with pytest.raises(BackendError, match="1 MiB"):
        parser.feed(part)


def test_bytes_that_are_no_text_are_refused() -> None:
    with pytest.raises(BackendError, match="UTF-8"):
        EventParser().feed(b"data: \xff\n\n")


# ── who pays for what ─────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("total", "counted", "weights", "parts"),
    [
        (10, [4, 6], [1, 1], [4, 6]),
        (10, [4, None], [1, 1], [4, 6]),
        (10, [None, None], [30, 10], [8, 2]),
        (10, [None, None, None], [1, 1, 1], [4, 3, 3]),
        (5, [None, None], [0, 0], [3, 2]),
        (12, [4, 4], [1, 1], [6, 6]),
        (3, [4, None], [1, 2], [2, 1]),
        (0, [], [], []),
        (7, [None], [0], [7]),
    ],
)
def test_a_bill_is_split_by_counts_and_then_by_length(
    total: int, counted: list[int | None], weights: list[int], parts: list[int]
) -> None:
    assert split_tokens(total, counted, weights) == parts


@given(
    st.integers(0, 10_000),
    st.lists(st.tuples(st.none() | st.integers(0, 500), st.integers(0, 5000)), min_size=1, max_size=20),
)
def test_the_parts_of_a_bill_sum_to_it(total: int, samples: list[tuple[int | None, int]]) -> None:
    parts = split_tokens(total, [count for count, _ in samples], [weight for _, weight in samples])
    assert sum(parts) == total
    assert min(parts) >= 0
