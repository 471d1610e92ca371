r"""Particles: RELION star and cryoSPARC metadata in one table, joined to image stacks.

>>> import pathlib, tempfile, braggio
>>> labels = "DefocusU DefocusV DefocusAngle Voltage SphericalAberration".split()
>>> text = "data_\nloop_\n" + "".join(f"_rln{label}\n" for label in labels) + "9000 8000 30 300 2.7\n"
>>> with tempfile.TemporaryDirectory() as folder:
...     path = pathlib.Path(folder, "a.star")
...     _ = path.write_text(text)
...     table = braggio.particles.read(path)
>>> table.n, table.unique("Voltage"), table.units["DefocusAngle"]
(1, 300.0, 'deg')
"""

from braggio.particles.checks import CheckError, CheckReport, Problem, check
from braggio.particles.conversion import (
    ConvertReport,
    convert,
    convert_indexed,
    convert_job,
    convert_paired,
    restack,
)
from braggio.particles.ctf import ctf_1d, mean_ctf, wavelength
from braggio.particles.grid import ImageGrid
from braggio.particles.jobs import pair, read_job
from braggio.particles.reading import read
from braggio.particles.stacks import MissingStackError, Places, StackInfo
from braggio.particles.stream import images
from braggio.particles.table import Particles

__all__ = [
    "CheckError",
    "CheckReport",
    "ConvertReport",
    "ImageGrid",
    "MissingStackError",
    "Particles",
    "Places",
    "Problem",
    "StackInfo",
    "check",
    "convert",
    "convert_indexed",
    "convert_job",
    "convert_paired",
    "ctf_1d",
    "images",
    "mean_ctf",
    "pair",
    "read",
    "read_job",
    "restack",
    "wavelength",
]
