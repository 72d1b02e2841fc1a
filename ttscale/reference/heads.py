"""Heads: what a network learns to give at a token, the one that follows or the grade of the step that ends."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import TYPE_CHECKING, Protocol

from ttscale.errors import ConfigError
from ttscale.reference.graded_solution import STEP_TOKEN, encode_steps
from ttscale.reference.mixture import ROLES
from ttscale.reference.network import Architecture, build_model, build_reward_model
from ttscale.reference.tokenizer import cut_as_qwen2, encode_conversation

if TYPE_CHECKING:
    from tokenizers import Tokenizer

    from ttscale.reference.corpus import Encode
    from ttscale.reference.network import Network


class Build(Protocol):
    """Makes an untrained network."""

    def __call__(self, architecture: Architecture, *, vocabulary_size: int, seed: int) -> Network:
        """Return a network of a size, the same one for the same seed."""
        ...


@dataclass(frozen=True, slots=True)
class Head:
    """A head, and how a network with it is made and taught.

    Attributes:
        name: What the command line calls it.
        build: Makes an untrained network that ends in it.
        encode: Gives the tokens of a conversation and what is to be learnt at each.
        roles: The roles whose conversations teach it.
        special_tokens: What the vocabulary needs for it; each stands where a line would end.
        adapt: Changes a vocabulary to what its models are read with.
    """

    name: str
    build: Build
    encode: Encode
    roles: tuple[str, ...]
    special_tokens: tuple[str, ...] = ()
    adapt: Callable[[Tokenizer], None] | None = None

    def prepare(self, tokenizer: Tokenizer) -> None:
        """Make the vocabulary of a language model one for this head."""
        tokenizer.add_special_tokens(list(self.special_tokens))
        if self.adapt is not None:
            self.adapt(tokenizer)

    def check_roles(self, roles: Iterable[str]) -> None:
        """Refuse roles that cannot teach this head.

        Raises:
            ConfigError: There is one.
        """
        for role in roles:
            if role not in self.roles:
                raise ConfigError(
                    f"The head {self.name!r} learns nothing from the role {role!r}; it learns from: "
                    f"{', '.join(self.roles)}."
                )


_TOKEN = Head("token", build_model, encode_conversation, ROLES)
_PROCESS = Head("process", build_reward_model, encode_steps, ("judge",), (STEP_TOKEN,), cut_as_qwen2)

HEADS: Mapping[str, Head] = MappingProxyType({head.name: head for head in (_TOKEN, _PROCESS)})
"""The heads by name: `token` of a language model, `process` of a process reward model."""
