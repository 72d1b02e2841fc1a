"""Members of zip files, read with a bound on what they unpack to."""

from __future__ import annotations

import io
import sys
import zipfile
import zlib
from pathlib import Path
from types import TracebackType
from typing import IO, Final, Self, cast

from ttscale.errors import DataError, MissingExtra

MAX_MEMBER_BYTES: Final = 512 * 2**20
"""A member that unpacks to more is refused: no sample is that long."""
_ZSTANDARD: Final = 93
_LOCAL_HEADER_BYTES: Final = 30
_PIECE_BYTES: Final = 2**20


class Members:
    """The members of a zip file; of several with one name the last counts. A context manager."""

    def __init__(self, path: Path, *, max_bytes: int = MAX_MEMBER_BYTES) -> None:
        """Open a file.

        Args:
            path: the zip file.
            max_bytes: what a member may unpack to.

        Raises:
            DataError: it is no zip file, or its directory is damaged.
        """
        self.path = path
        self._max_bytes = max_bytes
        try:
            self._zip = zipfile.ZipFile(path)
        except (zipfile.BadZipFile, OSError, ValueError, NotImplementedError) as error:
            raise DataError(
                f"{str(path)!r} is no zip file or a damaged one ({error}); get another copy."
            ) from error
        self.names = list(dict.fromkeys(self._zip.namelist()))
        """Each once, in the file's order."""

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._zip.close()

    def place(self, name: str) -> str:
        """Return what messages call a member."""
        return f"the member {name!r} of {str(self.path)!r}"

    def read(self, name: str) -> bytes:
        """Return a member's content.

        Raises:
            DataError: there is no such member, it is damaged, encrypted or too long.
            MissingExtra: it is packed with zstandard, and nothing that unpacks it is installed.
        """
        try:
            info = self._zip.getinfo(name)
            with self._open(info) as file:
                content = _read_at_most(file, self._max_bytes)
            if content is not None and zlib.crc32(content) != info.CRC:
                raise ValueError("its checksum is another")
        except KeyError as error:
            raise DataError(f"{str(self.path)!r} has no member {name!r}; the log is not whole.") from error
        except NotImplementedError as error:
            raise DataError(
                f"{self.place(name)} is packed in a way that is not read; have Inspect write the log "
                f"anew, with `inspect log convert`."
            ) from error
        except (zipfile.BadZipFile, zlib.error, OSError, EOFError, ValueError, RuntimeError) as error:
            reason = str(error) or type(error).__name__
            raise DataError(f"{self.place(name)} is damaged ({reason}); get an undamaged copy.") from error
        if content is None:
            raise DataError(
                f"{self.place(name)} unpacks to more than {self._max_bytes:,} bytes, which no sample needs; "
                f"it is not read."
            )
        return content

    def _open(self, info: zipfile.ZipInfo) -> IO[bytes]:
        if info.compress_type != _ZSTANDARD or sys.version_info >= (3, 14):
            return self._zip.open(info)
        try:
            import pyarrow
        except ImportError as error:
            raise MissingExtra("pyarrow", "evals") from error
        packed = io.BytesIO(self._packed(info))
        return cast("IO[bytes]", pyarrow.CompressedInputStream(packed, "zstd"))

    def _packed(self, info: zipfile.ZipInfo) -> bytes:
        """Return a member as it lies in the file."""
        if info.flag_bits & 1:
            raise ValueError("it is encrypted")
        with self.path.open("rb") as file:
            file.seek(info.header_offset)
            header = file.read(_LOCAL_HEADER_BYTES)
            if len(header) < _LOCAL_HEADER_BYTES or header[:4] != b"PK\x03\x04":
                raise ValueError("its header is not where it must be")
            lengths = int.from_bytes(header[26:28], "little") + int.from_bytes(header[28:30], "little")
            file.seek(lengths, io.SEEK_CUR)
            packed = file.read(info.compress_size)
        if len(packed) < info.compress_size:
            raise ValueError("the file ends within it")
        return packed


def _read_at_most(file: IO[bytes], max_bytes: int) -> bytes | None:
    """Return what is in a file; ``None``: it is more than that."""
    pieces, num_bytes = list[bytes](), 0
    while piece := file.read(_PIECE_BYTES):
        num_bytes += len(piece)
        if num_bytes > max_bytes:
            return None
        pieces.append(piece)
    return b"".join(pieces)
