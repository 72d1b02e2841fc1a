"""Two plain ways to draw answers from a model directory: transformers, and vLLM where it is installed."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Protocol, cast

from ttscale.reference.network import MAX_LENGTH

if TYPE_CHECKING:
    from torch import Tensor
    from transformers import PreTrainedTokenizerBase
    from vllm import LLM

ENGINES = ("transformers", "vllm")
"""The engines `load_sampler` knows."""

_BATCH_SEQUENCES = 64


class Sampler(Protocol):
    """A loaded model that answers questions."""

    temperature: float

    def sample(self, questions: Sequence[str], *, num_samples: int, seed: int) -> list[list[str]]:
        """Answer every question `num_samples` times; the answers come in the order of the questions."""
        ...

    def count_tokens(self, text: str) -> int:
        """Number of tokens of a text."""
        ...


class _Generator(Protocol):
    def generate(self, *, input_ids: Tensor, attention_mask: Tensor, **settings: object) -> Tensor: ...


def load_sampler(engine: str, path: Path, *, temperature: float | None = None) -> Sampler:
    """Load a model directory in float32 on one thread.

    Args:
        engine: One of `ENGINES`.
        path: The model directory.
        temperature: Sampling temperature above 0; the model's default unless given.
    """
    return (VllmSampler if engine == "vllm" else TransformersSampler)(path, temperature)


class TransformersSampler:
    """Samples with `generate` of transformers."""

    def __init__(self, path: Path, temperature: float | None) -> None:
        import torch
        from transformers import AutoModelForCausalLM

        torch.set_num_threads(1)
        model = AutoModelForCausalLM.from_pretrained(path, dtype=torch.float32)
        self.temperature = float(model.generation_config.temperature if temperature is None else temperature)
        self._model = cast("_Generator", model)
        self._tokenizer = _load_tokenizer(path)

    def sample(self, questions: Sequence[str], *, num_samples: int, seed: int) -> list[list[str]]:
        """Answer every question `num_samples` times; the answers come in the order of the questions."""
        import torch

        torch.manual_seed(seed)
        texts: list[list[str]] = []
        chunk = max(1, _BATCH_SEQUENCES // num_samples)
        for start in range(0, len(questions), chunk):
            inputs = cast(
                "dict[str, Tensor]",
                self._tokenizer.apply_chat_template(
                    _chats(questions[start : start + chunk]),
                    add_generation_prompt=True,
                    padding=True,
                    return_tensors="pt",
                    return_dict=True,
                ),
            )
            ids = self._model.generate(
                input_ids=inputs["input_ids"],
                attention_mask=inputs["attention_mask"],
                do_sample=True,
                temperature=self.temperature,
                top_k=0,
                num_return_sequences=num_samples,
            )
            answers = ids[:, inputs["input_ids"].shape[1] :]
            decoded = self._tokenizer.batch_decode(answers, skip_special_tokens=True)
            texts += [decoded[i : i + num_samples] for i in range(0, len(decoded), num_samples)]
        return texts

    def count_tokens(self, text: str) -> int:
        """Number of tokens of a text."""
        return len(self._tokenizer.tokenize(text))


class VllmSampler:
    """Samples with vLLM in this process."""

    def __init__(self, path: Path, temperature: float | None) -> None:
        os.environ.update(VLLM_ENABLE_V1_MULTIPROCESSING="0", OMP_NUM_THREADS="1")
        os.environ.pop("VLLM_CPU_KVCACHE_SPACE", None)
        from vllm import LLM

        self._engine: LLM = LLM(
            model=str(path),
            dtype="float32",
            max_model_len=MAX_LENGTH,
            enforce_eager=True,
            block_size=32,
            kv_cache_memory_bytes=256 << 20,
            enable_chunked_prefill=False,
            max_num_batched_tokens=4096,
        )
        default = self._engine.get_default_sampling_params().temperature
        self.temperature = float(default if temperature is None else temperature)
        self._tokenizer = _load_tokenizer(path)

    def sample(self, questions: Sequence[str], *, num_samples: int, seed: int) -> list[list[str]]:
        """Answer every question `num_samples` times; the answers come in the order of the questions."""
        from vllm import SamplingParams
        from vllm.inputs import TokensPrompt

        prompts: list[TokensPrompt] = []
        for chat in _chats(questions):
            text = str(self._tokenizer.apply_chat_template(chat, add_generation_prompt=True, tokenize=False))
            prompts.append(
                TokensPrompt(prompt_token_ids=self._tokenizer.encode(text, add_special_tokens=False))
            )
        settings = [
            SamplingParams(temperature=self.temperature, n=num_samples, max_tokens=320, seed=(seed + i) << 16)
            for i in range(len(questions))
        ]
        outputs = self._engine.generate(prompts, settings, use_tqdm=False)
        return [[sample.text for sample in output.outputs] for output in outputs]

    def count_tokens(self, text: str) -> int:
        """Number of tokens of a text."""
        return len(self._tokenizer.tokenize(text))


def _load_tokenizer(path: Path) -> PreTrainedTokenizerBase:
    from transformers import AutoTokenizer

    tokenizer = cast("PreTrainedTokenizerBase", AutoTokenizer.from_pretrained(path))
    tokenizer.padding_side = "left"  # the chat template's own argument of that name does nothing
    return tokenizer


def _chats(questions: Sequence[str]) -> list[list[dict[str, str]]]:
    return [[{"role": "user", "content": question}] for question in questions]
