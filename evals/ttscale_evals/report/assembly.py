"""Pages of one file: styles, scripts and data are in them, and they load nothing.

The content security policy in a page's head lets only its own style and script in, known by their hashes, and
no request leave the page.
"""

from __future__ import annotations

import base64
import hashlib
import html
import re
from collections.abc import Mapping, Sequence
from importlib import resources
from typing import Final

from ttscale_evals.report.text import MAX_LABEL_CHARS, label

_PACKAGE: Final = "ttscale_evals.report"


def asset(name: str, *, package: str = _PACKAGE) -> str:
    """Return a file of a package's folder ``page``."""
    return resources.files(package).joinpath("page", name).read_text(encoding="utf-8")


def assemble(template: str, *, style: str, script: str, parts: Mapping[str, str]) -> str:
    """Return a page.

    Args:
        template: HTML with ``{{name}}`` where a part goes, ``policy``, ``style`` and ``script`` among them.
        style: all of it.
        script: all of it.
        parts: by name, safe HTML.
    """
    whole = {**parts, "policy": html.escape(_policy(style, script)), "style": style, "script": script}
    return re.sub(r"\{\{(\w+)\}\}", lambda match: whole[match[1]], template)


def _policy(style: str, script: str) -> str:
    return (
        f"default-src 'none'; script-src 'sha256-{_hash(script)}'; style-src 'sha256-{_hash(style)}'; "
        f"base-uri 'none'; form-action 'none'"
    )


def _hash(text: str) -> str:
    return base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()


def escaped(text: str, *, max_chars: int = MAX_LABEL_CHARS) -> str:
    """Return a name or number, which nobody vouches for, as HTML on one line."""
    return html.escape(label(text, max_chars=max_chars))


def list_items(lines: Sequence[str], *, max_open: int = 12) -> str:
    """Return notes as a list; those beyond the first ones are folded away."""
    items = [f"<li>{html.escape(label(line, max_chars=1_000))}</li>" for line in lines]
    first, more = "".join(items[:max_open]), "".join(items[max_open:])
    folded = (
        f"<details><summary>{len(items) - max_open:,} more notes on rows</summary>"
        f'<ul class="footnotes">{more}</ul></details>'
    )
    return f'<ul class="footnotes">{first}</ul>{folded if more else ""}'
