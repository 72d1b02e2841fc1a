"""The database tool: it reads, within bounds, and can do nothing else."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from ttscale.tools import ToolResult
from ttscale.tools.sql import SqlTool
from ttscale.virtual import run_virtual


@pytest.fixture(scope="module")
def path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("sql") / "a b?.db"
    with closing(sqlite3.connect(path)) as connection, connection:
        connection.execute("CREATE TABLE city (name TEXT, people INT)")
        connection.executemany("INSERT INTO city VALUES (?, ?)", [("Rome", 3), ("Oslo", 1), ("Lyon", 2)])
    return path


def ask(path: Path, query: str, **parameters: float) -> ToolResult:
    return run_virtual(SqlTool(path=str(path), **parameters).call({"query": query}))  # type: ignore[arg-type]


def test_it_says_which_tables_there_are_and_reads_them(path: Path) -> None:
    assert "CREATE TABLE city (name TEXT, people INT)" in SqlTool(path=str(path)).description
    result = ask(path, "SELECT name, people FROM city ORDER BY people", max_rows=2)
    assert result.value == {"columns": ["name", "people"], "rows": [["Oslo", 1], ["Lyon", 2]], "has_more": True}


def test_values_are_plain_json(path: Path) -> None:
    result = ask(path, "SELECT x'00ff', NULL, 1.5, 9e999, 'x' || char(27)")
    assert result.value == {
        "columns": ["x'00ff'", "NULL", "1.5", "9e999", "'x' || char(27)"],
        "rows": [["00ff", None, 1.5, "inf", "x\x1b"]],
        "has_more": False,
    }


@pytest.mark.parametrize(
    "query",
    [
        "DELETE FROM city",
        "INSERT INTO city VALUES ('x', 1)",
        "CREATE TABLE other (a)",
        "CREATE TEMP TABLE other (a)",
        "DROP TABLE city",
        "ATTACH '/etc/passwd' AS other",
        "VACUUM INTO '/tmp/copy.db'",
        "PRAGMA writable_schema = ON",
        "SELECT * FROM pragma_table_info('city')",
        "SELECT load_extension('x')",
        "SELECT printf('%.*c', 1000000000, 'x')",
        "SELECT zeroblob(1000000000)",
        "SELECT 1; DROP TABLE city",
        "BEGIN",
        "nonsense",
        "SELECT '\x00'",
    ],
)
def test_what_does_not_read_or_grows_is_refused(path: Path, query: str) -> None:
    result = ask(path, query)
    assert result.error is not None
    assert result.error.startswith("the query was refused: ")
    assert ask(path, "SELECT count(*) FROM city").value == {
        "columns": ["count(*)"],
        "rows": [[3]],
        "has_more": False,
    }


def test_a_query_that_does_not_end_is_stopped(path: Path) -> None:
    endless = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT max(i) FROM n"
    assert ask(path, endless, timeout_seconds=0.05).error == "the query took longer than 0.05 s"


def test_a_file_that_is_no_database_is_refused_at_once(tmp_path: Path) -> None:
    (tmp_path / "text.db").write_text("hello, this is no database at all" * 100)
    for name in ("text.db", "none.db"):
        with pytest.raises(ValueError, match="cannot be read"):
            SqlTool(path=str(tmp_path / name))
