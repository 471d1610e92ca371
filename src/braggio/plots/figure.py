"""Figures: made, styled, rendered without a display, and published whole or not at all.

Colours of marks and lines are those of Okabe and Ito (2008), which readers with any colour vision can tell apart;
images are drawn in greys or in cividis, which get lighter evenly.
"""

from __future__ import annotations

import errno
import io
import logging
import os
import textwrap
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from braggio._core import PartFile
from braggio.errors import OutputError, UnsupportedError, printable

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from braggio.plots.contrast import Contrast

BLACK, ORANGE, SKY, GREEN, BLUE, VERMILLION = "#000000", "#E69F00", "#56B4E9", "#009E73", "#0072B2", "#D55E00"
GAP = "#F4D6DB"  # where no pixel is: faintly pink, as the viewers of the field show it
DPI = 100
GLYPH_WIDTH = 0.6  # of the font's size, on average
METADATA: dict[str, dict[str, Any]] = {".png": {"Software": None}, ".svg": {"Date": None, "Creator": None}}
STYLE: Any = {
    "axes.titlelocation": "left",
    "font.size": 12,
    "legend.fontsize": 11,
    "svg.fonttype": "none",  # texts stay texts
    "svg.hashsalt": "braggio",  # names inside an SVG are random without it
}


def check_picture(path: str | os.PathLike[str], *, overwrite: bool = False) -> None:
    """Refuse a picture that could not be written, before work is done for it.

    Parameters
    ----------
    path : path-like
        Picture to write, .png or .svg.
    overwrite : bool
        Replace an existing picture.

    Raises
    ------
    UnsupportedError
        Another suffix.
    OutputError
        The picture exists, or its folder does not.

    Examples
    --------
    >>> check_picture("matches.gif")
    Traceback (most recent call last):
    braggio.errors.UnsupportedError: matches.gif: suffix: expected .png or .svg, found .gif
    """
    suffix = _suffix(path)
    if suffix not in METADATA:
        raise UnsupportedError(path=path, field="suffix", expected=".png or .svg", found=suffix or "no suffix")
    if not os.path.isdir(os.path.dirname(os.fspath(path)) or "."):
        raise OutputError(errno=errno.ENOENT, path=path)
    if not overwrite and os.path.lexists(path):
        raise OutputError(errno=errno.EEXIST, path=path)


def _suffix(path: str | os.PathLike[str]) -> str:
    return os.path.splitext(os.fspath(path))[1].lower()


@contextmanager
def picture(
    path: str | os.PathLike[str], size: tuple[float, float], *, title: str = "", overwrite: bool = False
) -> Iterator[Any]:
    """An empty figure to draw in; the picture is published when the block ends without an error.

    The same drawing gives the same bytes, whatever the user's own settings of matplotlib are. matplotlib is not safe
    for use by several threads at a time, and so are pictures.

    Parameters
    ----------
    path : path-like
        Picture to write, .png or .svg.
    size : tuple of float
        Width and height in inches of `DPI` pixels.
    title : str
        Above everything; broken into lines where it is too long for one.
    overwrite : bool
        Replace an existing picture.

    Yields
    ------
    matplotlib.figure.Figure

    Raises
    ------
    UnsupportedError
        Another suffix.
    OutputError
        The picture exists or cannot be written.
    """
    check_picture(path, overwrite=overwrite)
    suffix = _suffix(path)
    with _styled():
        from matplotlib.figure import Figure

        figure = Figure(figsize=size, dpi=DPI, layout="constrained")
        if title:
            text = fitted(title, size[0] - 0.3, 13)
            figure.suptitle(text, x=0.15 / size[0], ha="left", fontsize=13, parse_math=False)
        yield figure
        memory = io.BytesIO()
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", message="Glyph")  # a file name may hold any letter
            figure.savefig(memory, format=suffix[1:], metadata=METADATA[suffix])
    with PartFile(os.fspath(path)) as part:
        part.write(memory.getvalue(), 0)
        part.publish(overwrite=overwrite)


@contextmanager
def _styled() -> Iterator[None]:
    """The defaults of matplotlib with `STYLE`, and no warning logged where it cannot keep its list of fonts."""
    logger = logging.getLogger("matplotlib")
    level = logger.level
    logger.setLevel(logging.ERROR)
    try:
        import matplotlib.figure
        import matplotlib.style

        with matplotlib.style.context("default"), matplotlib.rc_context(STYLE):
            yield
    finally:
        logger.setLevel(level)


def fitted(text: str, inches: float, points: float) -> str:
    r"""A text in lines that are at most so wide, at a size of letters in points.

    Examples
    --------
    >>> fitted("scaled_mip: 7 peaks", 1.5, 12)
    'scaled_mip: 7\npeaks'
    """
    letters = max(8, int(inches * 72 / (points * GLYPH_WIDTH)))
    return "\n".join(textwrap.wrap(printable(text), letters))


def page(shape: tuple[int, int], *, edge: float = 8.0, beside: float = 2.3) -> tuple[float, float]:
    """Width and height in inches of a page for an image: its longer edge is `edge`, `beside` it is the colour bar."""
    rows, columns = (length / max(shape) for length in shape)
    return max(edge * columns, 3.5) + beside, max(edge * rows, 3.0) + 1.2


def show_image(
    axes: Any,
    pixels: NDArray[Any],
    contrast: Contrast,
    *,
    shape: tuple[int, int] | None = None,
    colours: str = "gray_r",
    label: str = "",
    outside: str = GAP,
) -> None:
    """Draw pixels with axes in pixels of the frame, the first row on top, and a colour bar.

    Parameters
    ----------
    axes : matplotlib.axes.Axes
    pixels : ndarray (rows, columns)
        NaN where there is nothing to show.
    contrast : Contrast
    shape : tuple of int, optional
        Rows and columns of the frame that `pixels` is a reduction of.
    colours : str
        One of matplotlib's colour maps.
    label : str
        Of the colour bar: the quantity and its unit. No colour bar without it.
    outside : str
        Colour where there is nothing to show.
    """
    from matplotlib import colormaps

    rows, columns = shape or pixels.shape
    image = axes.imshow(
        pixels,
        norm=contrast.norm(),
        cmap=colormaps[colours].with_extremes(bad=outside),
        extent=(-0.5, columns - 0.5, rows - 0.5, -0.5),
    )
    for axis, length in ((axes.xaxis, columns), (axes.yaxis, rows)):
        count_axis(axis, max(1, round(6 * length / max(rows, columns))))
    if label:
        bar = axes.figure.colorbar(image, ax=axes, extend=contrast.extend, shrink=0.85, aspect=30)
        height = axes.figure.get_figheight()
        bar.set_label(fitted(label, height * 0.8, 10), fontsize=10, labelpad=8)
        if contrast.knee is not None:
            ticks = contrast.ticks()
            bar.set_ticks(ticks, labels=[f"{tick:.4g}" for tick in ticks])
            bar.ax.minorticks_off()


def count_axis(axis: Any, most: int = 8) -> None:
    """Ticks at whole numbers only, at most so many steps."""
    from matplotlib.ticker import MaxNLocator

    axis.set_major_locator(MaxNLocator(most, integer=True, min_n_ticks=1))
