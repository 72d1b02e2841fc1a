"""Routing: questions as numbers, a fitted router, what it gains, and the strategy that asks by it."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest

from ttscale import registry
from ttscale.engine import Engine
from ttscale.errors import ConfigError, ParameterError
from ttscale.testing import FakeBackend, virtual_clock
from ttscale.types import Problem, Prompt
from ttscale_strategies.route import Route, Router, fit_router, load_router, routing_gain
from ttscale_strategies.route.router import ClusterMap, LogisticMap
from ttscale_strategies.route.text import fit_text_embedding, looks_of, tokens_of
from ttscale_strategies.voting import Single

QUESTIONS = tuple(
    text.format(number)
    for number in range(30)
    for text in ("Add {} apples to 7 apples.", "Prove the lemma number {} about compact groups.")
)
SMALL = [1.0, 0.0] * 30
"""Right on apples, wrong on lemmas."""
RIGHT = np.asarray([SMALL, [1.0] * 60]).T


def fitted(**changes: object) -> Router:
    arguments: dict[str, object] = {"models": ["small", "large"], "num_directions": 4, **changes}
    return fit_router(QUESTIONS, RIGHT, {"price": [1.0, 10.0], "age": [3.0, 0.0]}, **arguments)  # type: ignore[arg-type]


@pytest.fixture(scope="module")
def router() -> Router:
    return fitted()


@pytest.fixture
def path(router: Router, tmp_path: Path) -> Path:
    router.write(tmp_path / "router.json")
    return tmp_path / "router.json"


# ── questions as numbers ──────────────────────────────────────────────────────────────────────────────────


def test_words_are_in_lower_case_and_numbers_alike() -> None:
    assert tokens_of("Take 20% of 1,250 Apples/day!") == [
        "take",
        "#",
        "%",
        "of",
        "#",
        "#",
        "apples",
        "/",
        "day",
    ]


def test_a_question_is_seen_by_its_length_words_sentences_and_numbers() -> None:
    assert looks_of("How much is 12 and 3,456?") == pytest.approx([*np.log1p([25, 6, 1, 2]).tolist(), 5.0])
    assert looks_of("") == (0.0,) * 5


def test_the_embedding_is_that_of_scikit_learn() -> None:
    from sklearn.decomposition import TruncatedSVD
    from sklearn.feature_extraction.text import TfidfVectorizer

    ours = fit_text_embedding(QUESTIONS, num_directions=2, seed=5)
    vectorizer = TfidfVectorizer(
        analyzer=tokens_of,  # pyright: ignore[reportArgumentType]  # inferred from its default, a text
        sublinear_tf=True,
        min_df=2,
        vocabulary=ours.terms,
    )
    weights = vectorizer.fit_transform(QUESTIONS)
    theirs = TruncatedSVD(n_components=2, random_state=5).fit(weights)
    new = ["Prove that 7 apples are compact.", "unheard words only", ""]
    expected = theirs.transform(vectorizer.transform(new))
    assert ours.embed(new)[:, 5:] == pytest.approx(expected, abs=1e-4)


def test_questions_without_a_common_word_are_known_by_their_looks() -> None:
    embedding = fit_text_embedding(["one", "two three"], num_directions=8)
    assert embedding.terms == ()
    assert embedding.embed(["anything at all"]).shape == (1, 5)


# ── fitting ───────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.slow
@pytest.mark.parametrize("method", ["clusters", "logistic", "best"])
def test_a_router_learns_which_questions_a_model_gets_wrong(method: str) -> None:
    expected = fitted(method=method).expected_losses(
        ["Add 99 apples to 7 apples.", "Prove the lemma number 99 about compact groups."]
    )
    assert expected[0, 0] < 0.45
    assert expected[1, 0] > 0.55
    assert (expected[:, 1] < 0.1).all()  # always right: one class only


def test_a_router_chooses_its_kind_on_questions_left_out(router: Router) -> None:
    kinds = {name.split()[0] for name in router.validation}
    assert kinds == {"clusters", "logistic"}
    best = max(router.validation, key=router.validation.__getitem__)
    assert isinstance(router.losses, ClusterMap if best.startswith("clusters") else LogisticMap)
    assert router.validation[best] > router.validation["clusters 1"] + 0.1


def test_fitting_twice_gives_the_same_router(router: Router) -> None:
    assert fitted().to_json() == router.to_json()
    assert fitted(seed=1).validation != router.validation


@pytest.mark.parametrize("method", ["clusters", "logistic"])
def test_a_written_router_is_read_as_it_was(method: str, tmp_path: Path) -> None:
    router, path = fitted(method=method), tmp_path / "router.json"
    router.write(path)
    again = load_router(path)
    assert again.to_json() == router.to_json()
    assert again.expected_losses(QUESTIONS).tolist() == router.expected_losses(QUESTIONS).tolist()


def test_a_router_of_embeddings_reads_no_questions() -> None:
    router = fitted(embeddings=[[0.0, 1.0], [1.0, 0.0]] * 30)
    assert router.losses_of([[1.0, 0.0]])[0, 0] > 0.7
    with pytest.raises(ValueError, match="cannot read questions"):
        router.expected_losses(QUESTIONS)
    with pytest.raises(ValueError, match="shape"):
        router.losses_of([[1.0, 0.0, 0.0]])


def test_models_that_are_always_right_or_wrong_are_known_without_weights() -> None:
    router = fit_router(
        QUESTIONS, [[1.0, 0.0]] * 60, {"cost": [1.0, 2.0]}, models=["a", "b"], method="logistic"
    )
    low, high = router.expected_losses(["Anything?"])[0]
    assert low == pytest.approx(0.5 / 61)
    assert high == pytest.approx(60.5 / 61)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"models": ["one"]}, "correctness needs the shape"),
        ({"num_folds": 1}, "num_folds"),
        ({"num_folds": 61}, "num_folds"),
        ({"embeddings": [[float("nan")]] * 60}, "finite"),
        ({"embeddings": [[1.0]] * 59}, "one row a question"),
    ],
)
def test_what_does_not_fit_is_not_fitted(changes: dict[str, object], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        fitted(**changes)


def test_grades_must_be_shares() -> None:
    for wrong in (2.0, float("nan")):
        with pytest.raises(ValueError, match="correctness must lie"):
            fit_router(["a", "b"], [[wrong], [0.0]], {"cost": [1.0]}, models=["m"])


# ── what it gains ─────────────────────────────────────────────────────────────────────────────────────────


def test_a_router_that_knows_everything_is_the_oracle() -> None:
    gain = routing_gain(1.0 - RIGHT, [0.0, 1.0], RIGHT, seed=0, num_resamples=50)
    assert gain.routed == pytest.approx(gain.oracle)
    assert gain.mixed == pytest.approx([0.5 + 0.5 * cost for cost in gain.costs])
    # from .5 it rises to 1 at half of the calls: 1/8 of area above the diagonal, twice
    assert gain.area.value == pytest.approx(0.125, abs=1e-3)
    assert gain.share_of_oracle == pytest.approx(1.0)
    assert gain.area.low > 0.0
    assert gain.mean_quality == pytest.approx(0.875)


def test_a_router_that_knows_nothing_gains_nothing() -> None:
    gain = routing_gain(np.tile([0.5, 0.0], (60, 1)), [0.0, 1.0], RIGHT, seed=0, num_resamples=50)
    assert gain.area.value == pytest.approx(0.0, abs=1e-9)
    worse = routing_gain(RIGHT[::-1] * [[0.9, 0.0]], [0.0, 1.0], RIGHT[::-1], seed=0, num_resamples=50)
    assert worse.area.high < 0.0


def test_the_band_of_all_costs_is_wider_than_the_interval_of_one() -> None:
    draws = np.random.default_rng(3)
    right = (draws.random((200, 2)) < [0.5, 0.8]).astype(float)
    gain = routing_gain(draws.random((200, 2)), [0.0, 1.0], right, seed=0, num_resamples=200)
    widths = [(b.high - b.low) - (g.high - g.low) for b, g in zip(gain.band, gain.gains, strict=True)]
    assert np.mean(widths) > 0.0


@pytest.mark.parametrize(
    ("losses", "costs", "quality"),
    [
        ([[0.0, 1.0]], [1.0, 1.0], [[1.0, 0.0]]),
        ([[0.0, 1.0]], [0.0, 1.0], [[1.0]]),
        ([[0.0, np.inf]], [0.0, 1.0], [[1.0, 0.0]]),
        (np.zeros((0, 2)), [0.0, 1.0], np.zeros((0, 2))),
    ],
)
def test_a_gain_needs_questions_and_two_costs(losses: object, costs: Sequence[float], quality: object) -> None:
    with pytest.raises(ValueError, match=r"need|nothing to choose|finite"):
        routing_gain(losses, costs, quality, seed=0)  # type: ignore[arg-type]


# ── the strategy ──────────────────────────────────────────────────────────────────────────────────────────


async def asked(strategy: Route, question: str) -> tuple[str | None, int, int]:
    own, other = FakeBackend("So \\boxed{1}."), FakeBackend("So \\boxed{2}.")
    async with Engine(own, models={"other": other}) as engine:
        outcome = await engine.solve(question, strategy=strategy)
    return outcome.answer, len(own.records), len(other.records)


@virtual_clock
async def test_each_question_goes_to_the_cheapest_model_that_is_good_enough(path: Path) -> None:
    strategy = registry.create_strategy(
        f"route:router={path},model_uris=[null, other],names=[small, large],weights=[0.01],strategies=[single]"
    )
    assert isinstance(strategy, Route)
    assert await asked(strategy, "Add 99 apples to 7 apples.") == ("1", 1, 0)
    assert await asked(strategy, "Prove the lemma number 99 about compact groups.") == ("2", 0, 1)


@virtual_clock
async def test_users_weigh_costs_as_they_like(path: Path) -> None:
    def route(*weights: float) -> Route:
        return Route(
            router=str(path),
            model_uris=(None, "other"),
            names=("small", "large"),
            weights=weights,
            strategies=(Single(),),
        )

    assert await asked(route(0.5), "Prove the lemma number 99 about compact groups.") == ("1", 1, 0)
    assert await asked(route(0.01, 1.0), "Add 99 apples to 7 apples.") == ("2", 0, 1)


@virtual_clock
async def test_the_trace_says_where_a_question_went(path: Path) -> None:
    strategy = Route(router=str(path), model_uris=(None, "other"), names=("small", "large"))
    async with Engine(FakeBackend("?"), models={"other": FakeBackend("?")}) as engine:
        outcome = await engine.solve("Add 99 apples to 7 apples.", strategy=strategy)
    (said,) = [span for span in outcome.trace if "routed_to" in json.dumps(span)]
    assert "expected_losses" in json.dumps(said)


@virtual_clock
async def test_a_router_of_embeddings_reads_them_from_the_problem(tmp_path: Path) -> None:
    fitted(embeddings=[[0.0, 1.0], [1.0, 0.0]] * 30).write(tmp_path / "router.json")
    strategy = Route(
        router=str(tmp_path / "router.json"),
        model_uris=(None, "other"),
        names=("small", "large"),
        strategies=(Single(),),
    )
    prompt = Prompt.user("?")
    async with Engine(FakeBackend("\\boxed{1}"), models={"other": FakeBackend("\\boxed{2}")}) as engine:
        hard = Problem(id="hard", prompt=prompt, meta={"embedding": [1.0, 0.0]})
        assert (await engine.solve(hard, strategy=strategy)).answer == "2"
        with pytest.raises(ConfigError, match="'embedding'"):
            await engine.solve(Problem(id="lost", prompt=prompt), strategy=strategy)


@pytest.mark.parametrize(
    ("params", "message"),
    [
        ("model_uris=[]", "got none"),
        ("model_uris=[null, other]", "needs a router"),
        ("router={path},model_uris=[null, other]", "was fitted for the models"),
        ("router={path},model_uris=[null, other],names=[small, huge]", "was fitted for the models"),
        ("router={path},model_uris=[null, other],names=[small, small]", "was fitted for the models"),
        ("router={path},model_uris=[null, other],names=[small]", "names must be one for each"),
        ("router={path},names=[small],weights=[0.0, 0.0, 0.0]", "one for each cost"),
        ("router={path},names=[small],weights=[-1.0]", "weights"),
        ("router={path},model_uris=[null, other],strategies=[single, single, single]", "strategies must be"),
        ("router=nowhere.json", "cannot be read"),
    ],
)
def test_a_route_that_cannot_be_gone_is_refused(params: str, message: str, path: Path) -> None:
    with pytest.raises(ParameterError, match=message):
        registry.create_strategy(f"route:{params.format(path=path)}")


@pytest.mark.parametrize(
    "change",
    [
        {"format": "something else"},
        {"models": ["small"]},
        {"models": ["small", "small"]},
        {"costs": {}},
        {"costs": {"price": [1.0, None]}},
        {"scales": [0.0] * 9},
        {"means": [0.0]},
        {"losses": {"kind": "magic"}},
        {"losses": None},
        {"text": {"terms": ["a"], "idf": [1.0], "components": [[1.0]]}},
        {"text": {"terms": ["a"], "idf": [], "components": []}},
    ],
)
def test_a_file_that_holds_no_router_is_refused(change: dict[str, object], path: Path) -> None:
    path.write_text(json.dumps(json.loads(path.read_text(encoding="utf-8")) | change), encoding="utf-8")
    with pytest.raises(ValueError, match="cannot be read"):
        load_router(path)
