"""Seeds: hashes of (root, path, step), far apart, the same in every process."""

from __future__ import annotations

from hashlib import blake2b


def derive_seed(root: int, *path: str | int) -> int:
    """Return a seed in [0, 2**63) that depends on every part of the path and on nothing else.

    Where an engine gives sample i of a request ``seed + i``, neighbouring seeds collide; hashes do not.
    """
    digest = blake2b(digest_size=8)
    for part in (root, *path):
        encoded = f"{type(part).__name__}:{part}".encode()
        digest.update(len(encoded).to_bytes(8, "big"))
        digest.update(encoded)
    return int.from_bytes(digest.digest(), "big") >> 1
