"""A YAML file whose keys know their lines."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import cast

import yaml

from ttscale.errors import ConfigError


@dataclass(frozen=True, slots=True)
class YamlFile:
    """What a file holds, and where."""

    path: Path
    document: Mapping[str, object]
    root: yaml.Node | None

    @classmethod
    def read(cls, path: Path) -> YamlFile:
        """Read a file that holds one mapping.

        Raises:
            ConfigError: it is missing, not YAML, not a mapping, or says a key twice; the line is named.
        """
        try:
            text = path.read_text(encoding="utf-8")
            root = yaml.compose(text, Loader=yaml.SafeLoader)
            document: object = yaml.safe_load(text)
        except OSError as error:
            why = error.strerror or str(error)
            raise ConfigError(
                f"the config file {str(path)!r} cannot be read: {why}; check the path."
            ) from error
        except UnicodeDecodeError as error:
            raise ConfigError(f"the config file {str(path)!r} is not text in UTF-8: {error}.") from error
        except yaml.MarkedYAMLError as error:
            mark = error.problem_mark or error.context_mark
            line = f"line {mark.line + 1} of " if mark else ""
            raise ConfigError(f"{line}{str(path)!r} is not YAML: {error.problem or error.context}.") from error
        except (yaml.YAMLError, ValueError, RecursionError) as error:
            raise ConfigError(f"the config file {str(path)!r} is not YAML: {error}.") from error
        if not isinstance(document, dict):
            raise ConfigError(f"the config file {str(path)!r} must hold keys and values, `model: abacus` say.")
        repeated = next(_repeated(root), None)
        if repeated is not None:
            number, key = repeated
            raise ConfigError(f"line {number} of {str(path)!r}: the key {key!r} is there twice; leave one out.")
        return cls(path, cast("dict[str, object]", document), root)

    def place(self, location: Sequence[str | int]) -> str:
        """Return where a key or list item is: ``"line 3 of 'FILE'"``, of the nearest part that is there."""
        node, line = self.root, 0
        for part in location:
            node, line = _step(node, part, line)
        return f"line {line + 1} of {str(self.path)!r}"


def _step(node: yaml.Node | None, part: str | int, line: int) -> tuple[yaml.Node | None, int]:
    if isinstance(node, yaml.MappingNode):
        for key, value in node.value:
            if key.value == part:
                return value, key.start_mark.line
    if isinstance(node, yaml.SequenceNode) and isinstance(part, int) and part < len(node.value):
        item: yaml.Node = node.value[part]
        return item, item.start_mark.line
    return None, line


def _repeated(node: yaml.Node | None) -> Iterator[tuple[int, str]]:
    """Yield line (from 1) and name of every key that its mapping had before."""
    waiting, met = [node], set[int]()
    while waiting:
        current = waiting.pop()
        if current is None or id(current) in met:  # an alias leads back to a node met before
            continue
        met.add(id(current))
        if isinstance(current, yaml.SequenceNode):
            waiting.extend(current.value)
        if isinstance(current, yaml.MappingNode):
            seen = set[str]()
            for key, value in current.value:
                if str(key.value) in seen:
                    yield key.start_mark.line + 1, str(key.value)
                seen.add(str(key.value))
                waiting.append(value)
