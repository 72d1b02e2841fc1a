"""`ReplayBackend`: answers from recorded samples, in the time they took when they were recorded."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import KW_ONLY, dataclass, replace
from functools import cached_property, lru_cache, partial
from pathlib import Path
from typing import Final

from ttscale.backends.base import Backend, Capabilities, Generation, ModelProfile, Request
from ttscale.backends.replay.dealer import Dealer, Recordings
from ttscale.backends.replay.source import choose_model, recorded_capabilities
from ttscale.bank import Bank, Columns, RecordedModel, SampleHead, open_pool
from ttscale.bank.playing import Play, Player
from ttscale.bank.take import Take, take
from ttscale.errors import BackendError, TTScaleError
from ttscale.types import Prompt, SampleUsage, Sampling

_BATCH_SIZE: Final = 64
"""Before a recording says how many its engine advanced at once."""
_NOT_RUNNING: Final = "the replay is not running; use it inside `async with backend:`"
_MAX_KEPT_PROMPTS: Final = 8192
_MAX_KEPT_VALUES: Final = 2_000_000
"""Token ids and log-probabilities of samples that are kept in memory for whoever replays them again."""


@dataclass(eq=False)
class ReplayBackend(Backend):
    """Replays recorded samples on the event loop's clock; no model is needed.

    It only sets timers: on a virtual clock (`ttscale.bank.run_replay`) hours pass at once, and deadlines,
    budgets and the scheduler see them pass; on an ordinary event loop a replay takes as long as the recording
    did. Each sample takes the time it took, whatever else runs: nothing is known of what another load would
    have made of it. A sample that is stopped is charged the tokens it had by then.

    It makes nothing up. A request for more samples than there are, for settings, log-probabilities or tokens
    that were not recorded, fails and says what there is. See `Dealer` for which sample a seed gets.

    Attributes:
        model: a sample bank, an export of one, or a plain pool (see `ttscale.bank.open_pool`).
        recorded: name, or beginning of the fingerprint, of the model whose samples are replayed, where the file
            holds several.
        tokens_per_second: pace of samples whose duration is not known, > 0.
        order: deal samples in an order drawn from this seed; ``None``: as they were recorded.
        columns: of a plain pool, from role to field, as ``{problem: qid, length: tokens}``.
        refusals: what was asked for in vain, one message each.
    """

    model: str
    _: KW_ONLY
    recorded: str | None = None
    tokens_per_second: float = 50.0
    order: int | None = None
    columns: Mapping[str, str] | None = None

    def __post_init__(self) -> None:
        if not 0 < self.tokens_per_second < float("inf"):
            raise ValueError(f"tokens_per_second must be > 0, got {self.tokens_per_second!r}")
        self.name = "replay"
        self.profile = ModelProfile(name=self.model)
        self.capabilities = Capabilities()
        self.batch_size = _BATCH_SIZE
        self.refusals = list[str]()
        self._columns = Columns.parse(self.columns or {})
        self._bank: Bank | None = None
        self._dealer: Dealer | None = None
        self._source: RecordedModel | None = None
        self._vocabulary: Mapping[int, str] = {}
        self._player = Player()
        self._takes = dict[tuple[str, int, int, int | None], Take]()
        self._num_kept_values = 0

    # ── the contract ──────────────────────────────────────────────────────────────────────────────────────

    async def start(self) -> None:
        """Open the recording.

        Raises:
            DataError: the file is missing, of another version, or damaged.
            ConfigError: it holds several models and none, or an unknown one, was chosen.
            BackendError: the backend was started before.
        """
        if self._dealer is not None:
            raise BackendError("the replay was started already; open it once, or make another one")
        bank = self._open()
        try:
            source = choose_model(bank.models(), self.recorded, pool=self.model)
            self._vocabulary = bank.vocabulary(source.fingerprint)
            self.capabilities = recorded_capabilities(bank, source, order=self.order)
            dealer = Dealer(bank, source, order=self.order)
            self.profile = _profile(bank, source, dealer.max_prompt_tokens)
        except BaseException:
            bank.close()
            raise
        self.batch_size = source.batch_size
        self._bank, self._source, self._dealer = bank, source, dealer

    def _open(self) -> Bank:
        return open_pool(Path(self.model).expanduser(), columns=self._columns)

    async def aclose(self) -> None:
        """Abort everything and close the recording."""
        self._player.stop()
        if self._bank is not None:
            self._bank.close()
            self._bank = None

    def encode(self, prompt: Prompt) -> Prompt:
        """Return the prompt as it was encoded when it was recorded; unchanged if it never was."""
        return prompt if self._bank is None or prompt.token_ids is not None else self._encoded(prompt)

    @cached_property
    def _encoded(self) -> Callable[[Prompt], Prompt]:
        bank, source = self._bank, self._source
        assert bank is not None
        assert source is not None
        return lru_cache(_MAX_KEPT_PROMPTS)(lambda prompt: bank.encoded(source.fingerprint, prompt) or prompt)

    def decode(self, token_ids: Sequence[int]) -> str:
        """Return the text of token ids, as far as they were seen when the recording was made."""
        return "".join(self._vocabulary.get(token_id, "") for token_id in token_ids)

    def count_tokens(self, prompt: Prompt) -> int:
        """Return how many tokens the prompt has, or an upper bound where the recording cannot tell.

        Of a plain pool that does not tell, it is 1.
        """
        encoded = self.encode(prompt)
        if encoded.token_ids is None and self._dealer is not None and self._source is not None:
            known = self._dealer.prompt_tokens(encoded)
            if known is not None or self._source.is_imported:
                return known or 1
        return super().count_tokens(encoded)

    def generate(self, request: Request) -> Generation:
        """Replay recorded samples; they all start at once."""
        plays = list[Play]()
        generation = Generation(len(request.seeds), partial(self._player.abort, plays))
        try:
            takes, prompts = self._cast(request)
        except TTScaleError as error:
            self.refusals.append(str(error))
            generation.fail(str(error))
            return generation
        plays.extend(
            Play(index=index, request=request, generation=generation, take=played, prompt=prompt)
            for index, (played, prompt) in enumerate(zip(takes, prompts, strict=True))
        )
        self._player.start(plays, streams=request.stream and self.capabilities.stream)
        return generation

    def deal(self, order: int | None = None) -> None:
        """Begin a new deal, as if the recording had just been opened; everything before must have ended.

        Args:
            order: seed of the order in which samples are dealt; ``None``: as they were recorded.

        Raises:
            BackendError: the backend is not running, or samples are still being replayed.
        """
        if self._dealer is None or self._source is None or self._player.is_playing:
            raise BackendError("a new deal begins between runs; the replay is not open, or samples still run")
        self._dealer.begin(order)
        self.capabilities = replace(self.capabilities, seeds=self._source.can_seed and order is None)

    # ── looking up ────────────────────────────────────────────────────────────────────────────────────────

    def recordings(self, prompt: Prompt) -> Recordings | None:
        """Return what was recorded of a prompt, at the settings of which there are the most whole samples.

        ``None``: nothing.

        Raises:
            BackendError: the backend is not running.
        """
        if self._dealer is None or self._bank is None:
            raise BackendError(_NOT_RUNNING)
        return self._dealer.fullest(self.encode(prompt))

    def whole(self, recordings: Recordings, draw: int) -> Take:
        """Return a whole sample as it was recorded.

        Raises:
            BackendError: the backend is not running.
        """
        if self._bank is None:
            raise BackendError(_NOT_RUNNING)
        heads = [head for head in recordings.draws[draw] if head.is_whole]
        head = max(heads, key=lambda head: head.usage.generated)
        return self._take(self._bank, recordings.key, head, Sampling(max_tokens=head.max_tokens))

    # ── replaying ─────────────────────────────────────────────────────────────────────────────────────────

    def _cast(self, request: Request) -> tuple[list[Take], list[SampleUsage]]:
        """Find out what a request gets.

        Raises:
            TTScaleError: something it asks for was not recorded.
        """
        if self._bank is None or self._dealer is None:
            raise BackendError(_NOT_RUNNING)
        deck, heads = self._dealer.deal(request)
        takes = [self._take(self._bank, deck.recordings.key, head, request.sampling) for head in heads]
        return takes, self._dealer.charge(deck, len(takes))

    def _take(self, bank: Bank, key: str, head: SampleHead, sampling: Sampling) -> Take:
        """Return a sample as it is under a request's limits: read once, as long as there is room to keep it."""
        name = (key, head.draw, head.num_logprobs, sampling.max_tokens)
        if name in self._takes:
            return self._takes[name]
        taken = take(
            bank.sample(key, head),
            sampling,
            tokens_per_second=self.tokens_per_second,
            vocabulary=self._vocabulary,
        )
        if self._num_kept_values > _MAX_KEPT_VALUES:
            self._takes.clear()
            self._num_kept_values = 0
        self._takes[name] = taken
        self._num_kept_values += 16 + len(taken.sample.token_ids) * (4 + 4 * max(0, head.num_logprobs))
        return taken


def _profile(bank: Bank, source: RecordedModel, max_prompt_tokens: int) -> ModelProfile:
    """Return the recorded profile; of somebody else's model, with room for its longest prompt and sample."""
    if not source.is_imported:
        return source.profile
    longest = max(1, bank.max_generated(source.fingerprint))
    return replace(source.profile, context_length=max(1, max_prompt_tokens) + longest)
