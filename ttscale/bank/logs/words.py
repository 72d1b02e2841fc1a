"""Messages of somebody else's logs as text."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable

from ttscale.bank.logs.fields import Fields


def written_by_model(messages: Iterable[Fields], find: Callable[[str], str] = str) -> str | None:
    """Return all that the model wrote in a conversation; ``None``: it did not come to speak.

    Args:
        messages: of the conversation, other people's among them.
        find: turns a reference to a text kept elsewhere into it.
    """
    own = [message for message in messages if message.values.get("role") == "assistant"]
    if not own:
        return None
    return "\n\n".join(filter(None, (message_text(message, find) for message in own)))


def message_text(message: Fields, find: Callable[[str], str] = str) -> str:
    """Return a message as text: thinking in ``<think>``, what is said, and tool calls as ``name({…})``."""
    parts = [_thought(find(message.text("reasoning") or ""))]
    content = message.values.get("content")
    if isinstance(content, str):
        parts.append(find(content))
    else:
        parts.extend(_part_text(part, find) for part in message.objects("content"))
    parts.extend(_call_text(call) for call in message.objects("tool_calls"))
    return "\n\n".join(filter(None, parts))


def _part_text(part: Fields, find: Callable[[str], str]) -> str:
    kind = part.text("type")
    if kind == "text":
        return find(part.text("text") or "")
    if kind == "reasoning":
        is_hidden = part.values.get("redacted") is True
        return _thought(find(part.text("summary" if is_hidden else "reasoning") or ""))
    return f"[{kind or 'something that is no text'}]"


def _thought(text: str) -> str:
    return f"<think>\n{text}\n</think>" if text else ""


def _call_text(call: Fields) -> str:
    name = call.values.get("function") or call.values.get("name") or "tool"
    return f"{name}({json.dumps(call.values.get('arguments'), ensure_ascii=False)})"
