"""Options of a series conversion."""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import Any, Literal

from braggio.errors import OptionError
from braggio.microed.geometry import Geometry
from braggio.microed.policy import MAX_OFFSET
from braggio.options import option

LARGEST_OFFSET = 1 << 30


def _pixels(default: Any, help: str, **about: Any) -> Any:
    return option(default, help, group="pixels", **about)


@dataclass(frozen=True, kw_only=True)
class SmvOptions(Geometry):
    """Options of `convert_series`, which describes them; those of `Geometry` among them."""

    policy: Literal["leginon", "median", "lossless", "zero"] = _pixels(
        "leginon", "rule for offset and pedestal, see below"
    )
    offset: int | None = _pixels(
        None,
        "LEGINON_OFFSET instead of the policy's",
        at_least=-LARGEST_OFFSET,
        at_most=LARGEST_OFFSET,
    )
    pedestal: float | None = _pixels(None, "IMAGE_PEDESTAL instead of the policy's")
    max_offset: int = _pixels(
        MAX_OFFSET, "largest offset of the policies leginon and zero", at_least=0, at_most=LARGEST_OFFSET
    )
    saturation: float | None = _pixels(
        None, "highest trustworthy count of the detector, for the trusted range printed", unit="counts", above=0
    )
    mrc: bool = _pixels(False, "also write each frame as MRC, exactly", flags=("--mrc-too",))
    flip: bool = _pixels(False, "reverse the order of the rows")
    name: str | None = option(None, "name of the outputs instead of the input's; for one series")
    fill_gaps: bool = option(False, "write a blank image for each missing frame: one sweep for DIALS")
    header_bytes: int = option(512, "size of the SMV header", unit="bytes")
    permissive: bool = option(False, "accept trailing bytes and the like, with a warning", flags=("--allow-trailing",))

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.name is not None:
            _require_file_name(self.name)

    @property
    def geometry(self) -> dict[str, Any]:
        """Values of the options of `Geometry`."""
        return {each.name: getattr(self, each.name) for each in fields(Geometry)}


def _require_file_name(name: str) -> None:
    if not name or name.startswith(".") or not set(name).isdisjoint("/\0") or not name.isprintable():
        raise OptionError(field="name", expected="a file name without / that does not begin with .", found=repr(name))
