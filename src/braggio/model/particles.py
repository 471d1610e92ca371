"""The vocabulary of particle tables: one name and unit per quantity, and how RELION, cryoSPARC and Leopard-EM spell it.

Units and spellings: RELION ``src/metadata_label.h``; cryoSPARC's field suffixes; Leopard-EM's match template DataFrame.
Angles are degrees, as in RELION; lengths and defocus are angstrom.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass


@dataclass(frozen=True)
class Quantity:
    """One column of a canonical particle table.

    Attributes
    ----------
    name : str
        Canonical: RELION's label without ``rln``.
    unit : str
        '' for pure numbers and texts.
    cryosparc, leopard : str or None
        Field there, if it has one that means the same up to the unit.
    cryosparc_scale : {'', 'rad'}
        'rad' where cryoSPARC stores radians.
    default : float or None
        Value when a file does not say (seed of the project; RELION differs for AmplitudeContrast: 0).
    required : bool
        A usable table has it.
    optics : bool
        RELION 3.1 keeps it in the optics table.
    """

    name: str
    unit: str = ""
    cryosparc: str | None = None
    leopard: str | None = None
    cryosparc_scale: str = ""
    default: float | None = None
    required: bool = False
    optics: bool = False

    @property
    def relion(self) -> str:
        """RELION's label."""
        return f"rln{self.name}"


_QUANTITIES = (
    Quantity("DefocusU", "A", "ctf/df1_A", "defocus_u", required=True),
    Quantity("DefocusV", "A", "ctf/df2_A", "defocus_v", required=True),
    Quantity("DefocusAngle", "deg", "ctf/df_angle_rad", "astigmatism_angle", "rad", required=True),
    Quantity("SphericalAberration", "mm", "ctf/cs_mm", "spherical_aberration", required=True, optics=True),
    Quantity("Voltage", "kV", "ctf/accel_kv", "voltage", required=True, optics=True),
    Quantity("PhaseShift", "deg", "ctf/phase_shift_rad", "phase_shift", "rad", default=0.0),
    Quantity("AmplitudeContrast", "", "ctf/amp_contrast", "amplitude_contrast_ratio", default=0.1, optics=True),
    Quantity("CtfBfactor", "A^2", "ctf/bfactor", "ctf_B_factor", default=0.0),
    Quantity("CtfScalefactor", "", "ctf/scale", default=1.0),
    Quantity("CtfMaxResolution", "A", "ctf/ctf_fit_to_A"),
    Quantity("CtfFigureOfMerit", "", "ctf/cross_corr_ctffind4"),
    Quantity("AngleRot", "deg", leopard="phi"),
    Quantity("AngleTilt", "deg", leopard="theta"),
    Quantity("AnglePsi", "deg", leopard="psi"),
    Quantity("OriginXAngst", "A"),
    Quantity("OriginYAngst", "A"),
    Quantity("ImagePixelSize", "A", "blob/psize_A", "pixel_size", optics=True),
    Quantity("ImageSize", "px", optics=True),
    Quantity("ImageName"),
    Quantity("OpticsGroup", cryosparc="ctf/exp_group_id"),
    Quantity("OpticsGroupName", optics=True),
    Quantity("MicrographName", cryosparc="location/micrograph_path", leopard="micrograph_path"),
    Quantity("CoordinateX", "px", leopard="pos_x_img"),
    Quantity("CoordinateY", "px", leopard="pos_y_img"),
    Quantity("RandomSubset"),
    Quantity("ClassNumber"),
    Quantity("BeamTiltX", "mrad", optics=True),
    Quantity("BeamTiltY", "mrad", optics=True),
    Quantity("MagMat00", optics=True),
    Quantity("MagMat01", optics=True),
    Quantity("MagMat10", optics=True),
    Quantity("MagMat11", optics=True),
    Quantity("ImageDimensionality", optics=True),
    Quantity("MicrographPixelSize", "A", "location/micrograph_psize_A", optics=True),
    Quantity("MicrographOriginalPixelSize", "A", optics=True),
    Quantity("TomoTiltSeriesPixelSize", "A", optics=True),
    Quantity("DetectorPixelSize", "um"),
    Quantity("Magnification"),
    Quantity("OriginX", "px"),
    Quantity("OriginY", "px"),
    Quantity("uid", cryosparc="uid"),
    Quantity("Sign", cryosparc="blob/sign"),
)

QUANTITIES = {quantity.name: quantity for quantity in _QUANTITIES}
BY_CRYOSPARC = {quantity.cryosparc: quantity for quantity in _QUANTITIES if quantity.cryosparc}
BY_LEOPARD = {quantity.leopard: quantity for quantity in _QUANTITIES if quantity.leopard}
REQUIRED = tuple(quantity.name for quantity in _QUANTITIES if quantity.required)
DEFAULTS = {quantity.name: quantity.default for quantity in _QUANTITIES if quantity.default is not None}
CTF = (*REQUIRED, *DEFAULTS)
# What the seed project's generic files ignore even when it is there.
IGNORED_WITHOUT_INDEX = ("AngleRot", "AngleTilt", "AnglePsi", "ImagePixelSize")


def units(names: Iterable[str]) -> dict[str, str]:
    """Unit of each known name.

    Examples
    --------
    >>> units(["DefocusU", "DefocusAngle", "myScore"])
    {'DefocusU': 'A', 'DefocusAngle': 'deg'}
    """
    return {name: QUANTITIES[name].unit for name in names if name in QUANTITIES}
