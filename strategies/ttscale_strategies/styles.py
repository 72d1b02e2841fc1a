"""Styles of thinking as prompts: how a model is told to write down its reasoning.

Five styles are compared by StyleBench (arXiv:2509.20868), on fifteen models from 270 million to 120 billion
parameters. No style is best everywhere: drafts and sketches save many tokens on well-defined tasks, searches in
the prompt pay for large models on open-ended tasks only, and small models break the formats. The words here are
our own.
"""

from __future__ import annotations

import re
from typing import Final, Literal

from ttscale.template import Template

Style = Literal["chain", "draft", "sketch", "tree", "algorithm"]
"""Chain of thought, chain of draft, sketch of thought, tree of thoughts in a prompt, algorithm of thoughts."""

Sketch = Literal["concepts", "symbols", "terms"]
"""What a sketch is made of: a chain of concepts, short equations, or a field's own abbreviations."""

_BOXED: Final = "Put the final answer into \\boxed{}."

CHAIN: Final = Template.user("{question}\n\nThink step by step. " + _BOXED)
"""Chain of thought (Wei et al. 2022, arXiv:2201.11903; Kojima et al. 2022, arXiv:2205.11916)."""

DRAFT: Final = Template.user(
    "{question}\n\nThink step by step, but keep each step to a draft of five words at most. " + _BOXED
)
"""Chain of draft (Xu et al. 2025, arXiv:2502.18600)."""

SKETCH_CONCEPTS: Final = Template.user(
    "{question}\n\nThink in a sketch: name the few ideas that matter and join them with arrows, from what is "
    "given to what follows, without whole sentences. " + _BOXED
)
"""Sketch of thought by a chain of concepts (Aytes et al. 2025, arXiv:2503.05179)."""

SKETCH_SYMBOLS: Final = Template.user(
    "{question}\n\nThink in a sketch: give each quantity a letter, then write one short equation a line, "
    "without words. " + _BOXED
)
"""Sketch of thought by symbols in small chunks (the same)."""

SKETCH_TERMS: Final = Template.user(
    "{question}\n\nThink in a sketch: write as an expert of the field takes notes, in its abbreviations and "
    "signs only. " + _BOXED
)
"""Sketch of thought by an expert's terms (the same)."""

TREE: Final = Template.user(
    "{question}\n\nThink in a tree: list three different ways to begin, rate each as sure, likely or "
    "impossible, go on with the best one in the same way, and go back to another when it leads nowhere. "
    + _BOXED
)
"""Tree of thoughts within one answer (Yao et al. 2023, arXiv:2305.10601)."""

ALGORITHM: Final = Template.user(
    "{question}\n\nSearch as an algorithm does: number each state, say what it was reached from and by which "
    "operation, try the most promising operation first, write down when a state is a dead end, and go back to "
    "the last one that is not. Stop at the first state that solves the problem. " + _BOXED
)
"""Algorithm of thoughts: a search with backtracking within one answer (Sel et al. 2023, arXiv:2308.10379)."""

BUILTINS: Final = {
    "style_algorithm": "ttscale_strategies.styles:ALGORITHM",
    "style_chain": "ttscale_strategies.styles:CHAIN",
    "style_draft": "ttscale_strategies.styles:DRAFT",
    "style_sketch_concepts": "ttscale_strategies.styles:SKETCH_CONCEPTS",
    "style_sketch_symbols": "ttscale_strategies.styles:SKETCH_SYMBOLS",
    "style_sketch_terms": "ttscale_strategies.styles:SKETCH_TERMS",
    "style_tree": "ttscale_strategies.styles:TREE",
}
"""The templates of the styles by name, each with the one field question."""

_QUANTITY: Final = re.compile(r"\d+(?:[.,/]\d+)*|[=<>≤≥^]|\\(?:frac|sqrt|sum|int)")
_SPECIAL: Final = re.compile(r"\b(?:[A-Z]{2,}[0-9]*|\d+(?:\.\d+)?\s?(?:mg|kg|ml|mol|°C|Hz|eV|mmHg))\b")
_MANY_QUANTITIES: Final = 2
_MANY_TERMS: Final = 3


def sketch_of(question: str) -> Sketch:
    """Return which kind of sketch suits a question.

    The paper trains a small classifier for that; this stands in for it with the paper's own description of the
    kinds: an expert's terms where abbreviations and units abound, symbols where there is something to compute,
    and a chain of concepts elsewhere.
    """
    if len(_SPECIAL.findall(question)) >= _MANY_TERMS:
        return "terms"
    return "symbols" if len(_QUANTITY.findall(question)) >= _MANY_QUANTITIES else "concepts"


def style_template(style: Style, question: str) -> str:
    """Return the name of the template for a question in a style."""
    return f"style_sketch_{sketch_of(question)}" if style == "sketch" else f"style_{style}"
