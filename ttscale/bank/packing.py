"""Token ids and log-probabilities as small binary blobs, equal to the last bit when they come back."""

from __future__ import annotations

import zlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

_IDS: Final = np.dtype("<i8")
_VALUES: Final = np.dtype("<f8")
_SIZES: Final = np.dtype("<i4")


@dataclass(frozen=True, slots=True)
class PackedTop:
    """The most likely tokens at each position, end to end."""

    sizes: bytes
    """How many there are at each position."""
    ids: bytes
    values: bytes


def pack_ids(ids: Sequence[int]) -> bytes:
    """Return token ids as a blob."""
    return _pack(np.asarray(ids, dtype=_IDS))


def unpack_ids(blob: bytes) -> tuple[int, ...]:
    """Read what `pack_ids` wrote."""
    return tuple(_unpack(blob, _IDS).tolist())


def pack_values(values: Sequence[float]) -> bytes:
    """Return log-probabilities as a blob."""
    return _pack(np.asarray(values, dtype=_VALUES))


def unpack_values(blob: bytes) -> tuple[float, ...]:
    """Read what `pack_values` wrote."""
    return tuple(_unpack(blob, _VALUES).tolist())


def pack_top(top: Sequence[Mapping[int, float]]) -> PackedTop:
    """Return the most likely tokens at each position as blobs."""
    sizes = np.fromiter((len(position) for position in top), dtype=_SIZES, count=len(top))
    total = int(sizes.sum())
    ids = np.fromiter((token_id for position in top for token_id in position), dtype=_IDS, count=total)
    values = np.fromiter((value for position in top for value in position.values()), dtype=_VALUES, count=total)
    return PackedTop(_pack(sizes), _pack(ids), _pack(values))


def unpack_top(packed: PackedTop) -> tuple[Mapping[int, float], ...]:
    """Read what `pack_top` wrote.

    Raises:
        ValueError: the blobs do not belong together.
    """
    ends = np.cumsum(_unpack(packed.sizes, _SIZES)).tolist()
    ids, values = _unpack(packed.ids, _IDS).tolist(), _unpack(packed.values, _VALUES).tolist()
    if len(ids) != len(values) or len(ids) != (ends[-1] if ends else 0):
        raise ValueError("its log-probabilities do not belong to its tokens")
    starts = [0, *ends[:-1]]
    return tuple(
        dict(zip(ids[start:end], values[start:end], strict=True))
        for start, end in zip(starts, ends, strict=True)
    )


def _pack(array: NDArray[np.generic]) -> bytes:
    return zlib.compress(array.tobytes(), level=1)


def _unpack(blob: bytes, dtype: np.dtype[np.generic]) -> NDArray[np.generic]:
    """Read an array.

    Raises:
        ValueError: the blob is damaged.
    """
    try:
        return np.frombuffer(zlib.decompress(blob), dtype=dtype)
    except zlib.error as error:
        raise ValueError(f"its data are damaged ({error})") from error
