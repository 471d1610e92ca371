"""braggio: detector frames and their metadata into analysis-ready files and tables.

The names below are looked up when first used: ``import braggio`` itself loads nothing heavy, not even numpy.

>>> import braggio
>>> stack = braggio.open(braggio.demo_files()[0])
>>> stack.shape, str(stack.dtype)
((128, 128), 'int32')
"""

from braggio.lazy import lookup

__version__ = "0.1.0"

_HOMES = {
    "open": "braggio.formats",
    "read": "braggio.formats",
    "write": "braggio.formats",
    "info": "braggio.formats",
    "demo_files": "braggio.microed.demo",
    "microed": "braggio.microed",
    "particles": "braggio.particles",
    "laue": "braggio.laue",
    "matching": "braggio.matching",
    "xtc": "braggio.xtc",
    "xfel": "braggio.xfel",
    "formats": "braggio.formats",
    "kernels": "braggio.kernels",
    "errors": "braggio.errors",
    "BraggioError": "braggio.errors",
    "DataWarning": "braggio.errors",
}

__all__ = ["__version__", *_HOMES]

TYPE_CHECKING = False  # typing itself costs a third of the import; type checkers know the name
if TYPE_CHECKING:
    from braggio import errors as errors
    from braggio import formats as formats
    from braggio import kernels as kernels
    from braggio import laue as laue
    from braggio import matching as matching
    from braggio import microed as microed
    from braggio import particles as particles
    from braggio import xfel as xfel
    from braggio import xtc as xtc
    from braggio.errors import BraggioError as BraggioError
    from braggio.errors import DataWarning as DataWarning
    from braggio.formats import info as info
    from braggio.formats import open as open
    from braggio.formats import read as read
    from braggio.formats import write as write
    from braggio.microed.demo import demo_files as demo_files

__getattr__, __dir__ = lookup(__name__, _HOMES, __all__)
