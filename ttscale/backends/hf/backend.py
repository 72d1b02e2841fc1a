"""`HFBackend`: a transformers model in this process, on the CPU or a GPU, with continuous batching."""

from __future__ import annotations

import asyncio
import importlib.util
import os
import threading
from collections.abc import Callable, Generator, Sequence
from contextlib import contextmanager
from dataclasses import KW_ONLY, dataclass
from typing import TYPE_CHECKING, Final, Literal

from ttscale.backends.base import Backend, Capabilities, Generation, ModelProfile, PromptScore, Request, Rewards
from ttscale.backends.hf.sample import SampleState
from ttscale.backends.rewards import unknown_step_token
from ttscale.errors import BackendError, BackendUnavailable, MissingExtra, TTScaleError
from ttscale.types import Prompt, SampleUsage

if TYPE_CHECKING:
    from ttscale.backends.hf.batcher import Batcher
    from ttscale.backends.hf.grader import Grader
    from ttscale.backends.hf.load import LoadedModel

_MAX_TOP_LOGPROBS: Final = 20


@dataclass(eq=False)
class HFBackend(Backend):
    """Runs any causal language model that transformers can load, without a server.

    Samples join and leave one running batch between any two tokens. A prompt is computed once for all samples
    of a request, for equal prompts that start together, and for one whose earlier samples still run. On a CPU
    in float32 a seeded sample is the same to the last bit whatever else is in the batch; on a GPU rounding
    depends a little on the batch, and a sample may in rare cases take another turn.

    A reward model is known by the architecture in its configuration: a sequence or token classifier of one or
    two labels, or one of Qwen2.5's reward models. It grades texts, waiting ones together, and draws no samples.

    Attributes:
        model: a directory, or an id on the hub.
        device: ``"auto"`` (a GPU if there is one, else the CPU), ``"cpu"``, ``"cuda"``, ``"cuda:1"`` …
        dtype: of weights and cache; ``"auto"``: float32 on a CPU, the model's own on a GPU.
        batch_size: most samples advanced at once, >= 1; bounds the memory of the key-value cache.
        max_model_len: most tokens of prompt and answer together, if less than the model's own limit.
        max_prefill_tokens: most prompt tokens computed between two decoding steps, >= 1; a longer prompt runs
            alone. More starts many prompts sooner, less keeps running samples from waiting.
        num_threads: threads of a CPU's matrix products, >= 1. By default what ``OMP_NUM_THREADS`` says, else 1:
            with a small model on cores that others use too, threads that wait for each other cost up to forty
            times; set it to the number of free cores for models of a billion parameters. It holds for all of
            torch in this process until the backend is closed.
        revision: branch, tag or commit on the hub.
        trust_remote_code: whether Python code that comes with the model may run. It can do anything you can.
    """

    model: str
    _: KW_ONLY
    device: str = "auto"
    dtype: Literal["auto", "float32", "bfloat16", "float16"] = "auto"
    batch_size: int = 64
    max_model_len: int | None = None
    max_prefill_tokens: int = 2048
    num_threads: int | None = None
    revision: str | None = None
    trust_remote_code: bool = False

    def __post_init__(self) -> None:
        for name in ("batch_size", "max_model_len", "max_prefill_tokens", "num_threads"):
            value: int | None = getattr(self, name)
            if value is not None and value < 1:
                raise ValueError(f"{name} must be >= 1, got {value!r}")
        self.name = "hf"
        self.profile = ModelProfile(name=self.model)
        self.capabilities = Capabilities(
            token_ids=True,
            logprobs=True,
            prompt_logprobs=True,
            max_top_logprobs=_MAX_TOP_LOGPROBS,
            seeds=True,
            stop_strings=True,
            stream=True,
            priority=True,
        )
        self._thread: threading.Thread | None = None
        self._stopped: asyncio.Event | None = None
        self._loaded: LoadedModel | None = None
        self._batcher: Batcher | None = None
        self._grader: Grader | None = None

    async def start(self) -> None:
        """Load the model in the decoding thread.

        Raises:
            BackendUnavailable: the model cannot be loaded, or not be batched here.
            BackendError: the backend was started before.
            MissingExtra: torch or transformers is not installed.
        """
        if self._thread is not None:
            raise BackendError("the hf backend was started already; open it once, or make another one")
        for package in ("torch", "transformers"):
            if importlib.util.find_spec(package) is None:
                raise MissingExtra(package, "hf")
        loop = asyncio.get_running_loop()
        ready: asyncio.Future[tuple[LoadedModel, Batcher | Grader]] = loop.create_future()
        stopped = asyncio.Event()
        self._thread = threading.Thread(
            target=self._work, args=(loop, ready, stopped), name="ttscale hf decoding", daemon=True
        )
        self._thread.start()
        self._stopped = stopped
        try:
            self._loaded, worker = await ready
        except Exception:
            await self.aclose()
            raise
        from ttscale.backends.hf.grader import Grader

        self.profile = self._loaded.profile
        if isinstance(worker, Grader):
            self._grader = worker
            self.capabilities = Capabilities(token_ids=True, rewards=True)
        else:
            self._batcher = worker

    def _work(
        self,
        loop: asyncio.AbstractEventLoop,
        ready: asyncio.Future[tuple[LoadedModel, Batcher | Grader]],
        stopped: asyncio.Event,
    ) -> None:
        """Load, then decode until closed; the body of the decoding thread."""
        try:
            with _intra_op_threads(self.num_threads):
                loaded, worker = self._load(loop)
                if _call(loop, _hand_over, ready, loaded, worker):
                    worker.run()
        except Exception as error:
            _call(loop, _refuse, ready, error)
        finally:
            _call(loop, stopped.set)

    def _load(self, loop: asyncio.AbstractEventLoop) -> tuple[LoadedModel, Batcher | Grader]:
        from ttscale.backends.hf.batcher import Batcher
        from ttscale.backends.hf.grader import Grader
        from ttscale.backends.hf.load import load_model
        from ttscale.backends.hf.reward_model import RewardModel

        loaded = load_model(
            self.model,
            device=self.device,
            dtype=self.dtype,
            max_model_len=self.max_model_len,
            revision=self.revision,
            trust_remote_code=self.trust_remote_code,
        )
        runner, size = loaded.runner, self.batch_size
        if isinstance(runner, RewardModel):
            return loaded, Grader(runner, loop, batch_size=size, max_tokens=self.max_prefill_tokens)
        return loaded, Batcher(runner, loop, batch_size=size, max_prefill_tokens=self.max_prefill_tokens)

    async def aclose(self) -> None:
        """Stop decoding and wait for the thread's end; what still runs fails. Harmless when repeated."""
        thread, stopped, worker = self._thread, self._stopped, self._batcher or self._grader
        self._thread = self._stopped = self._batcher = self._grader = self._loaded = None
        if worker is not None:
            worker.close()
        if thread is not None and stopped is not None:
            await stopped.wait()
            thread.join()

    def _running(self) -> LoadedModel:
        if self._loaded is None:
            raise BackendError("the hf backend is not running; use it inside `async with backend:`")
        return self._loaded

    def encode(self, prompt: Prompt) -> Prompt:
        """Return the prompt as token ids, messages through the chat template.

        Raises:
            BackendError: the backend is not running, the model has no chat template, or the template refuses.
        """
        return Prompt(token_ids=self._running().vocabulary.encode(prompt))

    def decode(self, token_ids: Sequence[int]) -> str:
        """Return the text of token ids, special tokens left out.

        Raises:
            BackendError: the backend is not running.
        """
        return self._running().vocabulary.decode(token_ids)

    def generate(self, request: Request) -> Generation:
        """Start a request and return at once; what is wrong with it comes as its samples' error."""
        states = list[SampleState]()
        generation = Generation(len(request.seeds), lambda indices: self._abort([states[i] for i in indices]))
        try:
            if self._grader is not None:
                raise BackendError(f"{self.model!r} is a reward model; it draws no samples")
            states += self._states(request, generation)
            if self._batcher is None or not self._batcher.submit(states):
                raise BackendError("the hf backend is closing")
        except TTScaleError as error:
            generation.fail(str(error))
        return generation

    def _abort(self, states: Sequence[SampleState]) -> None:
        if self._batcher is not None:
            self._batcher.abort(states)

    def _states(self, request: Request, generation: Generation) -> list[SampleState]:
        loaded = self._running()
        prompt = loaded.vocabulary.encode(request.prompt)
        num_free = self._num_free(loaded, prompt)
        sampling = request.sampling
        if sampling.logprobs is not None and sampling.logprobs > _MAX_TOP_LOGPROBS:
            raise BackendError(f"logprobs={sampling.logprobs} is too many; ask for at most {_MAX_TOP_LOGPROBS}")
        return [
            SampleState(
                generation=generation,
                index=index,
                prompt=prompt,
                sampling=sampling,
                seed=seed,
                max_tokens=min(sampling.max_tokens or num_free, num_free),
                end_ids=loaded.end_ids.union(sampling.stop_token_ids),
                decode=loaded.vocabulary.decode,
                stream=request.stream,
                priority=request.priority,
            )
            for index, seed in enumerate(request.seeds)
        ]

    def _num_free(self, loaded: LoadedModel, prompt: Sequence[int], *, least: int = 1) -> int:
        """Return how many tokens the context has left after a prompt.

        Raises:
            BackendError: fewer than `least`, or the prompt is not one.
        """
        if not prompt:
            raise BackendError("the prompt is empty; give at least one token")
        foreign = next((i for i in prompt if not 0 <= i < loaded.vocabulary_size), None)
        if foreign is not None:
            raise BackendError(
                f"token id {foreign!r} of the prompt is not one of the {loaded.vocabulary_size} ids "
                f"of {self.model!r}; encode prompts with the model's own tokenizer"
            )
        context_length = loaded.profile.context_length
        assert context_length is not None  # a loaded model's profile is complete
        if len(prompt) + least > context_length:
            raise BackendError(
                f"the prompt has {len(prompt)} tokens and leaves no room in the context of {context_length} "
                f"of {self.model!r}; shorten it or choose a model with a longer context"
            )
        return context_length - len(prompt)

    async def score_prompt(self, prompt: Prompt) -> PromptScore:
        """Return the log-probability of each token of a given text; see `Backend.score_prompt`.

        Texts that wait are read together, between two decoding steps.
        """
        loaded, batcher = self._running(), self._batcher
        if batcher is None:
            return await super().score_prompt(prompt)
        ids = loaded.vocabulary.encode(prompt)
        self._num_free(loaded, ids, least=0)
        logprobs = await batcher.logprobs(ids)
        return PromptScore(
            token_ids=ids, logprobs=(None, *logprobs), usage=SampleUsage(prompt_computed=len(ids))
        )

    async def reward(self, prompt: Prompt, *, step_token: str | None = None) -> Rewards:
        """Return the rewards of a text; see `Backend.reward`."""
        loaded, grader = self._running(), self._grader
        if grader is None:
            return await super().reward(prompt, step_token=step_token)
        grader.head.check_step_token(step_token, model=self.model)
        step_id = None if step_token is None else loaded.vocabulary.token_id(step_token)
        if step_token is not None and step_id is None:
            raise unknown_step_token(step_token, model=self.model)
        ids = loaded.vocabulary.encode(prompt)
        self._num_free(loaded, ids, least=0)
        positions = grader.head.positions(ids, step_id, model=self.model)
        values = await grader.grade(ids, positions)
        return Rewards(values=values, usage=SampleUsage(prompt_computed=len(ids)))


@contextmanager
def _intra_op_threads(num_threads: int | None) -> Generator[None]:
    """Let torch use so many threads; by default what the environment says, else one."""
    import torch

    before: int = torch.get_num_threads()
    if num_threads is not None:
        torch.set_num_threads(num_threads)
    elif not os.environ.get("OMP_NUM_THREADS"):
        torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(before)


def _call(loop: asyncio.AbstractEventLoop, function: Callable[..., None], *arguments: object) -> bool:
    """Call a function on the event loop's thread; return False if the loop is closed."""
    try:
        loop.call_soon_threadsafe(function, *arguments)
    except RuntimeError:
        return False
    return True


def _hand_over(
    ready: asyncio.Future[tuple[LoadedModel, Batcher | Grader]], loaded: LoadedModel, worker: Batcher | Grader
) -> None:
    if ready.done():  # whoever started the backend has been cancelled
        worker.close()
    else:
        ready.set_result((loaded, worker))


def _refuse(ready: asyncio.Future[tuple[LoadedModel, Batcher | Grader]], error: Exception) -> None:
    if ready.done():
        return
    if not isinstance(error, TTScaleError):
        error = BackendUnavailable(f"the hf backend did not start: {type(error).__name__}: {error}")
    ready.set_exception(error)
