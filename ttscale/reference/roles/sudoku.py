r"""Worked solutions of reasoning-gym's 4x4 sudoku (`mini_sudoku`).

A solution goes in rounds. A round begins with the board in one line, its rows apart and `_` for an empty cell.
Then every cell that has one possible number left is filled, in reading order; the line of a cell says what that
board has in its row, its column and its 2x2 box (`-` for nothing). The answer is the whole board:

```
3_42 24_3 4_31 1324
r1c2 row 342 column 43 box 324 so 1
r2c3 row 243 column 432 box 423 so 1
r3c2 row 431 column 43 box 413 so 2
\boxed{3 1 4 2
2 4 1 3
4 2 3 1
1 3 2 4}
```

Cells with one possible number were enough for all puzzles met so far; one that needs more has no solution here.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Final, cast

if TYPE_CHECKING:
    from ttscale.reference.problems import Entry, Parameters

Board = Sequence[Sequence[int]]
"""Four rows of four numbers from 1 to 4, 0 for an empty cell."""

TRAINING: Final[tuple[Parameters, ...]] = (
    {"min_empty": 4, "max_empty": 8},
    {"min_empty": 8, "max_empty": 12},
)
"""The reasoning-gym parameters that are proposed for training."""

EVALUATION: Final[Parameters] = {"min_empty": 8, "max_empty": 12}
"""The reasoning-gym parameters that are proposed for evaluation; they are reasoning-gym's own defaults."""

_SHORT = "Solve this 4x4 Mini Sudoku puzzle:\n"
_RULES = (
    "In 4x4 Mini Sudoku:\n"
    "- Each row must contain each number from 1-4 exactly once\n"
    "- Each column must contain each number 1-4 exactly once\n"
    "- Each 2x2 subgrid must contain each number 1-4 exactly once\n"
)
_INSTRUCTION = (
    "Format your response as the puzzle above, with spaces separating each number within a row, "
    "and newlines separating rows."
)

PHRASES: Final = (_RULES + _SHORT, _SHORT, _INSTRUCTION, "_", " row ", " column ", " box ", " so ")
"""The fixed texts of questions and solutions; `_` is one so that the cells of a board stay one token each."""


def sudoku_key(entry: Entry) -> str:
    """Identify a puzzle whatever the wording."""
    return f"mini_sudoku {_board_line(_puzzle(entry))}"


def shorten_question(question: str) -> str:
    """Return the question without the rules and the instruction at its end."""
    return _SHORT + question.partition(_SHORT)[2].partition(_INSTRUCTION)[0].strip()


def solve_mini_sudoku(entry: Entry) -> tuple[list[str], str] | None:
    """Return the steps and the answer, four lines; None for a puzzle that needs more than forced cells.

    Args:
        entry: The entry as reasoning-gym gives it.
    """
    board, steps = [list(row) for row in _puzzle(entry)], list[str]()
    while any(0 in row for row in board):
        forced = _forced_cells(board)
        if not forced:
            return None
        steps.append(_board_line(board))
        steps += [_reason(board, cell, number) for cell, number in forced.items()]
        for (row, column), number in forced.items():
            board[row][column] = number
    return steps, "\n".join(" ".join(map(str, row)) for row in board)


def _puzzle(entry: Entry) -> Board:
    return cast("Board", cast("Mapping[str, object]", entry["metadata"])["puzzle"])


def _board_line(board: Board) -> str:
    return " ".join("".join(str(number or "_") for number in row) for row in board)


def _forced_cells(board: Board) -> dict[tuple[int, int], int]:
    """The empty cells with one possible number, by row and column from 0, in reading order."""
    forced = dict[tuple[int, int], int]()
    for row in range(4):
        for column in range(4):
            possible = {1, 2, 3, 4}.difference(*_seen(board, row, column))
            if not board[row][column] and len(possible) == 1:
                (forced[row, column],) = possible
    return forced


def _seen(board: Board, row: int, column: int) -> tuple[list[int], list[int], list[int]]:
    """The numbers in a cell's row, column and box, each in reading order."""
    top, left = row - row % 2, column - column % 2
    box = (*board[top][left : left + 2], *board[top + 1][left : left + 2])
    units = (board[row], [line[column] for line in board], box)
    in_row, in_column, in_box = ([number for number in unit if number] for unit in units)
    return in_row, in_column, in_box


def _reason(board: Board, cell: tuple[int, int], number: int) -> str:
    row, column = cell
    seen = ("".join(map(str, unit)) or "-" for unit in _seen(board, row, column))
    in_row, in_column, in_box = seen
    return f"r{row + 1}c{column + 1} row {in_row} column {in_column} box {in_box} so {number}"
