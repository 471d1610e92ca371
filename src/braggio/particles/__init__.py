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

from braggio.lazy import lookup

_HOMES = {
    "BatchOptions": "braggio.particles.options",
    "CheckError": "braggio.particles.checks",
    "CheckReport": "braggio.particles.checks",
    "ConvertReport": "braggio.particles.conversion",
    "ImageGrid": "braggio.particles.grid",
    "MissingStackError": "braggio.particles.stacks",
    "Particles": "braggio.particles.opening",
    "Places": "braggio.particles.stacks",
    "Problem": "braggio.particles.checks",
    "StackInfo": "braggio.particles.stacks",
    "check": "braggio.particles.checks",
    "convert": "braggio.particles.conversion",
    "convert_job": "braggio.particles.conversion",
    "convert_paired": "braggio.particles.conversion",
    "ctf_1d": "braggio.particles.ctf",
    "images": "braggio.particles.stream",
    "mean_ctf": "braggio.particles.ctf",
    "pair": "braggio.particles.opening",
    "read": "braggio.particles.opening",
    "read_job": "braggio.particles.opening",
    "restack": "braggio.particles.conversion",
    "electron_wavelength": "braggio.model.beam",
}

__all__ = [
    "BatchOptions",
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
    "convert_job",
    "convert_paired",
    "ctf_1d",
    "electron_wavelength",
    "images",
    "mean_ctf",
    "pair",
    "read",
    "read_job",
    "restack",
]

TYPE_CHECKING = False
if TYPE_CHECKING:
    from braggio.model.beam import electron_wavelength as electron_wavelength
    from braggio.particles.checks import CheckError as CheckError
    from braggio.particles.checks import CheckReport as CheckReport
    from braggio.particles.checks import Problem as Problem
    from braggio.particles.checks import check as check
    from braggio.particles.conversion import ConvertReport as ConvertReport
    from braggio.particles.conversion import convert as convert
    from braggio.particles.conversion import convert_job as convert_job
    from braggio.particles.conversion import convert_paired as convert_paired
    from braggio.particles.conversion import restack as restack
    from braggio.particles.ctf import ctf_1d as ctf_1d
    from braggio.particles.ctf import mean_ctf as mean_ctf
    from braggio.particles.grid import ImageGrid as ImageGrid
    from braggio.particles.opening import Particles as Particles
    from braggio.particles.opening import pair as pair
    from braggio.particles.opening import read as read
    from braggio.particles.opening import read_job as read_job
    from braggio.particles.options import BatchOptions as BatchOptions
    from braggio.particles.stacks import MissingStackError as MissingStackError
    from braggio.particles.stacks import Places as Places
    from braggio.particles.stacks import StackInfo as StackInfo
    from braggio.particles.stream import images as images

__getattr__, __dir__ = lookup(__name__, _HOMES, __all__)
