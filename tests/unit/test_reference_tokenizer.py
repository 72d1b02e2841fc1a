from __future__ import annotations

import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ttscale.reference import ABACUS_PATH
from ttscale.reference.problems import Problem
from ttscale.reference.tokenizer import (
    ASSISTANT,
    BEGIN,
    CHAT_TEMPLATE,
    END,
    SPECIAL_TOKENS,
    USER,
    encode_problem,
    encode_text,
)

tokenizers = pytest.importorskip("tokenizers")
transformers = pytest.importorskip("transformers")

SHIPPED = tokenizers.Tokenizer.from_file(str(ABACUS_PATH / "tokenizer.json"))
QUESTION = "Calculate 309 using all of these numbers: 6, 61, 94, 4."


@settings(deadline=None)
@given(st.text())
def test_any_text_comes_back_as_it_was(text: str) -> None:
    if not any(token in text for token in SPECIAL_TOKENS):
        assert SHIPPED.decode(encode_text(SHIPPED, text), skip_special_tokens=False) == text


@settings(deadline=None)
@given(st.integers(min_value=0))
def test_every_digit_is_one_token(number: int) -> None:
    pieces = [SHIPPED.id_to_token(token) for token in encode_text(SHIPPED, f"x={number}*2")]
    assert pieces == ["x", "=", *str(number), "*", "2"]


def test_a_line_end_is_one_token_so_that_steps_can_be_cut_there() -> None:
    pieces = [
        SHIPPED.id_to_token(token) for token in encode_text(SHIPPED, "94*4=376\n376-61=315\n\\boxed{315}")
    ]
    assert pieces.count("Ċ") == 2
    assert "\\boxed{" in pieces


def test_special_tokens_have_the_first_ids_in_order() -> None:
    assert [SHIPPED.token_to_id(token) for token in SPECIAL_TOKENS] == list(range(len(SPECIAL_TOKENS)))


def test_the_chat_template_renders_the_prompt_of_training() -> None:
    loaded = transformers.AutoTokenizer.from_pretrained(ABACUS_PATH)
    problem = Problem("countdown", 0, QUESTION, ("94*4=376", "376-61=315", "315-6=309"), "94*4-61-6", "")
    ids, num_prompt = encode_problem(SHIPPED, problem)
    chat = [{"role": "user", "content": f"{QUESTION}\n"}]
    assert (
        loaded.apply_chat_template(chat, add_generation_prompt=True, return_dict=True)["input_ids"]
        == ids[:num_prompt]
    )
    answered = [*chat, {"role": "assistant", "content": problem.solution}]
    assert loaded.apply_chat_template(answered, return_dict=True)["input_ids"] == ids


def test_conversations_of_several_turns_and_system_messages_render() -> None:
    loaded = transformers.AutoTokenizer.from_pretrained(ABACUS_PATH)
    chat = [
        {"role": "system", "content": "Be brief."},
        {"role": "user", "content": "1 + 2 ="},
        {"role": "assistant", "content": "3"},
        {"role": "user", "content": "3 + 4 ="},
    ]
    text = loaded.apply_chat_template(chat, add_generation_prompt=True, tokenize=False)
    assert text == f"{BEGIN}{USER}1 + 2 ={ASSISTANT}3{END}{USER}3 + 4 ={ASSISTANT}"


def test_the_shipped_tokenizer_ends_at_the_end_token() -> None:
    config = json.loads((ABACUS_PATH / "tokenizer_config.json").read_text(encoding="utf-8"))
    assert config["eos_token"] == END
    assert config["chat_template"] == CHAT_TEMPLATE
