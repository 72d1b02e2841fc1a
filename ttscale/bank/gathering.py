"""Filling a bank with what somebody else recorded: samples of problems, without prompts or settings."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from ttscale.backends.base import ModelProfile
from ttscale.bank.bank import Bank
from ttscale.bank.sample import RecordedModel, RecordedProblem, RecordedSample, digest
from ttscale.errors import DataError
from ttscale.types import Prompt

ESTIMATED: Final = "some token counts are estimates"
"""As the version of a model: of some of its samples nobody said how long they are."""


@dataclass(frozen=True, slots=True)
class Address:
    """Which problem of which benchmark, asked of which model."""

    model: str
    benchmark: str
    """Empty: none."""
    problem: str

    def __str__(self) -> str:
        return f"problem {self.name!r} of {self.model!r}"

    @property
    def name(self) -> str:
        """The problem's id, with its benchmark where there is one."""
        return f"{self.benchmark}/{self.problem}" if self.benchmark else self.problem


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """What a problem asks."""

    question: str | None = None
    target: str | None = None
    prompt: str | None = None
    """What the model was given, where that is more than the question."""


class Gathering:
    """Somebody else's samples on their way into an empty bank.

    A problem is asked by its prompt or question, or by its id where none is known or another has the same.
    Samples have no token ids, no seeds, and unknown sampling settings.
    """

    def __init__(self, bank: Bank) -> None:
        """Begin with nothing added.

        Args:
            bank: where the samples go.
        """
        self._bank = bank
        self._models = dict[str, RecordedModel]()
        self._problems = dict[Address, RecordedProblem]()
        self._series = dict[Address, str]()
        self._askers = dict[tuple[str, str], Address]()
        self._places = dict[Address, dict[int, str]]()

    @property
    def places(self) -> dict[Address, dict[int, str]]:
        """Where each sample of each problem stands, by its number."""
        return self._places

    def add(
        self,
        address: Address,
        sample: RecordedSample,
        asked: Asked,
        *,
        place: str,
        are_tokens_estimated: bool = False,
    ) -> None:
        """Add a sample.

        Args:
            address: whose it is.
            sample: its draw is its number.
            asked: as in every other sample of the problem.
            place: where it stands, for messages.
            are_tokens_estimated: whether its tokens were not counted; the model says so then.

        Raises:
            DataError: the sample is there twice, its problem is another than before, or a name is no text.
        """
        self._note_place(address, sample.head.draw, place)
        problem = self._problem(address, asked)
        self._note_model(address.model, ESTIMATED if are_tokens_estimated else "")
        known = self._problems.setdefault(address, problem)
        if known is problem:
            _check_is_text(problem.name, place)
            self._bank.add_problem(problem)
            model = self._models[address.model].fingerprint
            self._series[address] = self._bank.add_series(model, problem.prompt, None).key
        elif known != problem:
            raise DataError(
                f"{place}: the question or target of {address} differs from that of an earlier row."
            )
        self._bank.add_sample(self._series[address], sample)

    def _note_place(self, address: Address, number: int, place: str) -> None:
        seen = self._places.setdefault(address, {})
        if number in seen:
            raise DataError(
                f"{place} is sample {number} of {address}, as {seen[number]} is; take one of them out."
            )
        seen[number] = place

    def _note_model(self, name: str, version: str) -> None:
        known = self._models.get(name)
        if known is None or (version and known.version != version):
            self._models[name] = RecordedModel(
                fingerprint=digest(["import", name]),
                backend="import",
                profile=ModelProfile(name=name),
                version=version,
            )
            self._bank.add_model(self._models[name])

    def _problem(self, address: Address, asked: Asked) -> RecordedProblem:
        words = asked.prompt or asked.question or address.name
        if self._askers.setdefault((address.model, words), address) != address:
            words = address.name  # two problems with one question are told apart by their ids
        return RecordedProblem(
            benchmark=address.benchmark,
            id=address.problem,
            prompt=Prompt.user(words),
            question=asked.question,
            target=asked.target,
        )


def _check_is_text(name: str, place: str) -> None:
    """Raise a DataError for half of a surrogate pair, which no database holds."""
    try:
        name.encode()
    except UnicodeEncodeError as error:
        raise DataError(f"{place}: the problem's name {name!r} is no text: {error.reason}.") from error
