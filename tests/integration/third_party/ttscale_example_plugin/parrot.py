"""A model that can add, mostly."""

from __future__ import annotations

import random
import re
from dataclasses import dataclass, replace

from ttscale.testing import FakeBackend, Reply
from ttscale.testing.fake import TOY
from ttscale.types import Prompt


@dataclass(eq=False, kw_only=True)
class ParrotBackend(FakeBackend):
    """Adds the numbers of a question, right in a share of the samples."""

    model: str
    accuracy: float = 0.8

    name = "parrot"

    def __post_init__(self) -> None:
        super().__init__(self.reply, seconds_per_token=1e-4, profile=replace(TOY, name=self.model))

    def reply(self, prompt: Prompt, seed: int, ordinal: int) -> Reply:
        """Answer one sample."""
        draw = random.Random(seed)
        total = sum(map(int, re.findall(r"\d+", prompt.messages[-1].content)))
        wrong = draw.random() >= self.accuracy
        return Reply(f"It is \\boxed{{{total + wrong * draw.randint(1, 9)}}}.")
