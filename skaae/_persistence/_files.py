"""The two files of a saved estimator, in a folder or a zip: written whole or not at all."""

from __future__ import annotations

import io
import json
import os
import secrets
import shutil
import stat
import zipfile
from pathlib import Path
from typing import Any

DOCUMENT = "model.json"
WEIGHTS = "weights.safetensors"
FORMAT = 1

# Names of a hundred thousand columns and as many classes have room; more is not ours.
_LARGEST_DOCUMENT = 2**23
# Python takes seconds and gigabytes for millions of lists.
_MOST_OPENED = 2**18


# ------------------------------------------------------------------------------ reading


def read_files(path: Path, *, follow_links: bool = False) -> dict[str, bytes]:
    """Return the contents of the two files, nothing else looked at.

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
    if path.is_dir():
        return {
            name: _read_file(path / name, limit, follow_links=follow_links)
            for name, limit in _limits()
        }
    if path.exists() and not path.is_file():
        raise ValueError("expected a folder or a zip file.")
    return _read_zip(path)


def _limits() -> list[tuple[str, int | None]]:
    return [(DOCUMENT, _LARGEST_DOCUMENT), (WEIGHTS, None)]


def _read_file(path: Path, limit: int | None, *, follow_links: bool) -> bytes:
    try:
        found = path.stat() if follow_links else path.lstat()
    except OSError as error:
        raise ValueError(f"{path.name}: expected a file, found none.") from error
    if not stat.S_ISREG(found.st_mode):
        raise ValueError(f"{path.name}: expected a file, not a symbolic link or a folder.")
    _check_size(path.name, found.st_size, limit)
    # A file that grows, or becomes a link, between the look and the read changes nothing.
    flags = os.O_RDONLY | getattr(os, "O_BINARY", 0)
    flags |= 0 if follow_links else getattr(os, "O_NOFOLLOW", 0)
    with os.fdopen(os.open(path, flags), "rb") as file:
        return file.read(found.st_size)


def _check_size(name: str, size: int, limit: int | None) -> None:
    if limit is not None and size > limit:
        raise ValueError(f"{name}: expected at most {limit:,} bytes, got {size:,}.")


def _read_zip(path: Path) -> dict[str, bytes]:
    size = path.stat().st_size
    try:
        with zipfile.ZipFile(path) as archive:
            members = archive.infolist()
            names = sorted(member.filename for member in members)
            if names != [DOCUMENT, WEIGHTS]:
                raise ValueError(
                    f"expected the members {DOCUMENT} and {WEIGHTS}, once each, got "
                    f"{str(names[:5])[:200]}."
                )
            for member in members:
                _check_member(member, size)
            for name, limit in _limits():
                _check_size(name, archive.getinfo(name).file_size, limit)
            return {name: archive.read(name) for name, _ in _limits()}
    except ValueError:
        raise
    except Exception as error:  # a dozen kinds, which differ with Python's version
        raise ValueError(f"expected a zip file of skaae: {str(error)[:200]}.") from error


def _check_member(member: zipfile.ZipInfo, size: int) -> None:
    """Raise ValueError where a member is a link, or holds more than its part of the file."""
    kind = stat.S_IFMT(member.external_attr >> 16)
    if kind not in (0, stat.S_IFREG):
        raise ValueError(f"{member.filename}: expected a file, not a symbolic link or a folder.")
    if member.compress_type != zipfile.ZIP_STORED or member.flag_bits & 1:
        raise ValueError(f"{member.filename}: expected a member that is stored, not compressed.")
    if member.file_size != member.compress_size or member.file_size > size:
        raise ValueError(f"{member.filename}: expected no more than there is in the file.")


def parse_document(data: bytes) -> dict[str, Any]:
    """Return the JSON document.

    Raises
    ------
    ValueError
        If it is not valid JSON, has too many lists, nests too deeply, names something twice, or is
        of another format.
    """
    _check_opened(data)
    try:
        document = json.loads(
            data.decode("utf-8"), parse_constant=_refuse_constant, object_pairs_hook=_unique
        )
    except RecursionError:
        raise ValueError(f"{DOCUMENT}: it nests too deeply.") from None
    except ValueError as error:  # of JSON, of UTF-8, of a number with too many digits
        raise ValueError(f"{DOCUMENT}: expected JSON: {str(error)[:200]}.") from error
    if not isinstance(document, dict) or type(document.get("format")) is not int:
        raise ValueError(f"{DOCUMENT}: expected an object with the number of a format.")
    if not 1 <= document["format"] <= FORMAT:
        raise ValueError(
            f"{DOCUMENT}: expected a format from 1 to {FORMAT}, got {document['format']}. If a "
            "newer skaae wrote it, upgrade to load it."
        )
    return document


def _check_opened(data: bytes) -> None:
    n_opened = data.count(b"[") + data.count(b"{")
    if n_opened > _MOST_OPENED:
        raise ValueError(f"{DOCUMENT}: expected at most {_MOST_OPENED:,} lists, got {n_opened:,}.")


def _refuse_constant(name: str) -> None:
    raise ValueError(f"{name} is not JSON")


def check_document(data: bytes) -> None:
    """Raise ValueError where a document is too large to be read again."""
    _check_size(DOCUMENT, len(data), _LARGEST_DOCUMENT)
    _check_opened(data)


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise ValueError("a name stands twice in one object")
    return found


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
        parse_document(read_files(path)[DOCUMENT])
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
