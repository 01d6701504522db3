"""The two files of a saved estimator, in a folder or a zip: written whole or not at all."""

from __future__ import annotations

import io
import os
import secrets
import shutil
import stat
import struct
import zipfile
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any, NamedTuple

from skaae._persistence._documents import DOCUMENT, WEIGHTS, check_size, parse_document

# A comment of a zip may be half as long.
_LARGEST_PIECE = 2**17


# ------------------------------------------------------------------------------ reading


class Part:
    """One of the two files: a stretch of a file that is open, of which nothing is read yet."""

    def __init__(self, file: io.BufferedIOBase, name: str, start: int, size: int) -> None:
        self._file, self._name, self._start, self.size = file, name, start, size

    def read(self, begin: int, n_bytes: int) -> bytes:
        """Return some of its bytes; raise ValueError where they are no longer there."""
        data = bytearray(n_bytes)
        self.read_into(begin, data)
        return bytes(data)

    def read_into(self, begin: int, octets: Any) -> None:
        """Fill an array of bytes; raise ValueError where there are no longer as many."""
        self._file.seek(self._start + begin)
        view, done = memoryview(octets), 0
        while done < len(view):  # a system may hand over 2 GiB at a time
            n_read = self._file.readinto(view[done:])
            if not n_read:
                raise ValueError(f"{self._name}: it was cut while it was read.")
            done += n_read


class Files(NamedTuple):
    """What is at a path: the document, and weights that are open and not read.

    ``check`` reads them to the end, and raises ValueError where a zip has another sum for them.
    """

    document: bytes
    weights: Part
    check: Callable[[], object]


@contextmanager
def open_files(path: Path, *, follow_links: bool = False) -> Iterator[Files]:
    """Open the two files, nothing else looked at.

    Parameters
    ----------
    path : Path
        A folder, or a zip whose members are stored as they are.
    follow_links : bool, default=False
        Whether files of the folder may be symbolic links, as in a cache.

    Raises
    ------
    FileNotFoundError
        If there is nothing at `path`.
    ValueError
        If it is not what ``save`` writes.
    """
    with ExitStack() as stack:
        if path.is_dir():
            document = _opened(path / DOCUMENT, stack, follow_links)
            check_size(DOCUMENT, document.size)
            data = document.read(0, document.size)
            yield Files(data, _opened(path / WEIGHTS, stack, follow_links), lambda: None)
        elif path.exists() and not path.is_file():
            raise ValueError("expected a folder or a zip file.")
        else:
            yield _opened_zip(path, stack)


def _opened(path: Path, stack: ExitStack, follow_links: bool) -> Part:
    try:
        found = path.stat() if follow_links else path.lstat()
    except OSError as error:
        raise ValueError(f"{path.name}: expected a file, found none.") from error
    _check_regular(path.name, found)
    # What becomes a link or a pipe between the look and the opening changes nothing.
    flags = os.O_RDONLY | getattr(os, "O_BINARY", 0) | getattr(os, "O_NONBLOCK", 0)
    flags |= 0 if follow_links else getattr(os, "O_NOFOLLOW", 0)
    file = stack.enter_context(os.fdopen(os.open(path, flags), "rb"))
    found = os.fstat(file.fileno())
    _check_regular(path.name, found)
    return Part(file, path.name, 0, found.st_size)


def _check_regular(name: str, found: os.stat_result) -> None:
    if not stat.S_ISREG(found.st_mode):
        raise ValueError(f"{name}: expected a file, not a symbolic link or a folder.")


class _InPieces(io.BufferedReader):
    """A file of which no more is read at once than a zip of two members needs.

    The list of members is as long as a zip says that it is, and read at once.
    """

    def read(self, size: int | None = -1, /) -> bytes:
        rest = size is None or size < 0
        if size is None or rest or size > _LARGEST_PIECE:
            size = _LARGEST_PIECE + 1
        data = super().read(size)
        if len(data) > _LARGEST_PIECE:
            raise ValueError("expected a zip file with a short list of members.")
        return data


def _opened_zip(path: Path, stack: ExitStack) -> Files:
    with _refusing_zip():
        file = stack.enter_context(_InPieces(io.FileIO(path)))
        size = os.fstat(file.fileno()).st_size
        archive = stack.enter_context(zipfile.ZipFile(file))
        members = archive.infolist()
        names = sorted(member.filename for member in members)
        if names != [DOCUMENT, WEIGHTS]:
            raise ValueError(
                f"expected the members {DOCUMENT} and {WEIGHTS}, once each, got "
                f"{str(names[:5])[:200]}."
            )
        for member in members:
            _check_member(member, size)
        check_size(DOCUMENT, archive.getinfo(DOCUMENT).file_size)
        document = b"".join(_pieces(archive, DOCUMENT))
        start = _start_of(archive, WEIGHTS, file)
        weights = Part(file, WEIGHTS, start, archive.getinfo(WEIGHTS).file_size)
    return Files(document, weights, lambda: _read_through(archive))


@contextmanager
def _refusing_zip() -> Iterator[None]:
    try:
        yield
    except (ValueError, FileNotFoundError):
        raise
    except Exception as error:  # a dozen kinds, which differ with Python's version
        raise ValueError(f"expected a zip file of skaae: {str(error)[:200]}.") from error


def _pieces(archive: zipfile.ZipFile, name: str) -> Iterator[bytes]:
    """Yield what a member holds; the last piece raises where the sum over them differs."""
    with archive.open(name) as member:
        while piece := member.read(_LARGEST_PIECE):
            yield piece


def _read_through(archive: zipfile.ZipFile) -> None:
    with _refusing_zip():
        for _ in _pieces(archive, WEIGHTS):
            pass


def _start_of(archive: zipfile.ZipFile, name: str, file: io.BufferedIOBase) -> int:
    """Return where in a zip the bytes of a member are; zipfile would read all before them."""
    archive.open(name).close()  # it compares the header there with the list of members
    begin = archive.getinfo(name).header_offset
    file.seek(begin)
    # Fixed fields, of which the last two are the lengths of a name and of what else follows.
    header = file.read(30)
    n_name, n_further = struct.unpack("<HH", header[26:])
    return begin + len(header) + int(n_name + n_further)


def _check_member(member: zipfile.ZipInfo, size: int) -> None:
    """Raise ValueError where a member is a link, or holds more than its part of the file."""
    kind = stat.S_IFMT(member.external_attr >> 16)
    if kind not in (0, stat.S_IFREG):
        raise ValueError(f"{member.filename}: expected a file, not a symbolic link or a folder.")
    if member.compress_type != zipfile.ZIP_STORED or member.flag_bits & 1:
        raise ValueError(f"{member.filename}: expected a member that is stored, not compressed.")
    if member.file_size != member.compress_size or member.file_size > size:
        raise ValueError(f"{member.filename}: expected no more than there is in the file.")


# ------------------------------------------------------------------------------ writing


def write_files(path: Path, files: dict[str, bytes]) -> None:
    """Write a folder, or a zip where the name ends so; a failure leaves the former one whole.

    Raises
    ------
    ValueError
        If `path` ends in no name of its own.
    FileNotFoundError
        If the folder to write in is not there.
    FileExistsError
        If something is in the way that ``save`` did not write.
    """
    if path.name in ("", ".."):
        raise ValueError(
            f"{path}: expected a path that ends in a name to write, such as {path / 'model'} or "
            f"{path / 'model.zip'}."
        )
    if not path.parent.is_dir():
        raise FileNotFoundError(
            f"{path}: expected a folder {path.parent} to write in, found none. Make it first."
        )
    as_zip = path.suffix.lower() == ".zip"
    if os.path.lexists(path) and not _is_ours(path, as_zip):
        raise FileExistsError(_in_the_way(path, as_zip))
    beside = path.with_name(f".{path.name}.{secrets.token_hex(8)}")
    try:
        _write_zip(beside, files) if as_zip else _write_folder(beside, files)
        if as_zip:
            os.replace(beside, path)
        else:
            _replace_folder(beside, path)
    finally:
        _remove(beside)
    _sync_folder(path.parent)


def _in_the_way(path: Path, as_zip: bool) -> str:
    """Return what is at `path`, and what to do."""
    kind = "a link" if path.is_symlink() else "a folder" if path.is_dir() else "a file"
    advice = "choose another path, or remove it."
    if kind == "a folder" and not as_zip:
        names = sorted({entry.name for entry in path.iterdir()} - {DOCUMENT, WEIGHTS})
        if names:
            kind += f" with other files ({', '.join(names[:3])}{', ...' * (len(names) > 3)})"
            advice = f"choose a path in it, such as {path / 'model'}, or another one."
    return (
        f"{path}: expected nothing there or what save wrote, found {kind} that save did not write; "
        f"{advice}"
    )


def _is_ours(path: Path, as_zip: bool) -> bool:
    if path.is_symlink():
        return False
    if path.is_dir():
        names = {entry.name for entry in path.iterdir()}
        if as_zip or not names <= {DOCUMENT, WEIGHTS}:
            return False
        if not names:
            return True
    elif not as_zip:
        return False
    try:
        with open_files(path) as files:
            parse_document(files.document)
    except ValueError:
        return False
    return True


def _write_zip(path: Path, files: dict[str, bytes]) -> None:
    with _synced(path) as file, zipfile.ZipFile(file, "w", zipfile.ZIP_STORED) as archive:
        for name, data in files.items():
            # One time for all, so that one estimator gives one file.
            member = zipfile.ZipInfo(name, date_time=(1980, 1, 1, 0, 0, 0))
            member.external_attr = (stat.S_IFREG | 0o644) << 16
            archive.writestr(member, data)


def _write_folder(path: Path, files: dict[str, bytes]) -> None:
    path.mkdir()
    for name, data in files.items():
        with _synced(path / name) as file:
            file.write(data)
    _sync_folder(path)


class _synced:  # noqa: N801 - a context manager
    """A new file that is on the disk when the block ends."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __enter__(self) -> io.BufferedWriter:
        self.file = open(self.path, "xb")
        return self.file

    def __exit__(self, *error: object) -> None:
        try:
            self.file.flush()
            os.fsync(self.file.fileno())
        finally:
            self.file.close()


def _replace_folder(new: Path, path: Path) -> None:
    """Put a folder in the place of another; that comes back where it fails."""
    if not path.exists():
        os.replace(new, path)
        return
    # No call of POSIX exchanges folders, so the former one steps aside for a moment.
    former = path.with_name(f".{path.name}.{secrets.token_hex(8)}")
    os.replace(path, former)
    try:
        os.replace(new, path)
    except BaseException:
        os.replace(former, path)
        raise
    _remove(former)


def _remove(path: Path) -> None:
    if path.is_dir():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)


def _sync_folder(path: Path) -> None:
    if os.name != "posix":  # elsewhere a folder cannot be opened
        return
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
