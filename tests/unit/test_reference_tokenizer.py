from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ttscale.reference import ABACUS_PATH
from ttscale.reference.conversation import Conversation, Turn, taught, user
from ttscale.reference.tokenizer import (
    ASSISTANT,
    BEGIN,
    CHAT_TEMPLATE,
    END,
    NO_TARGET,
    SPECIAL_TOKENS,
    USER,
    encode_conversation,
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


def rendered(turns: Sequence[Turn], *, answer: bool) -> list[int]:
    """Return the tokens that transformers makes of a conversation, by the shipped chat template."""
    loaded = transformers.AutoTokenizer.from_pretrained(ABACUS_PATH)
    chat = [{"role": turn.role, "content": turn.text} for turn in turns]
    return list(loaded.apply_chat_template(chat, add_generation_prompt=answer, return_dict=True)["input_ids"])


def test_a_conversation_is_encoded_as_the_chat_template_renders_it() -> None:
    turns = (user(f"{QUESTION}\n"), taught("94*4=376\n376-61=315"), user("Go on."), taught(" 315-6=309\n"))
    tokens, targets = encode_conversation(SHIPPED, Conversation(turns, ""))
    assert tokens == rendered(turns, answer=False)
    assert rendered(turns[:1], answer=True) == tokens[: len(rendered(turns[:1], answer=True))]
    learnt = [target for target in targets if target != NO_TARGET]
    end = SHIPPED.token_to_id(END)
    assert SHIPPED.decode([t for t in learnt if t != end]) == "94*4=376\n376-61=315315-6=309"
    assert all(tokens[i + 1] == target for i, target in enumerate(targets) if target != NO_TARGET)


def test_a_judge_sees_one_sign_and_learns_another() -> None:
    turns = (user("2+2=5"), Turn("assistant", "+", "-"), user("5+1=6"), Turn("assistant", "+", "-"))
    tokens, targets = encode_conversation(SHIPPED, Conversation(turns, ""))
    assert tokens == rendered(turns, answer=False)
    minus, end = SHIPPED.token_to_id("-"), SHIPPED.token_to_id(END)
    assert [target for target in targets if target != NO_TARGET] == [minus, end, minus, end]
    with pytest.raises(ValueError, match="not as long"):
        encode_conversation(SHIPPED, Conversation((user("a"), Turn("assistant", "+", "+-+")), ""))


def test_grades_are_learnt_after_the_token_that_holds_their_place() -> None:
    text = " 1+1=2\n2+1=4\n"
    turns = (Turn("user", text, grades=((6, "+"), (7, "-"))), taught("5"))
    tokens, targets = encode_conversation(SHIPPED, Conversation(turns, ""))
    read = [SHIPPED.decode([token], skip_special_tokens=False) for token in tokens]
    learnt = {place: SHIPPED.decode([target]) for place, target in enumerate(targets) if target >= 0}
    assert read[:9] == ["<|begin|>", "<|user|>", "1", "+", "1", "=", "2", "\n", "2"]
    assert {place: said for place, said in learnt.items() if place < 9} == {7: "+", 8: "-"}


def test_what_is_copied_is_learnt_token_by_token() -> None:
    turns = (Turn("user", " 1+1=2\n2+1=4\n", copied=((1, 6),)), taught("5"))
    tokens, targets = encode_conversation(SHIPPED, Conversation(turns, ""))
    learnt = {place: target for place, target in enumerate(targets[:8]) if target >= 0}
    assert learnt == {place: tokens[place + 1] for place in range(1, 6)}
    assert SHIPPED.decode(tokens[2:7]) == "1+1=2"


@pytest.mark.parametrize(
    "turn",
    [
        {"role": "assistant", "text": "1", "copied": ((0, 1),)},
        {"role": "assistant", "text": "1", "grades": ((0, "+"),)},
        {"role": "user", "text": "1", "grades": ((1, "+"),)},
        {"role": "user", "text": "1", "grades": ((-1, "+"),)},
    ],
)
def test_grades_have_a_place_in_what_a_user_says(turn: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match="Grades and spans stand at places"):
        Turn(**turn)


def test_a_turn_given_in_part_is_one_message_and_only_the_rest_is_learnt() -> None:
    parts = (user("a"), Turn("assistant", "1+1=2\n"), Turn("assistant", "2+2=4", "2+2=4", continues=True))
    tokens, targets = encode_conversation(SHIPPED, Conversation(parts, ""))
    assert tokens == rendered((user("a"), taught("1+1=2\n2+2=4")), answer=False)
    learnt = [target for target in targets if target != NO_TARGET]
    assert SHIPPED.decode(learnt, skip_special_tokens=True) == "2+2=4"
    assert learnt[-1] == SHIPPED.token_to_id(END)


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
