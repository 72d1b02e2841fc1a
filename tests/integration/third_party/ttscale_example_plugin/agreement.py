"""Draw pairs of samples until the two of a pair agree."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import ClassVar

from ttscale.answers import answer_key, extract_answer
from ttscale.registry import create_verifier
from ttscale.run import Run
from ttscale.types import Outcome, Problem
from ttscale.verifier import Verifier


@dataclass(frozen=True, kw_only=True)
class Agreement:
    """Stop at the first pair of samples that agree; where none does, a verifier chooses from the last pair.

    Cost: at most 2 · pairs calls, one prompt and two answers a pair.
    """

    pairs: int = 4
    verifier: Verifier = field(default_factory=lambda: create_verifier("brevity:max_characters=40"))

    needs: ClassVar[frozenset[str]] = frozenset()

    def max_samples(self) -> int:
        """Return twice the number of pairs."""
        return 2 * self.pairs

    async def solve(self, problem: Problem, run: Run) -> Outcome:
        """Draw pair after pair; keep the better of the last pair as the best so far."""
        best = Outcome(answer=None)
        for _ in range(self.pairs):
            async with run.sample(problem.prompt, n=2) as samples:
                pair = sorted([sample async for sample in samples], key=lambda sample: sample.index)
            answers = [None if sample.is_error else extract_answer(sample.text) for sample in pair]
            keys = [answer_key(answer) for answer in answers]
            scores = await run.score(pair, self.verifier)
            ranked = [
                (score.value or 0.0, -place)
                for place, (score, key) in enumerate(zip(scores, keys, strict=True))
                if key is not None
            ]
            if ranked:
                place = -max(ranked)[1]
                best = Outcome(answer=answers[place], key=keys[place], text=pair[place].text)
                run.best(best.answer, key=best.key, text=best.text)
            if keys[0] is not None and keys[0] == keys[1]:
                return best.with_(confidence=1.0, stop_reason="decided")
            if all(sample.is_error for sample in pair) and best.answer is None:
                best = best.with_(stop_reason="error", error=pair[0].error)
        return best
