"""A judge that compares two candidates: how it is asked, and what is read from its reply."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

from ttscale.errors import BackendError
from ttscale.registry import load_template
from ttscale.run import Run, question_of
from ttscale.template import CHOICES
from ttscale.types import Prompt, Sample
from ttscale_strategies.refine._judge_options import ComparingOptions
from ttscale_strategies.refine._showing import fitting
from ttscale_strategies.refine.rules import Side, label_votes, named_winner
from ttscale_strategies.revision import without_thoughts

_MAX_SHOWN = 60


class Judge:
    """Compares two candidates in one order, so many times.

    Args:
        options: whom to ask, and how.
        run: whose budget it spends, as a verifier.
    """

    def __init__(self, options: ComparingOptions, run: Run) -> None:
        self._options = options
        self._run = run

    async def compare(
        self,
        label: str,
        texts: tuple[str, str],
        num_comparisons: int,
        *,
        is_swapped: bool,
        hear: Callable[[Sequence[Side | None]], None],
    ) -> None:
        """Compare two candidates in one order.

        A comparison that fails, or whose verdict cannot be read, names nobody; the trace says why.

        Args:
            label: of this meeting and order; the same label draws the same verdicts.
            texts: what is shown of the first candidate and of the second.
            num_comparisons: >= 1. Of labels one reply is enough: its probabilities say how many of so many
                draws would name whom.
            is_swapped: whether the second is shown first.
            hear: told whom the comparisons name, as they end.

        Raises:
            BudgetExhausted: a comparison does not fit the budget.
        """
        options, told, reasons = self._options, list[Side | None](), list[str]()
        child = self._run.child(label=label, model=options.judge, bucket="verifier", numbered=False)
        async with child as judge:

            def tell(sides: Sequence[Side | None], reason: str | None = None) -> None:
                told.extend(sides)
                reasons.extend([] if reason is None else [reason])
                judge.note(named=list(told), is_swapped=is_swapped, reasons=list(reasons))
                hear(sides)

            try:
                shown = fitting(judge, options, texts, lambda cut: self._prompt(cut, is_swapped))
                if shown.num_cut_characters:
                    judge.note(num_cut_characters=shown.num_cut_characters)
                sampling = options.judge_sampling(shown.max_tokens, judge.capabilities.max_top_logprobs)
                num_calls = 1 if options.verdict == "label" else num_comparisons
                async with judge.sample(shown.prompt, n=num_calls, sampling=sampling) as samples:
                    async for sample in samples:
                        tell(*self._read(sample, judge, num_comparisons // num_calls, is_swapped))
            except BackendError as error:
                tell([None] * (num_comparisons - len(told)), str(error))

    def _prompt(self, texts: Sequence[str], is_swapped: bool) -> Prompt:
        first, second = reversed(texts) if is_swapped else texts
        template = load_template(self._options.template_name)
        return template.render(
            question=question_of(self._run.problem.prompt, self._run), solution_a=first, solution_b=second
        )

    def _read(
        self, sample: Sample, judge: Run, count: int, is_swapped: bool
    ) -> tuple[Sequence[Side | None], str | None]:
        """Return whom a reply names, once or, by a label's probability, so many times; and why nobody."""
        if sample.finish_reason in ("error", "abort"):
            return [None] * count, sample.error or "the comparison was cut short"
        if self._options.verdict == "text":
            side = named_winner(without_thoughts(sample.text), is_swapped=is_swapped)
            return [side], None if side is not None else f"it names nobody: {_end_of(sample.text)}"
        first, second = _label_probabilities(sample, judge)
        if not first + second:
            return [None] * count, f"it says neither label: {_end_of(sample.text)}"
        p_first = (second if is_swapped else first) / (first + second)
        return label_votes(p_first, count), None


def _end_of(text: str) -> str:
    return repr(text[-_MAX_SHOWN:])


def _label_probabilities(sample: Sample, judge: Run) -> tuple[float, float]:
    """Return how likely each of the two labels was as the first token, in [0, 1]."""
    said = dict.fromkeys(CHOICES, 0.0)
    for token_id, logprob in (sample.top_logprobs or ({},))[0].items():
        text = judge.decode((token_id,)).strip()
        if text in said:
            said[text] += math.exp(logprob)
    return said[CHOICES[0]], said[CHOICES[1]]
