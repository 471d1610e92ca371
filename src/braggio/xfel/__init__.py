"""XFEL: image and integration pickles read without unpickling, CSPAD CBF files, SLAC metrology.

>>> import numpy as np
>>> import braggio
>>> fields = braggio.xfel.image_fields(np.zeros((1765, 1765), np.int32), distance=119.002, wavelength=1.75124427107,
...     pixel_size=0.11, timestamp="2014-12-01T07:36Z01.249", address="CxiDs1-0|Cspad-0")
>>> braggio.xfel.write_image_pickle("idx.pickle", fields)
>>> image = braggio.xfel.read_image_pickle("idx.pickle")
>>> image.version, image.detector.panels[0].origin
('CXI 10.1', (-97.075, 97.075, -119.002))
"""

from braggio.formats.cbf import read_cbf, write_cbf
from braggio.formats.cspad_cbf import CspadCbf, open_cspad_cbf, write_cspad_cbf, write_header
from braggio.formats.image_pickle import ImagePickle, image_fields, read_image_pickle, write_image_pickle
from braggio.formats.integration_pickle import Crystal, IntegrationPickle, read_integration_pickle
from braggio.model.cspad import Cspad, Placement
from braggio.model.geometry import Detector, Group, Panel
from braggio.storage.cbf import open_cbf
from braggio.storage.pickled import PickledObject, PickleScan
from braggio.storage.pickled import load as load_pickle
from braggio.storage.pickled import scan as scan_pickle
from braggio.xfel.assemble import Assembled, assemble
from braggio.xfel.convert import cbf_to_pickle, pickle_to_cbf
from braggio.xfel.metrology import read_slac, write_crystfel, write_slac
from braggio.xfel.report import describe

__all__ = [
    "Assembled",
    "Crystal",
    "Cspad",
    "CspadCbf",
    "Detector",
    "Group",
    "ImagePickle",
    "IntegrationPickle",
    "Panel",
    "PickleScan",
    "PickledObject",
    "Placement",
    "assemble",
    "cbf_to_pickle",
    "describe",
    "image_fields",
    "load_pickle",
    "open_cbf",
    "open_cspad_cbf",
    "pickle_to_cbf",
    "read_cbf",
    "read_image_pickle",
    "read_integration_pickle",
    "read_slac",
    "scan_pickle",
    "write_cbf",
    "write_crystfel",
    "write_cspad_cbf",
    "write_header",
    "write_image_pickle",
    "write_slac",
]
