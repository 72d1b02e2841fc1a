r"""Chain sums in the grammar of ThreadWeaver (arXiv 2512.07843): outlines, one thread each, a conclusion.

```
<Parallel>
<Outlines>
<Outline>1: 12 - 30 + 41</Outline>
<Outline>2: - 25 + 17 + 60</Outline>
</Outlines>
<Thread>
1:
12-30=-18
-18+41=23
</Thread><Thread>
2:
-25+17=-8
-8+60=52
</Thread>
<Conclusion>
23+52=75
</Conclusion>
</Parallel>
\boxed{75}
```

The model writes up to `</Outlines>`. Every thread then continues that same text from its own number on, without
seeing the others, and from the text with all threads in it the model concludes.
"""

from __future__ import annotations

import random
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final

from ttscale.grammars.format_error import FormatError
from ttscale.reference.conversation import Conversation, Turn, exchange, taught, user
from ttscale.reference.roles.chains import add_up, parse_chain
from ttscale.reference.roles.completion import Complete, opened, opening
from ttscale.registry import load_template

if TYPE_CHECKING:
    from ttscale.reference.problems import Parameters
    from ttscale.reference.roles.questions import Question
    from ttscale.types import Prompt

CONFIGS: Final[Mapping[str, tuple[Parameters, ...]]] = {
    "chain_sum": ({"min_terms": 6, "max_terms": 8, "min_digits": 2, "max_digits": 2},)
}
"""The reasoning-gym parameters of the questions the role is taught on."""

CHUNK_TERMS: Final = 3
"""The most terms of an outline; where a single one would be left over, the last two outlines have two."""

MAX_THREADS: Final = 50
"""The most threads of a block."""

PHRASES: Final[tuple[str, ...]] = (
    "<Parallel>",
    "<Outlines>",
    "<Outline>",
    "</Outline>",
    "</Outlines>",
    "<Thread>",
    "</Thread>",
    "<Conclusion>",
    "</Conclusion>",
    "</Parallel>",
)
"""The tags of the grammar."""

END_OUTLINES, END_THREAD = "</Outlines>", "</Thread>"
"""Where the model stops to have threads run, and where a thread stops."""

_OUTLINE = re.compile(r"<Outline> {0,4}([0-9]{1,4}) {0,4}:([^<>\n]{0,2000})</Outline>")
_THREAD = re.compile(r"<Thread>\n?([0-9]{1,4}):(.*?)</Thread>", re.DOTALL)
_TAGS = re.compile("(" + "|".join(map(re.escape, PHRASES)) + ")")
# The order of tags, a letter each in the order of PHRASES: blocks of outlines, threads, perhaps a conclusion.
_BLOCKS = re.compile("(?:PO(?:ab)+X(?:Tt)+(?:Cc)?Q)+")
_LETTERS: Mapping[str, str] = dict(zip(PHRASES, "POabXTtCcQ", strict=True))
_NUMBER = re.compile(r"\s{0,4}([0-9]{1,4}) {0,4}:")
_OPEN_THREAD = re.compile(r"<Thread>\n([0-9]{1,4}):$")


@dataclass(frozen=True, slots=True)
class Outline:
    """One piece of work.

    Attributes:
        number: Its number, from 1.
        text: What is to be done.
    """

    number: int
    text: str


@dataclass(frozen=True, slots=True)
class OutlinesTrace:
    """What became of one question.

    Attributes:
        text: The whole text, threads and conclusion in it.
        threads: The texts of the threads, in the order of the outlines.
        fault: What breaks the grammar first, or None if nothing does.
    """

    text: str
    threads: tuple[str, ...] = ()
    fault: str | None = None


def parse_outlines(text: str) -> list[Outline]:
    """Return the outlines of the last block of a text that ends with `</Outlines>`; none if it does not.

    Of outlines with one number the first counts.
    """
    if not text.endswith(END_OUTLINES):
        return []
    found = dict[int, Outline]()
    for number, content in _OUTLINE.findall(text.rpartition("<Outlines>")[2]):
        found.setdefault(int(number), Outline(int(number), content.strip()))
    return list(found.values())[:MAX_THREADS]


def open_thread(text: str, number: int) -> str:
    """Return what a thread continues: the whole text so far, and the thread's own beginning."""
    return f"{text}\n<Thread>\n{number}:"


def render_threads(text: str, outlines: Sequence[Outline], threads: Sequence[str]) -> str:
    """Return the text with its threads in it, every one closed.

    Args:
        text: The text up to `</Outlines>`.
        outlines: Its outlines.
        threads: What each thread wrote, with or without `</Thread>`.
    """
    bodies = (thread.removesuffix(END_THREAD) for thread in threads)
    written = (f"<Thread>\n{o.number}:{body}{END_THREAD}" for o, body in zip(outlines, bodies, strict=True))
    return f"{text}\n{''.join(written)}"


def check_format(text: str) -> None:
    """Check a whole trace: one block or more, each with outlines 1 to n and as many threads, in order.

    Raises:
        FormatError: the text breaks the grammar; the message says where.
    """
    _, *pieces = _TAGS.split(text)
    tags, contents = pieces[::2], pieces[1::2]
    if not _BLOCKS.fullmatch("".join(_LETTERS[tag] for tag in tags)):
        raise FormatError(f"The tags do not make up whole blocks: {' '.join(tags)[:200] or 'there are none'}.")
    outlines, threads = list[int](), list[int]()
    for tag, content in zip(tags, contents, strict=True):
        if tag == "<Outline>":
            outlines.append(_leading_number(content))
        elif tag == "<Thread>":
            threads.append(_leading_number(content))
        elif tag == "</Parallel>":
            _check_numbers(outlines, threads)
            outlines, threads = [], []
        elif tag != "<Conclusion>" and content.strip():
            raise FormatError(f"{content.strip()[:40]!r} stands after {tag}, where only a tag can.")


def _leading_number(content: str) -> int:
    found = _NUMBER.match(content)
    if found is None:
        raise FormatError(f"{content[:40]!r} does not begin with a number and a colon.")
    return int(found[1])


def _check_numbers(outlines: Sequence[int], threads: Sequence[int]) -> None:
    if list(outlines) != list(range(1, len(outlines) + 1)) or len(outlines) > MAX_THREADS:
        raise FormatError(f"The outlines are numbered {outlines}, not from 1 to at most {MAX_THREADS}.")
    if threads != outlines:
        raise FormatError(f"The outlines are numbered {outlines}, the threads {threads}.")


def first_prompt(question: str) -> Prompt:
    """Return what the model is given at first."""
    return load_template("outlines").render(question=question)


def write_outlines(expression: str) -> str:
    """Write the outlines of a chain sum: two or three of its terms each, as they stand in it."""
    pieces = expression.split(" ")
    chunks = [pieces[:1], *(pieces[i : i + 2] for i in range(1, len(pieces), 2))]
    lines = ["<Parallel>", "<Outlines>"]
    for number, size in enumerate(_chunk_sizes(len(chunks)), start=1):
        taken, chunks = chunks[:size], chunks[size:]
        words = " ".join(word for piece in taken for word in piece)
        lines.append(f"<Outline>{number}: {words}</Outline>")
    return "\n".join((*lines, END_OUTLINES))


def _chunk_sizes(num_terms: int) -> list[int]:
    full, left = divmod(num_terms, CHUNK_TERMS)
    if left == 1 and full:
        return [CHUNK_TERMS] * (full - 1) + [CHUNK_TERMS - 1, 2]
    return [CHUNK_TERMS] * full + [left] * bool(left)


def write_thread(outline: str) -> str:
    """Write a thread: the sum of an outline's terms, one step a line."""
    return "".join(f"\n{step}" for step in add_up(parse_chain(outline))) + f"\n{END_THREAD}"


def write_conclusion(text: str) -> str:
    """Write what follows the threads: the sum of their results, the end of the block and the boxed answer.

    Raises:
        FormatError: a thread has no result.
    """
    bodies = [body.strip() for _, body in _THREAD.findall(text)]
    values = [body.rpartition("=")[2] for body in bodies]
    if not values or not all(re.fullmatch("-?[0-9]{1,9}", value) for value in values):
        raise FormatError("A thread of the text ends without a result.")
    steps = add_up([int(value) for value in values])
    total = steps[-1].rpartition("=")[2] if steps else values[0]
    return "\n".join(("\n<Conclusion>", *steps, "</Conclusion>", "</Parallel>", f"\\boxed{{{total}}}"))


def conversations(rng: random.Random, questions: Iterable[Question]) -> Iterator[Conversation]:
    """Yield, for every chain sum, the whole text with its threads given, and one of the threads.

    Args:
        rng: Chooses the thread.
        questions: Chain sums of four terms or more.
    """
    for question in questions:
        prompt, text = first_prompt(question.text), write_outlines(question.expression)
        outlines = parse_outlines(text)
        threads = [write_thread(outline.text) for outline in outlines]
        joined = render_threads(text, outlines, threads)
        turns = (
            user(prompt.messages[0].content),
            taught(text),
            Turn("assistant", joined.removeprefix(text), continues=True),
            replace(taught(write_conclusion(joined)), continues=True),
        )
        yield Conversation(turns, question.key)
        chosen = rng.randrange(len(threads))
        begun = open_thread(text, outlines[chosen].number)
        yield exchange(opened(prompt, begun), threads[chosen], question.key)


class ChainOracle:
    """Plays the model by the rules above: the best the model can learn.

    Args:
        expressions: The chain sums of the questions it will be asked, by question.
    """

    def __init__(self, expressions: Mapping[str, str]) -> None:
        self._expressions = {first_prompt(question): text for question, text in expressions.items()}

    def __call__(self, prompts: Sequence[Prompt], *, stop: str = "") -> list[str]:
        """Write outlines, threads and conclusions; the first two end with their stop string anyway."""
        del stop
        return [self._write(prompt) for prompt in prompts]

    def _write(self, prompt: Prompt) -> str:
        text = opening(prompt)
        if not text:
            return write_outlines(self._expressions[prompt])
        thread = _OPEN_THREAD.search(text)
        if thread is None:
            return write_conclusion(text)
        outlines = parse_outlines(text[: thread.start()].rstrip())
        return next(write_thread(outline.text) for outline in outlines if outline.number == int(thread[1]))


def solve_by_outlines(
    complete: Complete, questions: Sequence[str], *, max_blocks: int = 2
) -> list[OutlinesTrace]:
    """Answer questions by outlines and threads; those of all questions are completed together.

    A thread that does not reach its end is closed where it stops, and its text goes no further.

    Args:
        complete: The model.
        questions: The questions.
        max_blocks: The most blocks of a text whose threads are run, at least 1.

    Returns:
        A trace a question, in their order.
    """
    traces = [OutlinesTrace("") for _ in questions]
    running = list(range(len(questions)))
    for blocks_left in range(max_blocks, -1, -1):
        prompts = [opened(first_prompt(questions[index]), traces[index].text) for index in running]
        written = complete(prompts, stop=END_OUTLINES) if prompts else ()
        for index, text in zip(running, written, strict=True):
            traces[index] = replace(traces[index], text=traces[index].text + text)
        running = _run_threads(complete, questions, traces, running) if blocks_left else []
    return [_judge(trace) for trace in traces]


def _run_threads(
    complete: Complete, questions: Sequence[str], traces: list[OutlinesTrace], running: Sequence[int]
) -> list[int]:
    """Run the threads of the traces that outline any, write them in, and return which traces go on."""
    outlined = {index: parse_outlines(traces[index].text) for index in running}
    prompts = [
        opened(first_prompt(questions[index]), open_thread(traces[index].text, outline.number))
        for index, outlines in outlined.items()
        for outline in outlines
    ]
    written = iter(complete(prompts, stop=END_THREAD) if prompts else ())
    going_on = list[int]()
    for index, outlines in outlined.items():
        threads = [next(written) for _ in outlines]
        if threads:
            text = render_threads(traces[index].text, outlines, threads)
            traces[index] = replace(traces[index], text=text, threads=(*traces[index].threads, *threads))
            if all(thread.endswith(END_THREAD) for thread in threads):
                going_on.append(index)
    return going_on


def _judge(trace: OutlinesTrace) -> OutlinesTrace:
    try:
        check_format(trace.text)
    except FormatError as error:
        return replace(trace, fault=str(error))
    return trace
