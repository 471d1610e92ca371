"""Which files make one series, in which order, and which frames are missing."""

from __future__ import annotations

import glob
import os
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from braggio.errors import MetadataError
from braggio.formats import uncompressed

SUFFIXES = (".bin", ".ser")
OTHER_SUFFIXES = (".mrc",)  # of a folder that has none of those: MRC files lie beside raw ones as their copies
FARTHEST = 1_000_000  # frames of a series, at most
_NUMBERED = re.compile(r"(.*?)(\d+)$", re.DOTALL)


@dataclass(frozen=True)
class Series:
    """Files of one diffraction series.

    Attributes
    ----------
    prefix : str
        What the file names share before the frame number, for example ``123_1_``; the stem of a file without a number.
    files : tuple of Path
        In order of the frame numbers.
    numbers : tuple of int
        The number in each file name; 1 for a file without one.
    """

    prefix: str
    files: tuple[Path, ...]
    numbers: tuple[int, ...]

    @property
    def name(self) -> str:
        """The prefix without the underscore before the number."""
        return self.prefix.removesuffix("_") or self.prefix or "series"

    @property
    def gaps(self) -> tuple[int, ...]:
        """Frame numbers missing between the first and the last.

        Raises
        ------
        MetadataError
            The numbers are so far apart that they are no frame numbers.
        """
        if self.numbers[-1] - self.numbers[0] > FARTHEST:
            raise MetadataError(
                "too far apart for one series",
                path=self.files[0],
                field="frame numbers",
                expected=f"within {FARTHEST} of each other",
                found=f"{self.numbers[0]}..{self.numbers[-1]}",
            )
        present = set(self.numbers)
        return tuple(number for number in range(self.numbers[0], self.numbers[-1]) if number not in present)

    @property
    def duplicates(self) -> tuple[int, ...]:
        """Frame numbers that more than one file has, as 7 in ``a_7.bin`` and ``a_007.bin``."""
        return tuple(sorted({a for a, b in zip(self.numbers, self.numbers[1:], strict=False) if a == b}))

    def __len__(self) -> int:
        return len(self.files)


def plain(path: Path) -> Path:
    """The path without the ending of a compression: its stem and suffix are those of the frame."""
    return path.with_name(uncompressed(path.name)) if path.name else path


def split_name(path: str | os.PathLike[str]) -> tuple[str, int | None]:
    """(prefix, frame number) of a file name; a .ser file is a series of its own, whose name ends in no frame number.

    Examples
    --------
    >>> split_name("123_10_007.bin")
    ('123_10_', 7)
    >>> split_name("dark.bin.gz")
    ('dark', None)
    """
    name = plain(Path(path))
    match = None if name.suffix.lower() == ".ser" else _NUMBERED.match(name.stem)
    return (match[1], int(match[2])) if match else (name.stem, None)


def _natural(text: str) -> list[str | int]:
    """A sort key in which 2 comes before 10."""
    return [int(part) if part.isdecimal() else part for part in re.split(r"(\d+)", text)]


def group_series(files: Iterable[str | os.PathLike[str]]) -> list[Series]:
    """Split files into series: same folder, same suffix (compression aside), exactly the same prefix.

    Examples
    --------
    >>> [s.prefix for s in group_series(["123_1_002.bin", "123_10_001.bin", "123_1_001.bin"])]
    ['123_1_', '123_10_']
    """
    groups: dict[tuple[str, str, str], list[tuple[int, str, Path]]] = {}
    for file in files:
        path = Path(file)
        prefix, number = split_name(path)
        name = plain(path)
        key = (str(path.parent), prefix if number is not None else name.stem + "\0", name.suffix.lower())
        groups.setdefault(key, []).append((1 if number is None else number, path.name, path))
    series = []
    for (_, prefix, _), members in sorted(groups.items(), key=lambda group: [_natural(part) for part in group[0]]):
        members.sort()
        series.append(
            Series(
                prefix.rstrip("\0"), tuple(path for _, _, path in members), tuple(number for number, _, _ in members)
            )
        )
    return series


def find_series(where: str | os.PathLike[str] | Sequence[str | os.PathLike[str]]) -> list[Series]:
    """The series of a folder, of a pattern, or among given files.

    Parameters
    ----------
    where : path-like or sequence of them
        A folder (its ``.bin`` and ``.ser`` files, compressed or not; where there are none, its ``.mrc`` files), a file,
        a glob pattern, or several of these.

    Returns
    -------
    list of Series
        Sorted by folder and prefix; frames in numeric order. Target 1 is not target 10: prefixes must be equal, not
        alike.

    Raises
    ------
    MetadataError
        Nothing was found.

    Examples
    --------
    >>> import braggio
    >>> [series] = find_series(braggio.demo_files()[0].parent)
    >>> series.prefix, series.numbers, series.gaps
    ('demo_', (1, 2, 3, 5, 6), (4,))
    """
    places = [where] if isinstance(where, (str, os.PathLike)) else where
    return group_series(dict.fromkeys(file for place in places for file in files_of(place)))


def files_of(place: str | os.PathLike[str]) -> list[Path]:
    """The files of a folder (see `find_series`), the file itself, or what a pattern matches.

    Raises
    ------
    MetadataError
        There are none.
    """
    if not os.fspath(place):  # to Path that is the current folder; to a user, a variable that was never set
        raise MetadataError(field="series", expected="a folder, file or pattern", found="''")
    path = Path(place)
    if path.is_dir():
        files = [each for each in path.iterdir() if not each.name.startswith(".")]
        found = _with_suffix(files, SUFFIXES) or _with_suffix(files, OTHER_SUFFIXES)
        if not found:
            raise MetadataError(
                "no frames in this folder",
                path=path,
                field="series",
                expected=", ".join(SUFFIXES + OTHER_SUFFIXES),
                found=_suffixes_of(files),
            )
    elif path.exists():
        found = [path]
    else:
        found = [Path(name) for name in glob.glob(os.fspath(place))]
    if not found:
        raise MetadataError("no such file or folder, and as a pattern it matches no file", path=path, field="series")
    return found


def _with_suffix(files: Iterable[Path], suffixes: tuple[str, ...]) -> list[Path]:
    return [file for file in files if plain(file).suffix.lower() in suffixes]


def _suffixes_of(files: Sequence[Path]) -> str:
    """The kinds of files that are there instead."""
    kinds = sorted({plain(file).suffix.lower() for file in files if file.is_file()} - {""})
    return f"{len(files)} file(s), of the kinds {', '.join(kinds[:6])}" if kinds else f"{len(files)} file(s)"
