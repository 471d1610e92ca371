"""Outputs that appear together or not at all.

Files are made under their final names in a hidden folder inside the target folder, so on the same file system. When all
are there they are renamed into place, and a record is written last: the record is what says that the group is whole.
The hidden folder's name is a digest of the task, so an interrupted run finds its own finished files and nobody else's.
"""

from __future__ import annotations

import fcntl
import glob
import hashlib
import json
import os
import shutil
import stat
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from types import TracebackType
from typing import Any

from braggio._core import PartFile
from braggio.batch.durable import sync, sync_folders
from braggio.errors import BusyError, OutputError

DIGITS = 16  # of a task's digest
# Exists from just before the first rename: finished names in the target are then our own. Holds what they replace.
_PUBLISHING = "publishing"


def digest(task: Mapping[str, Any]) -> str:
    """16 hexadecimal digits that name a task: equal tasks, equal digests.

    Examples
    --------
    >>> digest({"a": 1, "b": 2}) == digest({"b": 2, "a": 1})
    True
    """
    text = json.dumps(task, sort_keys=True, separators=(",", ":"), default=str)
    return hashlib.sha256(text.encode()).hexdigest()[:DIGITS]


class Staging:
    """The hidden folder of one task; a context in which an error leaves nothing behind.

    Parameters
    ----------
    target : path-like
        Where the outputs go; made when missing.
    name, task_digest : str
        Of the task.
    durable : bool
        `publish` asks the disk to have written the outputs before they get their names, and the names before it ends.
    """

    def __init__(self, target: str | os.PathLike[str], name: str, task_digest: str, *, durable: bool = False) -> None:
        self.target = Path(target)
        self.name = name
        self.durable = durable
        self._made: list[Path] = []  # folders that `begin` makes
        self.digest = task_digest
        self.folder = self.target / f".{name}.{task_digest}.part"
        self._overwrite = self._resuming = self._shared = False
        self._lock: int | None = None

    def begin(self, outputs: Sequence[str], *, overwrite: bool, shared: bool = False) -> None:
        """Make the folder and lock it; refuse when an output exists that is not this task's own.

        Parameters
        ----------
        outputs : sequence of str
            Names of all files that will be published.
        overwrite : bool
            Existing ones may be replaced.
        shared : bool
            Other processes make parts of the same outputs: they may hold the folder too; an error leaves their work.

        Raises
        ------
        OutputError
            An output exists and `overwrite` is False, or is no file; the folder cannot be made.
        BusyError
            Another run of this very task is under way.
        """
        self._overwrite, self._shared = overwrite, shared
        self._made = [place for place in (self.target, *self.target.parents) if not place.exists()]
        try:
            self._lock = self._take_folder()
            # Only under the lock: a run of the same task may have published since.
            self._resuming = (self.folder / _PUBLISHING).exists()
            self._require_free(outputs)
        except BlockingIOError as error:
            raise BusyError("another run of this conversion is under way", path=self.target) from error
        except OutputError:
            self.discard()
            raise
        except OSError as error:
            self.discard()
            raise OutputError(path=self.folder, errno=error.errno) from error

    def _take_folder(self) -> int:
        """Make the folder and lock it; again, when another run of the task removes it between the two."""
        while True:
            self.folder.mkdir(parents=True, exist_ok=True)
            with suppress(FileNotFoundError):
                lock = _locked(self.folder, wait=False, shared=self._shared)
                if self.folder.exists() and os.path.samestat(os.fstat(lock), self.folder.stat()):
                    return lock
                os.close(lock)

    def _require_free(self, outputs: Sequence[str]) -> None:
        for name in outputs:
            path = os.path.join(self.target, name)
            if not os.path.lexists(path):
                continue
            if not os.path.isfile(path):
                raise OutputError("exists and is not a file", path=path)
            if not self._overwrite and not self._resuming:
                raise OutputError("exists; pass overwrite=True (the command line adds -f)", path=path)

    def path(self, name: str) -> Path:
        """Where to make the output `name`."""
        return self.folder / name

    def finished(self, name: str, size: int) -> bool:
        """Say whether an earlier run of this task made `name`, here or (cut off while renaming) in the target."""
        places = (self.folder, self.target) if self._resuming else (self.folder,)
        return any(file_size(os.path.join(place, name)) == size for place in places)

    def publish(
        self, outputs: Sequence[str], record: str = "", content: bytes = b"", *, replaced: Sequence[str] = ()
    ) -> None:
        """Rename every output into place, then the record if there is one, then forget the folder.

        `replaced` names files of the target that go before the record comes: those of an earlier set of outputs that
        are not in this one.

        The record is made before the first rename, so that a full disk is known while nothing has been replaced. The
        target is locked meanwhile: of two runs that write the same names one comes second, and is refused or replaces
        all.

        Raises
        ------
        OutputError
            An output has appeared since `begin`, or a rename failed.
        """
        if record:
            with PartFile(str(self.folder / record)) as part:
                part.write(content, 0)
                part.publish(overwrite=True)
        names = [*outputs, record] if record else list(outputs)
        lock = _locked(self.target, wait=True)
        try:
            if self.durable:
                self.sync(names)
            self._require_free(names)
            self._rename(names, record, replaced)
        except OSError as error:
            if isinstance(error, OutputError):
                raise
            raise OutputError(path=error.filename2 or error.filename, errno=error.errno) from error
        finally:
            os.close(lock)
        self._close()
        self.sweep()

    def sweep(self) -> None:
        """Remove the folders of finished and interrupted runs with this name: after `publish`, or when all is there."""
        for litter in self.target.glob(f"{glob.escape(f'.{self.name}.')}{'[0-9a-f]' * DIGITS}.part"):
            remove_unlocked(litter)

    def sync(self, names: Sequence[str]) -> None:
        """Wait until the disk has these files, wherever they are by now, and their folders."""
        for name in names:
            staged = self.folder / name
            sync(staged if staged.exists() else self.target / name)
        if self.folder.exists():
            sync(self.folder)
        sync_folders(self.target, self._made)

    def _rename(self, names: Sequence[str], record: str, replaced: Sequence[str]) -> None:
        going = sorted({*replaced, *self._replaced_before()} - set(names))
        with PartFile(str(self.folder / _PUBLISHING)) as part:
            part.write(json.dumps(going).encode(), 0)
            part.publish(overwrite=True)
        if record:
            (self.target / record).unlink(missing_ok=True)  # an older record would speak of files that are going
        for name in names:
            if name == record:
                self._remove(going)
                if self.durable:
                    sync(self.target)  # the record must not outlive the names it speaks of
            try:
                os.replace(os.path.join(self.folder, name), os.path.join(self.target, name))
            except FileNotFoundError:
                if not (self._resuming and (self.target / name).is_file()):
                    raise
        if self.durable:
            sync(self.target)

    def _replaced_before(self) -> list[str]:
        """What a run of this task that was cut off while renaming was to replace."""
        try:
            return list(map(str, json.loads((self.folder / _PUBLISHING).read_bytes())))
        except (OSError, ValueError, TypeError):
            return []

    def _remove(self, names: Sequence[str]) -> None:
        for name in names:
            path = self.target / name
            if path.is_file():
                path.unlink()

    def discard(self) -> None:
        """Remove what was made, unless the renames have begun: then the files are finished and the next run goes on."""
        self._close()
        if (self.folder / _PUBLISHING).exists():
            return
        if self._shared:
            with suppress(OSError):  # not empty: others have made their parts
                self.folder.rmdir()
        else:
            remove_unlocked(self.folder)
        for place in self._made:
            with suppress(OSError):  # somebody else may use it by now
                place.rmdir()

    def __enter__(self) -> Staging:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """After an error nothing is left; after an interruption the finished files stay for the next run."""
        if kind is not None and issubclass(kind, Exception):
            self.discard()
        self._close()

    def _close(self) -> None:
        if self._lock is not None:
            os.close(self._lock)
            self._lock = None


@contextmanager
def durably(target: str | os.PathLike[str], *, overwrite: bool, durable: bool = True) -> Iterator[Path]:
    """Where to make one file that gets the name `target` after the disk has it; `target` itself unless `durable`.

    For writers that know nothing of disks: they make a whole file under the name that they are given.

    Raises
    ------
    OutputError
        The file exists and `overwrite` is False, or the disk has not taken it.

    Examples
    --------
    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     with durably(Path(folder, "a.txt"), overwrite=False) as place:
    ...         size = place.write_text("whole")
    ...     Path(folder, "a.txt").read_text()
    'whole'
    """
    path = Path(target)
    if not durable:
        yield path
        return
    with Staging(path.parent, path.name, digest({"file": path.name}), durable=True) as staging:
        staging.begin([path.name], overwrite=overwrite)
        staging.path(path.name).unlink(missing_ok=True)  # of a run that was cut off
        yield staging.path(path.name)
        staging.publish([path.name])


def file_size(path: str | os.PathLike[str]) -> int | None:
    """Of a file; None where there is none."""
    try:
        status = os.stat(path)
    except (OSError, ValueError):  # a NUL in the name
        return None
    return status.st_size if stat.S_ISREG(status.st_mode) else None


def _locked(folder: Path, *, wait: bool, shared: bool = False) -> int:
    """A descriptor that holds the lock of a folder; the system lets go of it when the process dies.

    Raises
    ------
    BlockingIOError
        Somebody else holds it (not `shared`, or we do not want to share), and `wait` is False.
    """
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    kind = fcntl.LOCK_SH if shared else fcntl.LOCK_EX
    try:
        fcntl.flock(descriptor, kind if wait else kind | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(descriptor)
        raise
    except OSError:  # some network file systems have no locks: then two runs at a time are the user's to avoid
        pass
    return descriptor


def remove_unlocked(folder: Path) -> None:
    """Remove a staging folder, unless a run that is alive holds it."""
    try:
        descriptor = _locked(folder, wait=False)
    except OSError:
        return
    shutil.rmtree(folder, ignore_errors=True)
    os.close(descriptor)
