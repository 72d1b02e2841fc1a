"""A fitted router: what it expects each model to get wrong, kept as plain JSON."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import cast

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ttscale.types import JSON
from ttscale_strategies.route.rules import PromptClusters, predicted_losses
from ttscale_strategies.route.text import TextEmbedding

Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True, eq=False)
class ClusterMap:
    """A model is known by its mean loss in each cluster of questions (UniRoute, arXiv:2502.08773)."""

    clusters: PromptClusters
    errors: Floats
    """Ψ, shape [num_models, num_clusters], in [0, 1]."""

    def losses(self, features: Floats) -> Floats:
        """Return γ of each question and model, shape [num_questions, num_models]."""
        return predicted_losses(self.clusters.features(features), self.errors)

    @property
    def num_features(self) -> int:
        """Numbers a question must have."""
        return int(self.clusters.centres.shape[1])


@dataclass(frozen=True, slots=True, eq=False)
class LogisticMap:
    """Each model's chance of being wrong is a logistic function of the question's numbers.

    The learned map of UniRoute (arXiv:2502.08773) shares soft clusters between models so that a new model can
    be added; here each model has its own weights, which need its answers to the training questions.
    """

    weights: Floats
    """For a right answer, shape [num_models, num_features]."""
    intercepts: Floats
    """Shape [num_models]."""

    def losses(self, features: Floats) -> Floats:
        """Return the chance of a wrong answer, shape [num_questions, num_models]."""
        return np.asarray(0.5 - 0.5 * np.tanh((features @ self.weights.T + self.intercepts) / 2.0))

    @property
    def num_features(self) -> int:
        """Numbers a question must have."""
        return int(self.weights.shape[1])


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Router:
    """What `fit_router` makes.

    Raises:
        ValueError: the parts do not fit each other, or a number is not finite.
    """

    models: tuple[str, ...]
    """Names, as they were called when it was fitted."""
    costs: Mapping[str, tuple[float, ...]]
    """Of each model, by the name of the cost: what an answer costs, or any other flag; at least one."""
    text: TextEmbedding | None
    """Makes numbers of questions; ``None``: whoever asks brings them."""
    means: Floats
    """Subtracted from a question's numbers, shape [num_features]."""
    scales: Floats
    """They are then divided by these, > 0."""
    losses: ClusterMap | LogisticMap
    validation: Mapping[str, float]
    """Mean accuracy over costs on questions left out, of each kind of map that was tried."""
    num_questions: int
    """It was fitted on."""

    def __post_init__(self) -> None:
        _require_fitting(self)

    @property
    def cost_table(self) -> Floats:
        """Shape [num_models, num_costs]."""
        return np.asarray(list(self.costs.values()), dtype=np.float64).T

    def expected_losses(self, questions: Sequence[str]) -> Floats:
        """Return how wrong each model is expected to be on each question, shape [num_questions, num_models].

        Raises:
            ValueError: it was fitted on embeddings; see `losses_of`.
        """
        if self.text is None:
            raise ValueError("this router was fitted on embeddings and cannot read questions; give embeddings")
        return self.losses_of(self.text.embed(questions))

    def losses_of(self, embeddings: ArrayLike) -> Floats:
        """Return the same of embedded questions.

        Args:
            embeddings: as those it was fitted on, finite, shape [num_questions, num_features].

        Raises:
            ValueError: the shape is another, or a number is not finite.
        """
        rows = np.asarray(embeddings, dtype=np.float64)
        if rows.ndim != 2 or rows.shape[1] != self.means.size or not np.isfinite(rows).all():
            raise ValueError(
                f"embeddings need finite numbers of shape [num_questions, {self.means.size}], "
                f"got {list(rows.shape)}"
            )
        return self.losses.losses((rows - self.means) / self.scales)

    def to_json(self) -> dict[str, JSON]:
        """Return a plain JSON object, which `from_json` reads."""
        losses, text = self.losses, self.text
        if isinstance(losses, ClusterMap):
            fitted: dict[str, JSON] = {
                "kind": "clusters",
                "centres": losses.clusters.centres.tolist(),
                "errors": losses.errors.tolist(),
            }
        else:
            fitted = {
                "kind": "logistic",
                "weights": losses.weights.tolist(),
                "intercepts": losses.intercepts.tolist(),
            }
        return {
            "format": "ttscale router 1",
            "models": list(self.models),
            "costs": {name: list(values) for name, values in self.costs.items()},
            "text": text
            and {
                "terms": list(text.terms),
                "idf": text.idf.tolist(),
                "components": text.components.tolist(),
            },
            "means": self.means.tolist(),
            "scales": self.scales.tolist(),
            "losses": fitted,
            "validation": dict(self.validation),
            "num_questions": self.num_questions,
        }

    @classmethod
    def from_json(cls, document: object) -> Router:
        """Return the router of a JSON object.

        Raises:
            ValueError: it is none.
        """
        try:
            return _read(cast("Mapping[str, object]", document))
        except (KeyError, TypeError, AttributeError) as error:
            raise ValueError(f"it is no router: {error!r}") from error

    def write(self, path: Path) -> None:
        """Write a file that `load_router` reads."""
        path.write_text(json.dumps(self.to_json()) + "\n", encoding="utf-8")


def load_router(path: str | Path) -> Router:
    """Return the router of a JSON file.

    Raises:
        ValueError: there is no such file, or it holds no router.
    """
    try:
        return Router.from_json(json.loads(Path(path).read_text(encoding="utf-8")))
    except (OSError, ValueError) as error:
        raise ValueError(f"router {str(path)!r} cannot be read: {error}") from error


def _read(document: Mapping[str, object]) -> Router:
    if document["format"] != "ttscale router 1":
        raise ValueError(f"its format is {document['format']!r}, not 'ttscale router 1'")
    fitted = cast("Mapping[str, object]", document["losses"])
    losses: ClusterMap | LogisticMap
    if fitted["kind"] == "clusters":
        losses = ClusterMap(PromptClusters(_table(fitted["centres"])), _table(fitted["errors"]))
    elif fitted["kind"] == "logistic":
        losses = LogisticMap(_table(fitted["weights"]), _row(fitted["intercepts"]))
    else:
        raise ValueError(f"its losses are of the kind {fitted['kind']!r}, not clusters or logistic")
    given, text = cast("Mapping[str, object] | None", document["text"]), None
    if given is not None:
        terms = tuple(str(term) for term in cast("Sequence[object]", given["terms"]))
        components = np.asarray(given["components"], dtype=np.float64).reshape(-1, len(terms))
        text = TextEmbedding(terms, _row(given["idf"]), components)
    costs = cast("Mapping[str, object]", document["costs"])
    return Router(
        models=tuple(str(name) for name in cast("Sequence[object]", document["models"])),
        costs={name: tuple(_row(values).tolist()) for name, values in costs.items()},
        text=text,
        means=_row(document["means"]),
        scales=_row(document["scales"]),
        losses=losses,
        validation=dict(cast("Mapping[str, float]", document["validation"])),
        num_questions=int(cast("int", document["num_questions"])),
    )


def _row(values: object) -> Floats:
    row = np.asarray(values, dtype=np.float64)
    if row.ndim != 1:
        raise ValueError(f"a list of numbers is wanted, got the shape {list(row.shape)}")
    return row


def _table(values: object) -> Floats:
    table = np.asarray(values, dtype=np.float64)
    if table.ndim != 2:
        raise ValueError(f"a list of lists of numbers is wanted, got the shape {list(table.shape)}")
    return table


def _require_fitting(router: Router) -> None:
    num_models = len(router.models)
    if num_models == 0 or len(set(router.models)) != num_models:
        raise ValueError(f"models must be named, each once; got {list(router.models)!r}")
    if not router.costs or any(len(values) != num_models for values in router.costs.values()):
        raise ValueError(f"costs need one number for each of the {num_models} models, and at least one cost")
    losses = router.losses
    num_fitted = losses.errors.shape[0] if isinstance(losses, ClusterMap) else losses.weights.shape[0]
    if num_fitted != num_models or (isinstance(losses, LogisticMap) and losses.intercepts.size != num_models):
        raise ValueError(f"losses are of {num_fitted} models, and {num_models} are named")
    if not router.means.shape == router.scales.shape == (losses.num_features,):
        raise ValueError(f"means and scales need {losses.num_features} numbers each")
    if router.text is not None and router.text.components.shape[0] + 5 != losses.num_features:
        raise ValueError(f"questions become {router.text.components.shape[0] + 5} numbers, not so many")
    numbers = [*router.costs.values(), router.means, router.scales]
    numbers += [losses.errors] if isinstance(losses, ClusterMap) else [losses.weights, losses.intercepts]
    if (
        not all(np.isfinite(np.asarray(values, dtype=np.float64)).all() for values in numbers)
        or not (router.scales > 0.0).all()
    ):
        raise ValueError("all numbers must be finite, and scales > 0")
