"""What a folder of images says of itself: of which dump they are, and whether that was finished."""

from __future__ import annotations

import json
import os
from contextlib import suppress
from pathlib import Path
from typing import Any

from braggio._core import PartFile
from braggio.batch.staging import digest
from braggio.errors import OutputError

_MOST = 1 << 20  # bytes of a record


class Record:
    """The record of one task in one folder.

    Parameters
    ----------
    folder : Path
        Of the images.
    name : str
        Of the record: one for each run and format, whose images have names of their own.
    task : dict
        What the images depend on.

    Attributes
    ----------
    digest : str
        Of the task.
    resuming : bool
        After `begin`: images of this very task may be there, and are to be kept.
    finished_before : bool
        After `begin`: an earlier dump of this very task was finished.
    """

    def __init__(self, folder: Path, name: str, task: dict[str, Any]) -> None:
        self.folder, self.path, self.task = folder, folder / name, task
        self.digest = digest(task)
        self.resuming = self.finished_before = False
        self._replacing = False
        self._before: bytes | None = None
        self._made_folder = False

    def begin(self, *, overwrite: bool) -> None:
        """Take the folder for the task.

        Raises
        ------
        OutputError
            It holds images of another task and `overwrite` is False, or it cannot be made.
        """
        self._before, old = self._read()
        ours = old.get("digest") == self.digest
        if self._before is not None and not ours and not overwrite:
            raise OutputError(
                "belongs to another dump into this folder; pass overwrite=True (the command line adds -f)",
                path=self.path,
            )
        # A dump that replaces another, cut off, has left files of both: all are written again.
        self._replacing = (self._before is not None and not ours) or (bool(old.get("replacing")) and ours)
        self.resuming = ours and not self._replacing
        self.finished_before = self.resuming and old.get("finished") is True
        self._made_folder = not self.folder.exists()
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise OutputError(path=self.folder, errno=error.errno) from error
        self._write(finished=False, facts={})

    def finish(self, facts: dict[str, Any]) -> None:
        """All images are there."""
        self._replacing = False
        self._write(finished=True, facts=facts)

    def withdraw(self) -> None:
        """Nothing was written: leave the folder as it was."""
        with suppress(OSError, OutputError):
            if self._before is not None:
                self._publish(self._before)
                return
            self.path.unlink(missing_ok=True)
            if self._made_folder:
                self.folder.rmdir()

    def _read(self) -> tuple[bytes | None, dict[str, Any]]:
        try:
            with open(self.path, "rb") as file:
                content = file.read(_MOST)
        except OSError:
            return None, {}
        try:
            record = json.loads(content)
        except ValueError:
            record = None
        return content, record if isinstance(record, dict) else {}

    def _write(self, *, finished: bool, facts: dict[str, Any]) -> None:
        content = {
            "digest": self.digest,
            "task": self.task,
            "finished": finished,
            "replacing": self._replacing,
            **facts,
        }
        self._publish(json.dumps(content, indent=1, sort_keys=True, default=str).encode() + b"\n")

    def _publish(self, content: bytes) -> None:
        with PartFile(os.fspath(self.path)) as part:
            part.write(content, 0)
            part.publish(overwrite=True)
