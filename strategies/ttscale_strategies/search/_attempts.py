"""Attempts: how a search over whole solutions writes them, shown those that they are to improve on."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

from ttscale.answers import extract_answer
from ttscale.errors import BackendError, VerifierError
from ttscale.run import Run
from ttscale.types import Prompt, Sampling
from ttscale.verifier import Verifier
from ttscale_strategies.revision import revision_prompt, without_thoughts
from ttscale_strategies.search.steps import read_score, solution_of
from ttscale_strategies.search.tree import Draw, Node, Tree, key_of


@dataclass(frozen=True, kw_only=True)
class AttemptWriter:
    """Writes whole solutions, those below others as revisions of these, and has a verifier score each."""

    models: Mapping[str, str | None]
    """Who writes, by the action of a site."""
    verifier: Verifier
    template: str
    """Name of the template that shows earlier attempts."""
    num_shown: int
    """Most attempts that it shows, the last ones of the path, >= 1."""
    sampling: Sampling

    async def write(self, tree: Tree, draw: Draw, run: Run) -> Node | str:
        """Draw one attempt.

        Returns:
            The attempt, not yet scored; or why there is none.

        Raises:
            BudgetExhausted: it does not fit the budget.
        """
        site = draw.site
        before = tree.lineage(site.node)
        try:
            async with run.child(label="attempt", model=self.models[site.action]) as writer:
                prompt = self._prompt(before, writer)
                async with writer.sample(prompt, sampling=self.sampling) as samples:
                    sample = await anext(samples)
        except BackendError as error:  # it takes no such prompt
            return str(error)
        if sample.finish_reason in ("error", "abort"):
            return sample.error or "the sample was aborted"
        return Node(
            key=key_of(site, sample.token_ids, sample.text),
            parent=site.node,
            draw=draw.number,
            action=site.action,
            depth=len(before) + 1,
            text=sample.text,
            part="whole",
            token_ids=sample.token_ids,
            logprobs=sample.logprobs,
            is_end=True,
            answer=extract_answer(sample.text),
        )

    def _prompt(self, before: list[Node], writer: Run) -> Prompt:
        shown = [without_thoughts(node.text) for node in before[-self.num_shown :]]
        return revision_prompt(self.template, writer, [text for text in shown if text])

    async def rate(self, tree: Tree, node: Node, run: Run) -> Node:
        """Return an attempt with what the verifier makes of it.

        Raises:
            BudgetExhausted: the verifier's work does not fit the budget.
        """
        try:
            (score,) = await run.score([solution_of([node], run)], self.verifier)
        except VerifierError as error:
            return replace(node, reason=str(error))
        value, _, reason = read_score(score, len(score.steps))
        return replace(node, reward=value, reason=reason)
