"""Keys and extraction, by hand-written tables."""

from __future__ import annotations

import pytest

from ttscale.answers import answer_key, extract_answer

# fmt: off
ONE_HALF = [
    "1/2", "0.5", ".5", "0.50", "+0.5", "5e-1", "50/100", r"\frac{1}{2}", r"\frac12", r"\dfrac{1}{2}",
    r"\tfrac 12", r"$\frac{1}{2}$", r"\(0.5\)", r"\[ 0.5 \]", "$0.50", r"\$0.5", "x = 0.5", "0.5.",
    "  0.5\n", r"\boxed{0.5}", r"\text{0.5}", "1 / 2", "**0.5**", "5*10^{-1}", "(3-2)/2", "0.5/1",
]
# fmt: on

# fmt: off
THOUSAND = [
    "1000", "1,000", "1000.00", "1e3", "1E3", "10^3", "10^{3}", r"1\times 10^{3}", r"1 \cdot 10^3",
    "1 x 10^3", "1{,}000", r"1\,000", r"1,\!000", "$1,000$", r"\$1,000", "€1000", "1000 dollars",
    "1,000 cm", "01000", r"1000\text{ cm}^2", r"1000 \mathrm{~kg}", "1000 square units", r"1000^\circ",
    r"1000^{\circ}", "1000°", r"1000\%", "1000 %", "1000 percent", "1000 km/h", "1000 m/s^2",
    r"\left(999+1\right)",
]
# fmt: on

CLASSES = [
    ("1/2", ONE_HALF),
    ("1000", THOUSAND),
    ("-3", ["-3", "−3", "-3.0", "- 3", r"\boxed{-3}", "-6/2", "-(3)", "1-(4)"]),
    ("0", ["0", "-0", "0.0", "+0", "0/7", "00"]),
    (
        "3/2",
        ["3/2", "1.5", "1 1/2", r"1\frac{1}{2}", r"1 \frac{1}{2}", r"1\dfrac12", r"\frac{3}{2}", r"\frac32"],
    ),
    ("-7/3", [r"-2\frac{1}{3}", "-7/3", r"-\frac{7}{3}", r"\frac{-7}{3}", "-2 1/3", r"\frac{7}{-3}"]),
    ("112", ["83 + 77 - 48", "83+77-48", "(83+77)-48", "-48 + 83 + 77", r"8 \times 14 + 0", "112"]),
    ("a", ["A", "a", "(A)", "A.", "A)", r"\text{(A)}", r"\textbf{A}"]),
    ("yes", ["Yes", "yes", "YES.", r"\text{Yes}", r"\mathrm{yes}", " yes "]),
    ("(1, 2)", ["(1,2)", "(1, 2)", "( 1 , 2 )", r"\left(1,2\right)", r"$(1,\,2)$", "(1,\n2)"]),
    ("x^2+1", ["x^2+1", "x^{2} + 1", "$x^2 + 1$", "X^2+1"]),
    (r"\frac{\sqrt{3}}{2}", [r"\frac{\sqrt{3}}{2}", r"\dfrac{\sqrt3}{2}", r"\frac{ \sqrt{3} }{ 2 }"]),
    (r"2\pi", ["2π", r"2\pi", r"2 \pi", r"2\pi."]),
    (r"x<=5", [r"x \le 5", r"x\leq5", "x ≤ 5", "x <= 5"]),
    ("new york", ["New York", "new  york", "New\nYork."]),
]


@pytest.mark.parametrize(("key", "answers"), CLASSES, ids=[key for key, _ in CLASSES])
def test_answers_that_are_the_same_share_a_key(key: str, answers: list[str]) -> None:
    assert {answer: answer_key(answer) for answer in answers} == dict.fromkeys(answers, key)


# fmt: off
APART = [
    "1", "2", "1/3", "0.333", "-1", "1/0", "1e999999", "10**10**10", "x", "x+1", "(1, 2)", "(2, 1)",
    "[1, 2]", "1 2", "12", "1, 2", "2024-01-31", "2024-02-29", "3-5", "10:30", "5m", "52_8", "52", "5!",
    "no", "yes", r"\Delta", r"\delta", "9" * 5000, "9" * 5001, "9" * 20_000, "9" * 20_001, "1 3/2", "x=",
    "{", "}", "\\",
]
# fmt: on


def test_answers_that_differ_have_different_keys() -> None:
    keys = [answer_key(answer) for answer in APART]
    assert None not in keys
    assert len(set(keys)) == len(APART)


@pytest.mark.parametrize("nothing", [None, "", "  \n", "$$", r"\(\)", "**", r"\text{}", r"\left", "."])
def test_nothing_has_no_key(nothing: str | None) -> None:
    assert answer_key(nothing) is None


FOUND = [
    (r"so \boxed{4}, no: \boxed{\frac{1}{2}}.", r"\frac{1}{2}"),
    (r"\boxed{\boxed{5}}", "5"),
    (r"\fbox{ 7 }", "7"),
    (r"\boxed {7}", "7"),
    (r"\\boxed{7}", "7"),
    (r"\boxed{\{1, 2\}}", r"\{1, 2\}"),
    (r"\boxed{3} and \boxed{5", "3"),
    (r"\boxed{3} and \boxed{ }", "3"),
    (r"{{{ \boxed{3} }", "3"),
    (r"\boxed{1} <answer>2</answer>", "1"),
    ("<answer> 3 </answer> or <ANSWER>\n4\n</ANSWER>", "4"),
    ("<answer>3</answer> <answer>4", "3"),
    ("<answer>3</answer> #### 4", "3"),
    ("work\n#### 1,234\n", "1,234"),
    ("#### 5 apples\nThat is it.", "5 apples"),
    ("#### Step 1\nthink\n#### yes", "yes"),
    ("#### 3\nThe answer is 4.", "3"),
    ("The answer is 42. I hope it is correct.", "42"),
    ("The final answer is $\\frac{1}{2}$. I hope it is correct.", "$\\frac{1}{2}$"),
    ("**Final Answer:** $x^2$.", "$x^2$"),
    ("**Answer**: 3.5", "3.5"),
    ("final answer:\n\n42\n", "42"),
    ("The answer is (B). Because it is.", "(B)"),
    ("ANSWER = 50%", "50%"),
    ("The answer is $1,234.56.", "$1,234.56"),
    ("Answer: Dr. Smith.", "Dr. Smith"),
    ("answer: 1\nanswer: 2", "2"),
]


@pytest.mark.parametrize(("text", "answer"), FOUND)
def test_the_last_answer_of_the_strongest_kind_is_found(text: str, answer: str) -> None:
    assert extract_answer(text) == answer


@pytest.mark.parametrize(
    "text",
    ["", "I do not know.", r"\boxed{", r"\boxed{5", r"\boxed{}", "<answer>5", "</answer>5", "#### Step 1\nthen",
     "##### 5", "answer:", "Answers vary", "the answer", r"boxed{5}", r"\boxed{" + "1" * 20_000 + "}"],
)  # fmt: skip
def test_a_text_without_an_answer_gives_none(text: str) -> None:
    assert extract_answer(text) is None


# fmt: off
HOSTILE = [
    "{", "}", "\\", r"\boxed{", r"\boxed{}", r"\boxed ", "<answer>", "</answer>", "#### ", "####\n", "#",
    "answer", "answer: ", "answer is $", "answer:\n", " ", "\n", "\t", "$", "1,", "1 ", "(", "-", "x=",
    r"\text{", r"\frac", r"\frac{", r"\sqrt", "^{", ",", ", ", "1/", "9" * 50, r"\left", "1 cm ", "e5",
    "10^",
]
# fmt: on


@pytest.mark.slow
@pytest.mark.parametrize("piece", HOSTILE)
def test_hostile_repetitions_are_read_in_linear_time(piece: str) -> None:
    # The suite's time limit fails this if anything is quadratic: two hundred thousand squared takes hours.
    for text in (piece * (200_000 // len(piece)), "answer: " + piece * (200_000 // len(piece))):
        extract_answer(text)
        answer_key(text)
    for length in (9_990, 990, 190):
        answer_key(piece * (length // len(piece)))
        answer_key("1" + piece * (length // len(piece)) + "1")
