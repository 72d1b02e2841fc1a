"""How large a report of many strategies is, and how soon it can be used in Chromium.

    python benchmarks/report_page.py --strategies 100 --benchmarks 3 --problems 500 --out report.html
    python benchmarks/report_page.py --strategies 1 --benchmarks 1 --problems 100 --nodes 5000

The rows and samples are made up. Time to interactive is measured from the navigation's start until the
leaderboard, the plot and the first page of problems are there; then a filter, a sort, and opening a problem
are timed. With ``--nodes``, the answers of the first strategy are of a tree search; then opening a tree until
it is drawn is timed too, and opening all its nodes, a search, and the mean frame of scrolling through them.
"""

from __future__ import annotations

import argparse
import random
import shutil
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Final

from ttscale.types import JSON, Candidate
from ttscale_evals.report import Answer, ReportData, render_html
from ttscale_evals.rows import Row
from ttscale_evals.stats import wilson_interval

_STEPS: Final[Mapping[str, str]] = {
    "filter by text": "filters.text.value = 'problem-7'; update(); filters.text.value = '';",
    "sort all by strategy": "document.querySelector('#problems [data-sort=\"1\"]').click();",
    "filter the leaderboard": "filterLeaderboard();",
    "draw the plot": "drawChart();",
    "open a problem": "document.querySelector('#problems tbody button').click();"
    "while (!document.querySelector('#problems .details dl')) await new Promise(requestAnimationFrame);",
}
_TREE_STEPS: Final[Mapping[str, str]] = {
    "open a tree": "document.querySelectorAll('#problems tbody button')[0].click();"
    "while (!document.querySelector('.tree-node h4')) await new Promise(requestAnimationFrame);",
    "open all its nodes": "document.querySelectorAll('.tree-controls button')[0].click();",
    "search in its texts": "const find = document.querySelector('.tree-controls input');"
    "find.value = 'carry over';"
    "find.dispatchEvent(new Event('input')); const count = document.querySelector('.tree-controls output');"
    "while (!count.textContent.includes('hold')) await new Promise(requestAnimationFrame);",
    "clear the search": "const find = document.querySelector('.tree-controls input'); find.value = '';"
    "find.dispatchEvent(new Event('input')); const count = document.querySelector('.tree-controls output');"
    "while (count.textContent.includes('hold')) await new Promise(requestAnimationFrame);",
    "show its chosen path": "const show = document.querySelector('.tree-controls select');"
    "show.value = 'chosen'; show.dispatchEvent(new Event('input'));",
    "show all again": "const show = document.querySelector('.tree-controls select'); show.value = 'all';"
    "show.dispatchEvent(new Event('input'));",
}
_SCROLLED: Final = """async () => {
  const grid = document.querySelector('.tree-grid'), steps = 120, began = performance.now();
  for (let step = 0; step < steps; step += 1) {
    grid.scrollTop = (step / steps) * grid.scrollHeight;
    await new Promise(requestAnimationFrame);
  }
  return (performance.now() - began) / steps;
}"""
_TIMED: Final = """async () => {
  const began = performance.now(); STEP
  await new Promise((done) => requestAnimationFrame(() => setTimeout(done)));
  return performance.now() - began;
}"""
_WORDS = (
    "the",
    "sum",
    "is",
    "then",
    "carry",
    "over",
    "which",
    "gives",
    "so",
    "we",
    "check",
    "again",
    "it",
    "holds",
)


def synthetic_report(
    *,
    num_strategies: int,
    num_benchmarks: int,
    num_problems: int,
    own_samples: bool = False,
    num_nodes: int = 0,
    seed: int = 0,
) -> ReportData:
    """Return a report of made-up rows.

    Args:
        num_strategies: rows of a benchmark.
        num_benchmarks: tables of the leaderboard.
        num_problems: of each benchmark.
        own_samples: every strategy draws samples of its own; else all draw the same ones, as seeds let them.
        num_nodes: of the search tree of each answer of the first strategy.
        seed: of everything.
    """
    rng = random.Random(seed)
    rows, answers = list[Row](), list[Answer]()
    for benchmark in range(num_benchmarks):
        banks = [_bank(rng, problem) for problem in range(num_problems)]
        for strategy in range(num_strategies):
            if own_samples:
                banks = [_bank(rng, problem) for problem in range(num_problems)]
            given = list(_answers(rng, f"benchmark_{benchmark}", strategy, banks))
            if num_nodes and strategy == 0:
                given = [replace(one, spans=(*one.spans, *_tree(rng, num_nodes))) for one in given]
            rows.append(_row(given))
            answers += given
    return ReportData(rows=tuple(rows), answers=tuple(answers))


def _bank(rng: random.Random, problem: int) -> list[tuple[str, str]]:
    """Return recorded samples of a problem: text and answer."""
    samples = list[tuple[str, str]]()
    for _ in range(16):
        value = str(problem if rng.random() < 0.5 else rng.randrange(1000))
        words = " ".join(rng.choices(_WORDS, k=60))
        samples.append((f"{words} \\boxed{{{value}}}", value))
    return samples


def _answers(
    rng: random.Random, benchmark: str, strategy: int, banks: list[list[tuple[str, str]]]
) -> Iterator[Answer]:
    num_samples = 1 + strategy % 8
    for problem, bank in enumerate(banks):
        drawn = bank[:num_samples]
        values = [value for _, value in drawn]
        answer = max(values, key=values.count)
        failed = rng.random() < 0.01
        yield Answer(
            benchmark=benchmark,
            strategy=f"strategy_{strategy // 8}:n={num_samples}",
            model="made:up",
            problem_id=f"problem-{problem}",
            question=f"What is problem {problem} of {benchmark}, said in a sentence of the usual length?",
            target=str(problem),
            answer=None if failed else answer,
            text=None if failed else drawn[0][0],
            result="failed" if failed else "right" if answer == str(problem) else "wrong",
            tokens=80 * num_samples,
            seconds=rng.random() * num_samples,
            stop_reason="error" if failed else "finished",
            error=f"the engine gave up after {problem} seconds" if failed else None,
            candidates=tuple(
                Candidate(index=index, answer=value, key=value, num_tokens=70)
                for index, (_, value) in enumerate(drawn)
            ),
            spans=tuple(_spans(drawn)),
        )


def _spans(drawn: list[tuple[str, str]]) -> Iterator[Mapping[str, JSON]]:
    common: dict[str, JSON] = {"start": 0.0, "end": 1.5}
    yield {"id": 0, "parent": None, "kind": "solve", "name": "MadeUp", "attributes": {}, **common}
    for index, (text, _) in enumerate(drawn):
        attributes: dict[str, JSON] = {"generated": 70, "finish_reason": "stop", "text": text}
        yield {
            "id": index + 1, "parent": 0, "kind": "sample", "name": f"sample {index}",
            "attributes": attributes, **common,
        }  # fmt: skip


def _tree(rng: random.Random, num_nodes: int) -> Iterator[Mapping[str, JSON]]:
    """Yield the spans of a tree in which 16 nodes of a level have four children; the last is the answer."""
    names = [str(place) for place in range(64)]
    for number in range(num_nodes):
        level, place = divmod(number, 64)
        if place == 0 and level:
            names = [f"{name}.{draw}" for name in rng.sample(names, 16) for draw in range(4)]
        name = names[place]
        attributes: dict[str, JSON] = {
            "node": name, "parent_node": name.rpartition(".")[0] or None, "depth": level + 1,
            "text": " ".join(rng.choices(_WORDS, k=30)), "tokens": 30, "reward": rng.random(), "reason": "",
            "state": "chosen" if number == num_nodes - 1 else rng.choice(("expanded", "pruned", "leaf")),
            "draws": 1, "answer": None,
        }  # fmt: skip
        times: dict[str, JSON] = {"start": float(level), "end": level + 1.0}
        yield {
            "id": 1_000 + number, "parent": 0, "kind": "node", "name": name, "attributes": attributes, **times
        }  # fmt: skip


def _row(answers: list[Answer]) -> Row:
    count, tokens = len(answers), sum(answer.tokens for answer in answers)
    correct = sum(answer.result == "right" for answer in answers)
    interval = wilson_interval(correct, count)
    seconds = sorted(answer.seconds or 0.0 for answer in answers)
    return Row(
        benchmark=answers[0].benchmark,
        strategy=answers[0].strategy,
        model=answers[0].model,
        num_problems=count,
        accuracy=correct / count,
        accuracy_low=interval.low,
        accuracy_high=interval.high,
        generated_tokens=tokens,
        prompt_tokens_computed=0,
        prompt_tokens_cached=0,
        cancelled_tokens=0,
        verifier_tokens=0,
        flops=2e9 * tokens,
        latency_p50_seconds=seconds[count // 2],
        latency_p95_seconds=seconds[int(count * 0.95)],
        critical_path_tokens=70 * count,
        wall_seconds=60.0,
        errors=sum(answer.result == "failed" for answer in answers),
        num_correct=correct,
        tokens=tokens,
        tokens_per_problem=tokens / count,
        critical_path_tokens_per_problem=70.0,
        usd=1e-6 * tokens,
    )


def time_in_chromium(path: Path, *, has_trees: bool = False) -> dict[str, float]:
    """Return seconds until the page can be used, and of a filter, a sort and opening a problem.

    Args:
        path: of the page.
        has_trees: the first problem has a search tree, which is opened too.

    Raises:
        SystemExit: no Chromium is installed.
    """
    from playwright.sync_api import sync_playwright

    names = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable", "chrome")
    found = next((place for name in names if (place := shutil.which(name))), None)
    if found is None:
        raise SystemExit("no Chromium is installed (`apt-get install chromium`)")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=found, args=["--no-sandbox", "--disable-gpu"])
        page = browser.new_page(viewport={"width": 1200, "height": 900})
        times = dict[str, float]()
        page.goto(path.resolve().as_uri(), wait_until="commit")
        page.wait_for_selector("html.ready", state="attached")
        times["interactive"] = float(page.evaluate("performance.now()")) / 1000
        for name, script in _STEPS.items():
            times[name] = float(page.evaluate(_TIMED.replace("STEP", script))) / 1000
        if has_trees:
            page.reload()
            page.wait_for_selector("html.ready", state="attached")
            for name, script in _TREE_STEPS.items():
                times[name] = float(page.evaluate(_TIMED.replace("STEP", script))) / 1000
            times["a frame of scrolling"] = float(page.evaluate(_SCROLLED)) / 1000
        browser.close()
    return times


def main() -> None:
    """Build the report, print its size and its times."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--strategies", type=int, default=100)
    parser.add_argument("--benchmarks", type=int, default=3)
    parser.add_argument("--problems", type=int, default=500)
    parser.add_argument("--nodes", type=int, default=0, help="of a search tree for each answer of one strategy")
    parser.add_argument("--own-samples", action="store_true", help="no two strategies share a sample")
    parser.add_argument("--out", type=Path, help="keep the page here")
    given = parser.parse_args()
    began = time.perf_counter()
    data = synthetic_report(
        num_strategies=given.strategies,
        num_benchmarks=given.benchmarks,
        num_problems=given.problems,
        own_samples=given.own_samples,
        num_nodes=given.nodes,
    )
    made = time.perf_counter()
    page = render_html(data, title="A large report")
    _say(f"rows made up in {made - began:.1f} s, {len(data.answers):,} answers")
    _say(f"page written in {time.perf_counter() - made:.1f} s, {len(page.encode()) / 1e6:.2f} MB")
    with tempfile.TemporaryDirectory() as folder:
        path = given.out or Path(folder) / "report.html"
        path.write_text(page, encoding="utf-8")
        for name, seconds in time_in_chromium(path, has_trees=bool(given.nodes)).items():
            _say(f"{name}: {seconds:.3f} s")


def _say(line: str) -> None:
    sys.stdout.write(line + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    main()
