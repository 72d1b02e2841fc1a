"""Any strategy in a style of thinking."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import ClassVar, get_args

from ttscale.registry import load_template
from ttscale.run import Run
from ttscale.strategy import Strategy
from ttscale.types import Outcome, Problem, Prompt
from ttscale_strategies.styles import Style, style_template
from ttscale_strategies.voting.handing_on import handed_on
from ttscale_strategies.voting.self_consistency import SelfConsistency


@dataclass(frozen=True, kw_only=True)
class Styled:
    """Ask in a style of thinking, and let any strategy answer (StyleBench, Guo et al. 2025, arXiv:2509.20868).

    The problem's last user turn is put into the style's prompt; a sketch is of the kind that suits it.
    The paper draws one greedy answer: ``styled:style=draft,strategy=single:temperature=0``. No style is best
    everywhere; compare them on your own questions and model before you choose one.

    Cost: that of the strategy, with the prompt longer by the style's words. Searches go on from the question in
    the style, and revisions, judges and verifiers are shown it so. A prompt of token ids is asked as the text
    they stand for.
    """

    style: Style = "chain"
    """``"chain"``, ``"draft"``, ``"sketch"``, ``"tree"`` or ``"algorithm"`` of thought."""
    template: str | None = None
    """Name of another template with the one field question, in place of the style's."""
    strategy: Strategy = field(default_factory=lambda: SelfConsistency(n=16))
    """Draws the samples and chooses; `confidence` is its."""

    needs: ClassVar[frozenset[str]] = frozenset()

    def __post_init__(self) -> None:
        if self.style not in get_args(Style):
            raise ValueError(f"style must be one of {', '.join(get_args(Style))}, got {self.style!r}")
        if self.template is not None and load_template(self.template).fields != ("question",):
            raise ValueError(f"the template {self.template!r} needs the field question, and no other")

    def max_samples(self) -> int | None:
        """Return the strategy's."""
        return self.strategy.max_samples()

    async def solve(self, problem: Problem, run: Run) -> Outcome:
        """Have the strategy answer the problem in the style."""
        asked = problem.prompt
        if asked.token_ids is not None:
            asked = Prompt(text=run.decode(asked.token_ids))
        template = load_template(self.template or style_template(self.style, asked.question))
        styled = template.render(question=asked.question)
        earlier = [message for message in asked.messages if message.role == "system"]
        prompt = replace(styled, messages=(*earlier, *styled.messages))
        return await handed_on(self.strategy, replace(problem, prompt=prompt), run, label="styled")
