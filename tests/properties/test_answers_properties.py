"""Laws of answer keys and extraction, for arbitrary text."""

from __future__ import annotations

import random
from fractions import Fraction

from hypothesis import example, given
from hypothesis import strategies as st

from ttscale.answers import AnswerClasses, answer_key, extract_answer

# fmt: off
_PIECES = st.sampled_from([
    r"\frac", r"\dfrac", r"\text", r"\left", r"\boxed", r"\!", r"\,", r"\%", r"\$", r"\sqrt", r"\pi", r"\le",
    r"^\circ", "{", "}", "(", ")", " ", "  ", ",", ".", "$", "%", "=", "x", "X", "E", "1", "23", "0", "-", "+",
    "*", "/", "^", "_", "cm", " m", "\\", "l", "eft", "°", "π", "−", "~", ";", ":", "\n", "1,000", "dollars",
    "€", "ß", "İ", "!", "`", "²",
])
_PHRASES = st.sampled_from([
    r"\boxed{", r"\fbox {", "{", "}", "\\", "<answer>", "</answer>", "<ANSWER>", "####", "answer is", "Answer:",
    "$", "42", "0.5", ".", " ", "\n", "**", "x", "(B)", "The", "\u2028", "\r",
])
# fmt: on
ANSWERS = st.one_of(st.text(max_size=40), st.lists(_PIECES, max_size=14).map("".join))


@given(ANSWERS)
@example("\\l\\left\\!eft")
@example("1" + " cm" * 30)
@example("1," * 6000)
def test_a_key_is_its_own_key(answer: str) -> None:
    key = answer_key(answer)
    assert answer_key(key) == key
    assert key != ""


@given(ANSWERS.filter(lambda answer: not answer.endswith("\\")))
def test_spaces_around_and_dollar_signs_do_not_matter(answer: str) -> None:
    assert answer_key(f"  ${answer}$\n") == answer_key(answer)


@given(st.integers(-(10**30), 10**30), st.integers(1, 10**12), st.integers(1, 50))
def test_every_way_to_write_a_fraction_is_the_same_answer(top: int, bottom: int, factor: int) -> None:
    key = str(Fraction(top, bottom))
    sign, size = ("-" if top < 0 else ""), abs(top)
    forms = [f"{top}/{bottom}", f"{top * factor}/{bottom * factor}", rf"\frac{{{top}}}{{{bottom}}}"]
    forms += [rf"{sign}\frac{{{size}}}{{{bottom}}}", f"{sign}{size}.0/{bottom}", f"{top}/{bottom} cm"]
    if size % bottom and size > bottom:
        forms.append(f"{sign}{size // bottom} {size % bottom}/{bottom}")
    assert {answer_key(form) for form in forms} == {key}


@given(st.integers(-(10**15), 10**15), st.integers(0, 12))
def test_every_way_to_write_a_decimal_is_the_same_answer(digits: int, places: int) -> None:
    value = Fraction(digits, 10**places)
    written = f"{abs(digits):0{places + 1}d}"
    sign = "-" if digits < 0 else ""
    whole, part = written[: len(written) - places], written[len(written) - places :]
    forms = [
        f"{sign}{whole}.{part}",
        f"{sign}{int(whole):,}.{part}",
        f"{digits}e-{places}",
        f"{digits}*10^{{-{places}}}",
    ]
    assert {answer_key(form) for form in forms} == {str(value)}


def _combined(inner: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    return st.builds("({}{}{})".format, inner, st.sampled_from("+-*"), inner)


@given(st.recursive(st.integers(0, 99).map(str), _combined, max_leaves=8))
def test_arithmetic_is_exact(expression: str) -> None:
    value = eval(expression)
    assert answer_key(f"{expression}+0") == str(value)


@given(st.lists(st.one_of(_PHRASES, _PIECES), max_size=30).map("".join))
def test_whatever_is_extracted_was_written(text: str) -> None:
    answer = extract_answer(text)
    assert answer is None or (answer in text and answer.strip() == answer != "")


_CONTENT = st.text(st.characters(exclude_characters="{}\\"), min_size=1, max_size=50).filter(str.strip)


@given(st.text(st.characters(exclude_characters="\\"), max_size=50), _CONTENT)
def test_the_last_closed_box_is_the_answer(before: str, answer: str) -> None:
    assert extract_answer(f"{before} \\boxed{{{answer}}} and so on") == answer.strip()


@given(st.lists(st.one_of(st.none(), ANSWERS), max_size=8), st.integers(0, 2**32))
async def test_without_workers_the_classes_are_the_keys_in_any_order(
    answers: list[str | None], seed: int
) -> None:
    classes = AnswerClasses(None)
    assert await classes.keys(answers) == [answer_key(answer) for answer in answers]
    shuffled = random.Random(seed).sample(answers, len(answers))
    assert [await classes.key(answer) for answer in shuffled] == [answer_key(answer) for answer in shuffled]
