"""``ttscale pool record``: what is missing is drawn into a bank, what is there is not drawn again."""

from __future__ import annotations

import signal
from pathlib import Path

import pytest

from tests.unit.pool_bench import SUMS, Bench, adder
from ttscale.backends import Capabilities
from ttscale.bank import Bank
from ttscale.cli import main
from ttscale.errors import BackendUnavailable
from ttscale.run.seeds import derive_seed
from ttscale.testing import FakeBackend, FakeRewardModel, Reply, noisy_answers, virtual_clock
from ttscale.types import Problem, Prompt, Sampling
from ttscale_evals.commands.pool.recording import Order, Tally, record_samples


@pytest.fixture
def bench(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]) -> Bench:
    return Bench(tmp_path, monkeypatch, capfd)


@pytest.mark.parametrize("command", ["record", "show", "import", "export", "replay"])
def test_every_command_has_help(command: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["pool", "--help"]) == 0
    assert f"\n  {command} " in capsys.readouterr().out
    assert main(["pool", command, "--help"]) == 0
    assert f"Usage: ttscale pool {command} " in capsys.readouterr().out


def test_what_is_recorded_is_what_a_run_would_have_drawn_and_knows_its_problem(bench: Bench) -> None:
    bench.use(adder())
    document = bench.read(
        "record", "new/p.sqlite", *SUMS, "-n", "4", "--limit", "2", "--question", "What is 7?"
    )
    assert {key: document[key] for key in ("num_problems", "num_wanted", "num_drawn", "num_there")} == {
        "num_problems": 3,
        "num_wanted": 12,
        "num_drawn": 12,
        "num_there": 0,
    }
    assert (document["num_samples"], document["failures"], document["model"]) == (12, [], "my:model")
    with Bank(Path("new/p.sqlite"), writable=False) as bank:
        problems = bank.problems()
        drawn = {s.prompt: {head.seed for head in bank.heads(s.key)} for s in bank.series()}
    assert [(one.benchmark, one.target) for one in problems] == [
        ("jsonl:path=sums.jsonl", "0"),
        ("jsonl:path=sums.jsonl", "2"),
        ("", None),
    ]
    assert (problems[1].question or "").startswith("What is 1 + 1?")
    assert problems[2].question == "What is 7?"
    for one in problems:
        assert drawn[one.prompt] == {derive_seed(0, one.id, index) for index in range(4)}


def test_progress_goes_to_standard_error(bench: Bench) -> None:
    bench.use(adder())
    said = bench.run("record", "p.sqlite", *SUMS, "--n", "2")
    assert said.out == "6 samples drawn (54 tokens); p.sqlite holds 6.\n"
    assert said.err.splitlines()[-1].startswith("6/6 · 54.0 tokens · ")
    assert said.err.splitlines()[-1].endswith(" · jsonl:path=sums.jsonl, 2 samples each")


def test_what_is_there_is_not_drawn_again(bench: Bench) -> None:
    counts = list[tuple[int, int, int]]()
    for words in (["--n", "2"], ["--n", "2"], ["--n", "5"], ["--n", "3", "--seed", "1"], ["--n", "3"]):
        backend = adder()
        bench.use(backend)
        document = bench.read("record", "p.sqlite", *SUMS, *words)
        assert len(backend.records) == document["num_drawn"]
        counts.append((document["num_there"], document["num_drawn"], document["num_samples"]))
    assert counts == [(0, 6, 6), (6, 0, 6), (6, 9, 15), (0, 9, 24), (9, 0, 24)]


def test_without_seeds_what_is_there_is_known_all_the_same(bench: Bench) -> None:
    drawn = list[int]()
    for seed in ("0", "0", "1"):
        bench.use(adder(Capabilities()))
        drawn.append(bench.read("record", "p.sqlite", *SUMS, "--n", "3", "--seed", seed)["num_drawn"])
    assert drawn == [9, 0, 9]


def test_what_lacks_tokens_or_logprobs_is_drawn_again(bench: Bench) -> None:
    def drawn(*words: str) -> object:
        bench.use(FakeBackend([Reply("short"), Reply("a long one")], seconds_per_token=0.0))
        return bench.read("record", "p.sqlite", "--question", "How much?", "--n", "4", *words)["num_drawn"]

    assert drawn("--max-tokens", "7", "--concurrency", "1") == 4
    assert drawn("--max-tokens", "6") == 0
    assert drawn("--max-tokens", "20") == 2  # those that the limit cut off
    assert drawn("--max-tokens", "20", "--logprobs", "1") == 4
    assert drawn("--max-tokens", "20", "--logprobs", "0") == 0
    with Bank(Path("p.sqlite"), writable=False) as bank:
        (series,) = bank.series()
        assert len({head.draw for head in bank.heads(series.key)}) == 4


def test_a_failed_sample_is_kept_and_named_and_drawn_again(bench: Bench) -> None:
    broken = derive_seed(0, "sums-2", 1)

    def failing(prompt: Prompt, seed: int, ordinal: int) -> Reply:
        return Reply("ab", error="out of \x1b[2Jmemory" if seed == broken else None, seconds=0.0)

    bench.use(FakeBackend(failing))
    said = bench.run("record", "p.sqlite", *SUMS, "--n", "3")
    assert (said.status, said.out) == (1, "8 samples drawn (18 tokens), 1 failed; p.sqlite holds 9.\n")
    assert said.err.endswith("\nfailed: jsonl:path=sums.jsonl sums-2, sample 1: out of memory\n")
    group = bench.read("show", "p.sqlite")["models"][0]["groups"][0]
    assert (group["num_whole"], group["num_failed"], group["min_samples"]) == (8, 1, 2)
    backend = adder()
    bench.use(backend)
    assert bench.read("record", "p.sqlite", *SUMS, "--n", "3")["num_samples"] == 9
    assert [record.seed for record in backend.records] == [broken]


def test_failures_of_one_reason_are_one_line(bench: Bench) -> None:
    bench.use(FakeBackend(Reply("", error="the engine is out of order")))
    document = bench.read("record", "p.sqlite", *SUMS, "--n", "3", "--limit", "1", status=1)
    reason = {"benchmark": SUMS[1], "problem": "sums-1", "error": "the engine is out of order"}
    assert document["failures"] == [{**reason, "sample": number} for number in range(3)]
    said = bench.run("record", "p.sqlite", *SUMS, "--n", "3", "--limit", "1")
    assert said.err.endswith(
        "\nfailed: jsonl:path=sums.jsonl sums-1, samples 0, 1, 2: the engine is out of order\n"
    )


def test_at_temperature_0_one_sample_is_enough(bench: Bench) -> None:
    for seed, counted in (("0", "3 samples drawn"), ("1", "0 samples drawn (0 tokens), 3 were there")):
        bench.use(adder())
        said = bench.run("record", "p.sqlite", *SUMS, "--temperature", "0", "--seed", seed)
        assert said.out.startswith(counted)
        assert "note: at temperature 0 all samples of a problem are the same" in said.err


def test_control_c_keeps_what_is_in(bench: Bench) -> None:
    def interrupting(prompt: Prompt, seed: int, ordinal: int) -> Reply:
        if ordinal == 4:
            signal.raise_signal(signal.SIGINT)
        return Reply("ab", seconds=30.0 if ordinal >= 4 else 0.0)

    bench.use(FakeBackend(interrupting))
    said = bench.run("record", "p.sqlite", *SUMS, "--n", "2", "--concurrency", "1")
    assert (said.status, said.out) == (130, "")
    assert "interrupted; p.sqlite holds 4 samples. The same command draws what is missing." in said.err
    bench.use(adder())
    again = bench.read("record", "p.sqlite", *SUMS, "--n", "2")
    assert (again["num_there"], again["num_drawn"], again["num_samples"]) == (4, 2, 6)


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (["p.sqlite"], "there is nothing to record; name a benchmark"),
        (["p.sqlite", *SUMS, "--n", "0"], "--n must be >= 1, got 0."),
        (["p.sqlite", *SUMS, "--concurrency", "0"], "--concurrency must be >= 1, got 0."),
        (["p.sqlite", *SUMS, "--limit", "0"], "limit=0 is wrong"),
        (["p.sqlite", *SUMS, "--max-tokens", "0"], "max_tokens must be >= 1, got 0."),
        (["p.sqlite", *SUMS, "--temperature", "-1"], "temperature must be >= 0, got -1.0."),
        (["p.sqlite", *SUMS, "--logprobs", "900"], "900 log-probabilities of each token were asked for"),
        (["p.sqlite", "--question", " "], "a question is empty"),
        (["p.sqlite", "--benchmark", "jsonl:path=none.jsonl"], "none.jsonl'; check the path."),
        (["p.sqlite", "--benchmark", "no_such_thing"], "No benchmark is called 'no_such_thing'"),
        (["p.jsonl", *SUMS], "'p.jsonl' has the ending of another kind of file, and samples go into a bank"),
        (["sums.jsonl/p", *SUMS], "'sums.jsonl' cannot be made"),
        ([".", *SUMS], "'.' is a folder; name a file in it, 'pool.sqlite' say."),
        (["text", *SUMS], "'text' is not a sample bank"),
    ],
)
def test_wrong_use_is_one_sentence_and_leaves_nothing_behind(
    words: list[str], sentence: str, bench: Bench
) -> None:
    (bench.path / "text").write_text("hello " * 100)
    before, backend = bench.files(), adder()
    bench.use(backend)
    assert sentence in bench.refuse("record", *words, "--json")
    assert not backend.requests
    assert bench.files() == before


@pytest.mark.parametrize("model", ["nonsense", "replay:none.sqlite", "openai:model"])
def test_a_model_that_is_none_is_refused(model: str, bench: Bench) -> None:
    sentence = bench.refuse("record", "p.sqlite", "--question", "How much?", "--model", model)
    assert model.removeprefix("replay:") in sentence
    assert list(bench.files()) == ["sums.jsonl"]


def test_a_model_that_does_not_start_or_draw_leaves_no_bank(bench: Bench) -> None:
    class Unreachable(FakeBackend):
        async def start(self) -> None:
            raise BackendUnavailable("no server answers; start it")

    bench.use(Unreachable("x"))
    assert bench.refuse("record", "p.sqlite", *SUMS) == "error: no server answers; start it\n"
    bench.use(FakeRewardModel(lambda text: 0.5))
    assert "is a reward model, which draws no samples" in bench.refuse("record", "p.sqlite", *SUMS)
    assert list(bench.files()) == ["sums.jsonl"]


@virtual_clock
async def test_problems_are_at_work_side_by_side_and_no_more_than_allowed() -> None:
    backend, told = FakeBackend(noisy_answers("4", 0.5, ["5"], seconds=(1.0, 5.0))), list[tuple[int, float]]()

    def listen(tally: Tally, seconds: float) -> None:
        told.append((tally.num_done, seconds))

    problems = [("b", Problem.ask(f"What is {n}?", id=str(n))) for n in range(6)]
    order = Order(problems=problems, num_samples=4, sampling=Sampling(max_tokens=50), concurrency=2)
    with Bank() as bank:
        tally = await record_samples(backend, bank, order, listener=listen)
        assert bank.num_samples() == 24
    assert (tally.num_drawn, backend.peak_running) == (24, 8)
    assert [done for done, _ in told] == sorted(done for done, _ in told)
    assert told[-1][0] == 24
    assert 3 * 1.0 <= told[-1][1] <= 3 * 2 * 5.0
