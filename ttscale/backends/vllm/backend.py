"""`VLLMBackend`: a model on vLLM's `AsyncLLM` in this process, on GPUs or a CPU."""

from __future__ import annotations

import asyncio
import itertools
import logging
from collections.abc import Mapping, Sequence
from contextlib import aclosing
from dataclasses import KW_ONLY, dataclass, field, replace
from typing import TYPE_CHECKING, Final, Literal

from ttscale.backends.base import (
    Backend,
    Capabilities,
    Chunk,
    Generation,
    ModelProfile,
    PromptScore,
    Request,
    Rewards,
)
from ttscale.backends.rewards import unknown_step_token
from ttscale.backends.vllm.samples import (
    Continuation,
    Output,
    PoolingOutput,
    Progress,
    Work,
    prompt_score,
    rewards_of,
)
from ttscale.backends.vllm.settings import CPU_NUM_SEQS
from ttscale.errors import BackendError, TTScaleError
from ttscale.tasks import TaskKeeper
from ttscale.types import JSON, Prompt, SampleUsage

if TYPE_CHECKING:
    from ttscale.backends.vllm.engine import VLLMEngine

_LOG = logging.getLogger(__name__)

_CAPABILITIES: Final = Capabilities(
    token_ids=True,
    logprobs=True,
    prompt_logprobs=True,
    max_top_logprobs=20,
    seeds=True,
    stop_strings=True,
    stream=True,
    priority=True,
    prefix_cache=True,
)
_REWARDS: Final = Capabilities(token_ids=True, rewards=True)
_CLOSING_SECONDS: Final = 5.0


@dataclass(eq=False)
class VLLMBackend(Backend):
    """Runs any model that vLLM can load, with continuous batching, paged attention and a prefix cache.

    Every sample is a vLLM request of its own with its own seed, so that it can be stopped alone. On a CPU
    prefills are never cut into chunks, and a seeded sample is the same to the last token whatever else runs;
    on a GPU rounding depends a little on the batch, and a sample may in rare cases take another turn unless
    ``VLLM_BATCH_INVARIANT=1`` is set. Log-probabilities are the model's own, before temperature, top-p, top-k.

    A reward model is known by the architecture in its configuration: a sequence or token classifier of one or
    two labels, or one of Qwen2.5's reward models. It grades texts and draws no samples.

    The engine runs in child processes that end with this one, even when it is killed. They write to stderr
    only: errors, or whatever ``VLLM_LOGGING_LEVEL`` asks for. A CPU model whose weights are small runs on one
    thread, which is the quickest; larger ones are spread over the cores by vLLM itself, which then follows
    ``VLLM_CPU_OMP_THREADS_BIND``.

    Attributes:
        model: a directory, or a name on the hub.
        max_num_seqs: most samples advanced at once, >= 1. By default 128 on a CPU, on a GPU what vLLM takes
            for it.
        max_model_len: most tokens of prompt and answer together, if less than the model's own limit.
        dtype: of weights and cache; ``"auto"``: the model's own, but float32 for small models on a CPU.
        gpu_memory_utilization: share of a GPU's memory to use, in (0, 1]; default vLLM's.
        kv_cache_bytes: size of the key-value cache; by default what is left of a GPU's memory, and on a CPU
            room for `max_num_seqs` samples of full length, at most 256 MiB for small models, else 4 GiB.
        tensor_parallel_size: number of GPUs to spread the model over.
        block_size: tokens per block of the key-value cache; whole blocks are reused. Default 32 on a CPU.
        revision: branch, tag or commit on the hub.
        trust_remote_code: whether Python code that comes with the model may run. It can do anything you can.
        one_thread: CPU only: run the model on one thread; by default if its weights are at most 64 MiB on disk.
        engine_args: further arguments of vLLM's `AsyncEngineArgs` by name; they win over all of the above.
    """

    model: str
    _: KW_ONLY
    max_num_seqs: int | None = None
    max_model_len: int | None = None
    dtype: Literal["auto", "float32", "bfloat16", "float16"] = "auto"
    gpu_memory_utilization: float | None = None
    kv_cache_bytes: int | None = None
    tensor_parallel_size: int = 1
    block_size: int | None = None
    revision: str | None = None
    trust_remote_code: bool = False
    one_thread: bool | None = None
    engine_args: Mapping[str, JSON] = field(default_factory=dict[str, JSON])

    def __post_init__(self) -> None:
        for name in ("max_num_seqs", "max_model_len", "kv_cache_bytes", "tensor_parallel_size", "block_size"):
            value: int | None = getattr(self, name)
            if value is not None and value < 1:
                raise ValueError(f"{name} must be >= 1, got {value!r}")
        share = self.gpu_memory_utilization
        if share is not None and not 0 < share <= 1:
            raise ValueError(f"gpu_memory_utilization must be in (0, 1], got {share!r}")
        self.name = "vllm"
        self.profile = ModelProfile(name=self.model)
        self.batch_size = self.max_num_seqs or CPU_NUM_SEQS
        self.capabilities = _CAPABILITIES
        self._engine: VLLMEngine | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        self._tasks = TaskKeeper("the vllm backend")
        self._works = set[Work]()
        self._samples = set[asyncio.Task[None]]()
        self._numbers = itertools.count()
        self._to_abort = list[str]()
        self._gradings = set[asyncio.Future[PoolingOutput]]()

    def _arguments(self) -> dict[str, JSON]:
        """Return the engine arguments that were chosen here."""
        chosen: dict[str, JSON] = {
            "max_num_seqs": self.max_num_seqs,
            "max_model_len": self.max_model_len,
            "gpu_memory_utilization": self.gpu_memory_utilization,
            "kv_cache_memory_bytes": self.kv_cache_bytes,
            "block_size": self.block_size,
            "revision": self.revision,
        }
        return {
            "dtype": self.dtype,
            "tensor_parallel_size": self.tensor_parallel_size,
            "trust_remote_code": self.trust_remote_code,
            **{name: value for name, value in chosen.items() if value is not None},
            **self.engine_args,
        }

    async def start(self) -> None:
        """Start the engine; the event loop stands still until it is up.

        Raises:
            BackendUnavailable: the model is not there, or vLLM does not start with it or is of another version.
            BackendError: the backend was started before.
            MissingExtra: vLLM is not installed.
            ParameterError: `engine_args` names something that vLLM does not know.
        """
        from ttscale.backends.vllm.engine import VLLMEngine

        await self._tasks.start()
        try:
            engine = await VLLMEngine.start(self.model, self._arguments(), small=self.one_thread)
        except BaseException:
            await self._tasks.aclose()
            raise
        self._engine, self._loop = engine, asyncio.get_running_loop()
        self.profile = replace(engine.profile, prefix_block=engine.prefix_block_size)
        self.batch_size = engine.max_num_seqs
        own = _CAPABILITIES if engine.reward_head is None else _REWARDS
        self.capabilities = replace(
            own,
            max_top_logprobs=engine.max_logprobs if own.logprobs else 0,
            prefix_cache=engine.prefix_block_size is not None,
        )

    async def aclose(self) -> None:
        """Abort what still runs, account for it, and stop the engine; harmless when repeated."""
        engine, self._engine = self._engine, None
        if engine is None:
            return
        try:
            for work in self._works:
                work.generation.abort()
            await self._send_aborts(engine)
            if self._samples:
                await asyncio.wait(self._samples, timeout=_CLOSING_SECONDS)
        finally:
            await self._tasks.aclose()
            for work in list(self._works):  # an engine that no longer answers
                work.generation.fail("the vllm backend was closed while this sample ran")
            self._works.clear()
            for grading in self._gradings:
                _fail(grading, "the vllm backend was closed while it graded this text")
            await engine.aclose()

    @property
    def engine(self) -> VLLMEngine:
        """The running engine, for measurements beside the scheduler.

        Raises:
            BackendError: the backend is not running.
        """
        if self._engine is None:
            raise BackendError("the vllm backend is not running; use it inside `async with backend:`")
        return self._engine

    def encode(self, prompt: Prompt) -> Prompt:
        """Return the prompt as token ids, messages through the chat template.

        Raises:
            BackendError: the backend is not running, the model has no chat template, or the template refuses.
        """
        return Prompt(token_ids=self.engine.vocabulary.encode(prompt))

    def decode(self, token_ids: Sequence[int]) -> str:
        """Return the text of token ids, special tokens left out.

        Raises:
            BackendError: the backend is not running.
        """
        return self.engine.vocabulary.decode(token_ids)

    def generate(self, request: Request) -> Generation:
        """Start a request and return at once; what is wrong with it comes as its samples' error."""
        generation = Generation(len(request.seeds), lambda indices: self._abort(work, indices))
        try:
            engine, prompt_ids = self._admit(request.prompt)
            if engine.reward_head is not None:
                raise BackendError(f"{self.model!r} is a reward model; it draws no samples")
            work = self._work(engine, request, prompt_ids, generation)
        except TTScaleError as error:
            generation.fail(str(error))
            return generation
        self._works.add(work)
        for index, seed in enumerate(request.seeds):
            task = self._tasks.spawn(self._draw(engine, work, index, seed))
            self._samples.add(task)
            task.add_done_callback(self._samples.discard)
        return generation

    def _admit(self, prompt: Prompt, *, num_new: int = 1) -> tuple[VLLMEngine, list[int]]:
        """Return the engine and the token ids of a prompt that leaves room for so many new ones.

        Raises:
            BackendError: it cannot be run.
        """
        engine = self.engine
        if asyncio.get_running_loop() is not self._loop:
            raise BackendError("the vllm backend belongs to the event loop it was started on; use it there")
        ids = list(engine.vocabulary.encode(prompt))
        if not ids:
            raise BackendError("the prompt is empty; give it at least one token")
        for token_id in (min(ids), max(ids)):  # one that is out of range would kill some versions' engines
            if not 0 <= token_id < engine.vocabulary_size:
                raise BackendError(
                    f"the prompt has the token id {token_id}, but the vocabulary of {self.model!r} has "
                    f"{engine.vocabulary_size} ids from 0; encode the prompt with this backend"
                )
        if len(ids) + num_new > engine.context_length:
            raise BackendError(
                f"the prompt has {len(ids)} tokens, but {self.model!r} takes {engine.context_length} "
                "of prompt and answer together; shorten the prompt or raise max_model_len"
            )
        return engine, ids

    def _work(
        self, engine: VLLMEngine, request: Request, prompt_ids: list[int], generation: Generation
    ) -> Work:
        sampling = request.sampling
        most = self.capabilities.max_top_logprobs
        if sampling.logprobs is not None and sampling.logprobs > most:
            raise BackendError(f"logprobs={sampling.logprobs} is too many; ask for at most {most}")
        # The engine finds stop strings and streams text while it decodes token by token. Where neither is
        # wanted, decoding once at the end is a fifth of its work in this process.
        at_once = engine.decodes_at_once and not request.stream and not sampling.stop
        return Work(
            number=next(self._numbers),
            prompt_ids=prompt_ids,
            sampling=sampling,
            stream=request.stream,
            priority=request.priority,
            generation=generation,
            continuation=Continuation(engine.vocabulary.decode, prompt_ids) if at_once else None,
            block_size=engine.prefix_block_size,
            num_open=len(request.seeds),
        )

    async def _draw(self, engine: VLLMEngine, work: Work, index: int, seed: int) -> None:
        """Follow one sample from the engine to the generation's consumer."""
        progress = Progress(work, index)
        try:
            if index in work.aborted:
                work.generation.push(Chunk(index=index, finish_reason="abort", usage=SampleUsage()))
            else:
                work.started.add(index)
                await self._follow(engine, work, progress, seed)
        except Exception as error:
            work.generation.push(progress.failed(engine.explain(error)))
        work.num_open -= 1
        if not work.num_open:
            self._works.discard(work)

    async def _follow(self, engine: VLLMEngine, work: Work, progress: Progress, seed: int) -> None:
        params = engine.params(work.sampling, seed, stream=work.stream, detokenize=work.continuation is None)
        name = work.request_id(progress.index)
        running = engine.outputs(work.prompt_ids, params, name, priority=work.priority)
        async with aclosing(running) as outputs:
            async for output in outputs:
                work.generation.push(progress.chunk(output))
        if not progress.has_ended:
            work.generation.push(progress.failed("vLLM ended the request without saying why"))

    def _abort(self, work: Work, indices: Sequence[int]) -> None:
        """Have samples stopped; what is aborted in one turn of the event loop goes to the engine together."""
        work.aborted.update(index for index in indices if index not in work.started)
        ids = [work.request_id(index) for index in indices if index in work.started]
        if ids and not self._to_abort and self._engine is not None:
            self._tasks.spawn(self._send_aborts(self._engine))
        self._to_abort += ids

    async def _send_aborts(self, engine: VLLMEngine) -> None:
        ids, self._to_abort = self._to_abort, []
        try:
            if ids:
                await engine.abort(ids)
        except Exception as error:  # an engine that died; its samples are told of that themselves
            _LOG.debug("vLLM did not take an abort: %s", error)

    async def score_prompt(self, prompt: Prompt) -> PromptScore:
        """Return the log-probability of each token of a prompt.

        The whole prompt is computed anew: vLLM never takes these from the prefix cache. One token is generated.

        Raises:
            BackendError: the backend is not running, or the prompt is empty or too long.
        """
        engine, ids = self._admit(prompt)
        last: Output | None = None
        try:
            async with aclosing(engine.prompt_outputs(ids, f"{next(self._numbers)}-prompt")) as outputs:
                async for output in outputs:
                    last = output
        except Exception as error:
            raise BackendError(engine.explain(error)) from error
        if last is None or last.prompt_logprobs is None:
            raise BackendError("vLLM gave no log-probabilities of the prompt; its log on stderr may say why")
        return prompt_score(ids, last)

    async def reward(self, prompt: Prompt, *, step_token: str | None = None) -> Rewards:
        """Return the rewards of a text; see `Backend.reward`.

        What an outcome reward model has read before is taken from the prefix cache; a process reward model
        reads every text from its beginning.
        """
        engine, ids = self._admit(prompt, num_new=0)
        if (head := engine.reward_head) is None:
            return await super().reward(prompt, step_token=step_token)
        head.check_step_token(step_token, model=self.model)
        step_id = None if step_token is None else engine.vocabulary.token_id(step_token)
        if step_token is not None and step_id is None:
            raise unknown_step_token(step_token, model=self.model)
        positions = head.positions(ids, step_id, model=self.model)
        grading = asyncio.get_running_loop().create_future()
        self._gradings.add(grading)
        task = self._tasks.spawn(self._pool(engine, ids, step_id, grading))
        try:
            return rewards_of(head, positions, len(ids), await grading)
        finally:
            self._gradings.discard(grading)
            task.cancel()

    async def _pool(
        self,
        engine: VLLMEngine,
        prompt_ids: Sequence[int],
        step_id: int | None,
        grading: asyncio.Future[PoolingOutput],
    ) -> None:
        """Follow one text through the engine, as a task that the engine's end does not leave waiting."""
        name = f"{next(self._numbers)}-reward"
        try:
            async with aclosing(engine.pooling_outputs(prompt_ids, step_id, name)) as outputs:
                async for output in outputs:
                    if not grading.done():
                        grading.set_result(output)
        except Exception as error:
            _fail(grading, engine.explain(error))
        else:
            _fail(grading, "vLLM ended the request without a reward; its log on stderr may say why")


def _fail(grading: asyncio.Future[PoolingOutput], message: str) -> None:
    if not grading.done():
        grading.set_exception(BackendError(message))
