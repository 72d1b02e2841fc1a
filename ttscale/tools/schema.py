"""Checking arguments against a JSON Schema that somebody else wrote."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import islice
from typing import Final

from ttscale.errors import MissingExtra
from ttscale.types import JSON

_MOST_ERRORS: Final = 5


def check_arguments(schema: Mapping[str, JSON], arguments: Mapping[str, JSON]) -> str | None:
    """Return what is wrong with arguments, ``None`` where they fit their schema.

    References to other documents are not followed, and a schema that is broken does not judge: whoever is
    called checks for itself.

    Raises:
        MissingExtra: jsonschema is not installed.
    """
    try:
        from jsonschema import Draft202012Validator
        from jsonschema.exceptions import SchemaError
        from jsonschema.validators import validator_for
        from referencing import Registry
        from referencing.exceptions import Unresolvable
    except ImportError:
        raise MissingExtra("jsonschema", "mcp") from None
    try:
        kind = validator_for(schema, default=Draft202012Validator)
        kind.check_schema(dict(schema))
        errors = islice(kind(schema, registry=Registry()).iter_errors(dict(arguments)), _MOST_ERRORS)
        found = [f"{'.'.join(map(str, error.absolute_path))}: {error.message}" for error in errors]
    except (SchemaError, Unresolvable, RecursionError):
        return None
    return "; ".join(text.removeprefix(": ")[:300] for text in found) or None
