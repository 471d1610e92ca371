"""Errors carry what they know, print as one line, and survive the way back from a worker process."""

from __future__ import annotations

import copy
import errno
import pickle
from pathlib import Path

import mrcfile
import numpy as np
import pytest

import braggio
from braggio import errors
from braggio.errors import (
    BraggioError,
    DataWarning,
    FormatError,
    LimitError,
    MetadataError,
    OutputError,
    TruncatedError,
    about,
)

KINDS = [kind for kind in vars(errors).values() if isinstance(kind, type) and issubclass(kind, BraggioError)]
FACTS = {"path": "a/b.bin", "field": "nx", "expected": "at least 1", "found": 0, "offset": 2}


@pytest.mark.parametrize("kind", KINDS)
def test_str_has_all_facts_in_one_line(kind: type[BraggioError]) -> None:
    text = str(kind("words", **FACTS))
    assert text == "a/b.bin: nx: words: expected at least 1, found 0 (byte 2)"


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("dirty", ["a\nb", "a\r\nb\n\nc", "a\x0bb\x0cc", "a\x85b\u2028c", "\n"], ids=repr)
def test_str_is_one_line_whatever_the_facts(kind: type[BraggioError], dirty: str) -> None:
    text = str(kind(dirty, path=dirty, field=dirty, expected=dirty, found=dirty))
    assert len(text.splitlines()) == 1


@pytest.mark.parametrize("kind", KINDS)
def test_an_error_without_facts_prints(kind: type[BraggioError]) -> None:
    assert str(kind()) == ""
    assert str(kind("words")) == "words"
    assert str(kind(found=0)) == "found 0"


@pytest.mark.parametrize("kind", KINDS)
def test_pickle_round_trip(kind: type[BraggioError]) -> None:
    """Type, every fact and notes come back; the same for copy."""
    error = kind("words", **FACTS)
    error.add_note("seen on Tuesday")
    pickled = [pickle.loads(pickle.dumps(error, protocol)) for protocol in range(pickle.HIGHEST_PROTOCOL + 1)]
    for back in (*pickled, copy.copy(error), copy.deepcopy(error)):
        assert type(back) is kind
        assert str(back) == str(error)
        assert {name: getattr(back, name) for name in FACTS} == FACTS
        assert back.message == "words"
        assert back.__notes__ == ["seen on Tuesday"]
        assert back.args == error.args


def test_output_error_keeps_its_number() -> None:
    """Also through pickle: a batch tells a full disk from a missing folder by it."""
    error = OutputError(path="x", errno=errno.ENOSPC)
    assert error.errno == errno.ENOSPC
    assert "No space left" in str(error)
    assert pickle.loads(pickle.dumps(error)).errno == errno.ENOSPC
    assert copy.copy(error).errno == errno.ENOSPC


def test_the_tree() -> None:
    """Callers may catch the usual Python errors."""
    for kind, base in (
        (FormatError, ValueError),
        (TruncatedError, EOFError),
        (TruncatedError, FormatError),
        (MetadataError, LookupError),
        (LimitError, ValueError),
        (OutputError, OSError),
    ):
        assert issubclass(kind, base)
        assert issubclass(kind, BraggioError)


def test_about_names_the_innermost_path() -> None:
    with pytest.raises(FormatError, match="^inner"), about("outer"), about(Path("inner")):
        raise FormatError("x")
    with pytest.raises(FormatError, match="^x$"), about(None):
        raise FormatError("x")
    with pytest.raises(KeyError), about("outer"):
        raise KeyError("other errors pass")


def test_a_warning_stands_at_the_line_that_called_braggio(tmp_path: Path) -> None:
    """Through decorators and however many calls: filters by module, and Python's "once a line", see the user's line."""
    mrc = tmp_path / "a.mrc"
    with mrcfile.new(mrc) as file:
        file.set_data(np.zeros((4, 4), np.float32))
    mrc.write_bytes(mrc.read_bytes() + b"more")
    for work in (
        lambda: braggio.microed.convert_series(braggio.demo_files(), tmp_path / "smv", voltage=200),
        lambda: braggio.formats.open(mrc, permissive=True),
    ):
        with pytest.warns(DataWarning) as told:
            work()
        assert {each.filename for each in told} == {__file__}
