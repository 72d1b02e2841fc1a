"""Small repositories in memory, and programs that try one of their states out in a sandbox."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Final

from ttscale.errors import ConfigError

MAX_FILES: Final = 200
MAX_BYTES: Final = 2**20
"""Of all files together."""

_SKIPPED: Final = frozenset({"__pycache__", "node_modules", "build", "dist"})


def read_repository(path: str) -> dict[str, str]:
    """Return the text files of a folder by relative path, sorted; nothing of it is ever written.

    Hidden files and folders, links, what Python and others leave behind, and files that are no UTF-8 text are
    left out. Ends of lines are read as new lines.

    Args:
        path: of the folder.

    Raises:
        ConfigError: it is no folder, cannot be read, or holds more than `MAX_FILES` files or `MAX_BYTES`.
    """
    root = Path(path)
    if not root.is_dir():
        raise ConfigError(f"the repository {path!r} is no folder; give the path of one.")
    files, size = dict[str, str](), 0
    try:
        for folder, folders, names in os.walk(root):
            folders[:] = sorted(name for name in folders if not name.startswith(".") and name not in _SKIPPED)
            for name in sorted(names):
                file = Path(folder) / name
                if name.startswith(".") or file.is_symlink() or not file.is_file():
                    continue
                size += file.stat().st_size
                if len(files) >= MAX_FILES or size > MAX_BYTES:
                    raise ConfigError(
                        f"the repository {path!r} is too large: it may hold {MAX_FILES} files and {MAX_BYTES} "
                        f"bytes; give a smaller folder of it."
                    )
                text = _text_of(file)
                if text is not None:
                    files[file.relative_to(root).as_posix()] = text
    except OSError as error:
        raise ConfigError(f"the repository {path!r} cannot be read: {error}.") from error
    return dict(sorted(files.items()))


def _text_of(file: Path) -> str | None:
    try:
        text = file.read_text(encoding="utf-8")
    except UnicodeDecodeError:
        return None
    return None if "\x00" in text else text


_PROGRAM: Final = """\
import json, os, sys
for _path, _text in json.loads({files}).items():
    if os.path.dirname(_path):
        os.makedirs(os.path.dirname(_path), exist_ok=True)
    with open(_path, "w", encoding="utf-8") as _file:
        _file.write(_text)
sys.path.insert(0, os.getcwd())
try:
    exec(compile(json.loads({test}), "<test>", "exec"), {{"__name__": "__main__"}})
except SystemExit as _end:
    if _end.code not in (None, 0):
        raise
print()
print({word})
"""


def trial_program(files: Mapping[str, str], test: str, word: str) -> str:
    """Return a program that writes files into its folder, runs a test there, and says a word at its end.

    A test passes if it ends normally, or with exit status 0. That the word is said tells it from one, or from
    an edit, that ends the process before.

    Args:
        files: text by relative path.
        test: Python.
        word: hard to guess.
    """
    return _PROGRAM.format(files=_literal(dict(files)), test=_literal(test), word=_literal_text(word))


def _literal(value: object) -> str:
    """Return Python source of a text that is the JSON of a value: plain ASCII, whatever the value."""
    return _literal_text(json.dumps(value))


def _literal_text(text: str) -> str:
    return ascii(text)


def files_text(files: Mapping[str, str]) -> str:
    """Return files for a prompt, one after the other under their paths."""
    return "\n\n".join(f"### {path}\n{text.rstrip()}" for path, text in files.items())
