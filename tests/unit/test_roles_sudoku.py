from __future__ import annotations

import re

import pytest

from ttscale.answers import extract_answer
from ttscale.reference.problems import Entry, Parameters, make_dataset
from ttscale.reference.roles.sudoku import (
    EVALUATION,
    PHRASES,
    TRAINING,
    shorten_question,
    solve_mini_sudoku,
    sudoku_key,
)

EASY: Entry = {"metadata": {"puzzle": [[3, 0, 4, 2], [2, 4, 0, 3], [4, 0, 3, 1], [1, 3, 2, 4]]}}


def test_a_solution_gives_boards_reasons_and_the_filled_board() -> None:
    assert solve_mini_sudoku(EASY) == (
        [
            "3_42 24_3 4_31 1324",
            "r1c2 row 342 column 43 box 324 so 1",
            "r2c3 row 243 column 432 box 423 so 1",
            "r3c2 row 431 column 43 box 413 so 2",
        ],
        "3 1 4 2\n2 4 1 3\n4 2 3 1\n1 3 2 4",
    )


@pytest.mark.parametrize("parameters", [*TRAINING, EVALUATION])
def test_every_solution_scores_one_with_the_checker_of_reasoning_gym(parameters: Parameters) -> None:
    dataset = make_dataset("mini_sudoku", parameters, seed=0, size=60)
    for index in range(60):
        entry = dataset[index]
        solved = solve_mini_sudoku(entry)
        assert solved is not None
        steps, answer = solved
        text = "\n".join((*steps, f"\\boxed{{{answer}}}"))
        assert extract_answer(text) == answer
        assert dataset.score_answer(extract_answer(text), entry) == 1.0
        assert solve_mini_sudoku(entry) == solved


def test_every_step_is_true_of_the_board_before_it() -> None:
    dataset = make_dataset("mini_sudoku", EVALUATION, seed=500, size=60)
    for index in range(60):
        entry = dataset[index]
        solved = solve_mini_sudoku(entry)
        assert solved is not None
        board, filled = "", dict[int, str]()
        for step in solved[0]:
            found = re.fullmatch(
                r"r([1-4])c([1-4]) row ([1-4]+|-) column ([1-4]+|-) box ([1-4]+|-) so ([1-4])", step
            )
            if found is None:
                _check_board(step, board, filled)
                board, filled = step.replace(" ", ""), {}
                continue
            row, column = int(found[1]) - 1, int(found[2]) - 1
            assert board[4 * row + column] == "_"
            units = [
                [4 * row + other for other in range(4)],
                [4 * other + column for other in range(4)],
                [4 * r + c for r in range(4) for c in range(4) if r // 2 == row // 2 and c // 2 == column // 2],
            ]
            seen = ["".join(board[cell] for cell in unit).replace("_", "") for unit in units]
            assert [part or "-" for part in seen] == [found[3], found[4], found[5]]
            assert set("1234") - set("".join(seen)) == {found[6]}
            filled[4 * row + column] = found[6]
        answer = solved[1].replace(" ", "").replace("\n", "")
        assert answer == "".join(filled.get(cell, number) for cell, number in enumerate(board))


def _check_board(step: str, board: str, filled: dict[int, str]) -> None:
    assert re.fullmatch("[1-4_]{4}( [1-4_]{4}){3}", step)
    if board:
        assert filled
        assert step.replace(" ", "") == "".join(filled.get(cell, number) for cell, number in enumerate(board))


def test_a_puzzle_that_needs_more_than_forced_cells_is_left_out() -> None:
    entry: Entry = {"metadata": {"puzzle": [[1, 2, 0, 0], [0, 0, 0, 0], [0, 0, 0, 0], [0, 0, 0, 0]]}}
    assert solve_mini_sudoku(entry) is None


def test_a_full_board_is_its_own_answer() -> None:
    full: Entry = {"metadata": {"puzzle": [[3, 1, 4, 2], [2, 4, 1, 3], [4, 2, 3, 1], [1, 3, 2, 4]]}}
    assert solve_mini_sudoku(full) == ([], "3 1 4 2\n2 4 1 3\n4 2 3 1\n1 3 2 4")


def test_the_key_is_the_puzzle_whatever_the_wording() -> None:
    assert sudoku_key(EASY) == sudoku_key({"question": "x", **EASY}) == "mini_sudoku 3_42 24_3 4_31 1324"


def test_the_short_question_is_the_puzzle_without_rules_and_instruction() -> None:
    entry = make_dataset("mini_sudoku", EVALUATION, seed=0, size=1)[0]
    short = shorten_question(entry["question"])
    assert short.startswith("Solve this 4x4 Mini Sudoku puzzle:\n")
    assert re.fullmatch(r"([1-4_]( [1-4_]){3}\n?){4}", short.partition("\n")[2])
    assert short in entry["question"]
    assert all(phrase in entry["question"] for phrase in PHRASES[:4])
