"""CIF text: quotes, text fields and loops are read as CIF says; contradictions are refused, and at once."""

from __future__ import annotations

import time

import pytest

from braggio.errors import FormatError
from braggio.storage import cif


def test_cif_text() -> None:
    block = cif.parse(
        "# c\r\ndata_a\r\n_x.one 'it''s' # c\r\n_x.two \"a 'b\"\r\n_x.three .\r\n_x.four '.'\r\n"
        "loop_\r\n_y.a\r\n_y.b\r\n"
        "1\r\n;text\r\n ; no end\r\n;\r\n? 4\r\n"
    )
    assert block.value("x", "one") == "it''s"
    assert (block.value("x", "two"), block.value("x", "three"), block.value("x", "four")) == ("a 'b", None, ".")
    assert block.category("y").rows == [["1", "text\n ; no end\n"], [None, "4"]]
    for bad in (
        "",
        "x",
        "data_a\n_x",
        "data_a\nloop_\n_a.b\n_a.c\n1\n",
        "data_a\n1\n",
        "data_a\n_x.y 'a\n",
        "data_a loop_ 1",
    ):
        with pytest.raises(FormatError):
            cif.parse(bad)


@pytest.mark.parametrize(
    "text",
    [
        ";x\n" * 200_000,
        "".join(f"_a.b{i} 1\n" for i in range(100_000)) + "_a.B7 1\n",
        "loop_\n_a.b\n_a.B\n1 2\n",
        "loop_\n_a.b\n1\n_a.b 2\n",
    ],
)
def test_cif_text_that_contradicts_itself_is_refused_at_once(text: str) -> None:
    begun = time.monotonic()
    with pytest.raises(FormatError, match="a text field that ends|one value"):
        cif.parse(f"data_a\n{text}")
    assert time.monotonic() - begun < 20
