"""How parallel a trace is, by the definitions of the papers, which differ; each has a name of its own."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final, TypeVar

from ttscale.prefix import num_common

T = TypeVar("T")

_TAGS: Final = re.compile("(</?Parallel>|</?Thread>)")


def count_words(text: str) -> int:
    """Return the words of a text, which stand for tokens where there is no tokenizer."""
    return len(text.split())


@dataclass(frozen=True, slots=True)
class ParallelBlock:
    """Tokens of one block of ThreadWeaver's: outside the threads' bodies, and of each body."""

    outside: int
    threads: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class TokenLatency:
    """ThreadWeaver's token latency (arXiv:2512.07843): tokens on the longest path of a final trace."""

    outside: int
    """N_B, tokens outside all blocks; the tags `<Parallel>` and `</Parallel>` count here."""
    blocks: tuple[ParallelBlock, ...]

    @property
    def total(self) -> int:
        """T = N_B + Σ (outside + Σ threads)."""
        return self.outside + sum(block.outside + sum(block.threads) for block in self.blocks)

    @property
    def latency(self) -> int:
        """L = N_B + Σ (outside + longest thread)."""
        return self.outside + sum(block.outside + max(block.threads, default=0) for block in self.blocks)

    @property
    def acceleration_ratio(self) -> float:
        """1 - L / T, in [0, 1); 0 of an empty trace."""
        return 1 - self.latency / self.total if self.total else 0.0

    @property
    def self_speed_up(self) -> float:
        """T / L, >= 1; 1 of an empty trace. Against another model's length see `speed_up`."""
        return speed_up(self.total, self.latency)


def token_latency(text: str, count: Callable[[str], int] = count_words) -> TokenLatency:
    """Measure the token latency of a final trace.

    The wrappers `<Thread>` and `</Thread>` of all threads count as sequential, which overstates the latency a
    little, as in the paper. Inside a thread every tag but its end is text; a thread's end that no thread opened
    counts as sequential; a thread or block that is never closed ends with the text.

    Args:
        text: the trace.
        count: tokens of a piece of text; pieces are cut at these four tags, which count by themselves.
    """
    outside, blocks = 0, list[ParallelBlock]()
    sequential, threads = 0, list[int]()
    is_block = is_thread = False
    for piece in _TAGS.split(text):
        num_tokens = count(piece)
        if is_thread and piece != "</Thread>":
            threads[-1] += num_tokens
        elif is_block and piece == "</Parallel>":
            blocks.append(ParallelBlock(sequential, tuple(threads)))
            is_block, outside = False, outside + num_tokens
        elif is_block:
            sequential += num_tokens
            if is_thread := piece == "<Thread>":
                threads.append(0)
        else:
            outside += num_tokens
            if is_block := piece == "<Parallel>":
                sequential, threads = 0, []
    if is_block:
        blocks.append(ParallelBlock(sequential, tuple(threads)))
    return TokenLatency(outside, tuple(blocks))


def multiverse_parallelism(num_generated: int, num_critical: int) -> float:
    """Return Multiverse's degree of parallelism (arXiv:2506.09991), "#parallel": >= 1 of a whole trace.

    Args:
        num_generated: tokens that were generated.
        num_critical: those on the critical path.
    """
    return speed_up(num_generated, num_critical)


def speed_up(num_tokens: int, num_latency: int) -> float:
    """Return how many times longer one number of tokens is than another.

    Of a trace's own total and latency it is the self-speed-up; ThreadWeaver's speed-up over a baseline takes
    the tokens of another, sequential model, which it is not a property of the trace then.

    Args:
        num_tokens: in sequence, >= 0.
        num_latency: on the longest path, >= 0; where it is 0 nothing is gained.
    """
    return num_tokens / num_latency if num_latency else 1.0


@dataclass(frozen=True, slots=True)
class AprTokens:
    """APR's accounts of a trace (arXiv:2504.15466)."""

    total: int
    """Of all sequences, less what consecutive prompts of the root share."""
    sequential: int
    """On the longest chain that could not run side by side."""


def apr_tokens(roots: Sequence[Sequence[T]], searches: Sequence[Sequence[int]]) -> AprTokens:
    """Count the tokens of a root that was prompted again after each join, and of its sub searches.

    Args:
        roots: the root's whole sequence at the end of each of its turns, in order.
        searches: the lengths of the sub searches that ran after each turn; a last turn may have none.

    Raises:
        ValueError: there are sub searches after more turns than there are.
    """
    if len(searches) > len(roots):
        raise ValueError(f"sub searches after {len(searches)} turns, but the root has {len(roots)}")
    total = sequential = 0
    before: Sequence[T] = ()
    for place, root in enumerate(roots):
        own = len(root) - num_common(before, root)
        children = searches[place] if place < len(searches) else ()
        total += own + sum(children)
        sequential += own + max(children, default=0)
        before = root
    return AprTokens(total, sequential)
