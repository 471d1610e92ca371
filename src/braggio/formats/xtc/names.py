"""The numbers of LCLS-I by name: transitions, types, detectors, devices, beamline sources, damage.

The order of every table is the number that files hold.
"""

from __future__ import annotations

import re

SERVICES = (
    "Unknown Reset Map Unmap Configure Unconfigure BeginRun EndRun BeginCalibCycle EndCalibCycle Enable Disable "
    "L1Accept"
).split()
LEVELS = "Control Source Segment Event Recorder Observer Reporter".split()

TYPES = (
    "Any Xtc Frame AcqWaveform AcqConfig TwoDGaussian Opal1kConfig FrameFexConfig EvrConfig TM6740Config "
    "RunControlConfig pnCCDframe pnCCDconfig Epics FEEGasDetEnergy EBeamBld PhaseCavity PrincetonFrame PrincetonConfig "
    "EvrData FrameFccdConfig FccdConfig IpimbData IpimbConfig EncoderData EncoderConfig EvrIOConfig PrincetonInfo "
    "CspadElement CspadConfig IpmFexConfig IpmFex DiodeFexConfig DiodeFex PimImageConfig SharedIpimb AcqTDCConfig "
    "AcqTDCData Index XampsConfig XampsElement Cspad2x2Element SharedPIM Cspad2x2Config FexampConfig FexampElement "
    "Gsc16aiConfig Gsc16aiData PhasicsConfig TimepixConfig TimepixData CspadCompressedElement OceanOpticsConfig "
    "OceanOpticsData EpicsConfig FliConfig FliFrame QuartzConfig Reserved1 Reserved2 AndorConfig AndorFrame UsdUsbData "
    "UsdUsbConfig GMD SharedAcqADC OrcaConfig ImpData ImpConfig AliasConfig L3TConfig L3TData Spectrometer "
    "RayonixConfig EpixConfig EpixElement EpixSamplerConfig EpixSamplerElement EvsConfig PartitionConfig PimaxConfig "
    "PimaxFrame Arraychar Epix10kConfig Epix100aConfig GenericPgpConfig TimeToolConfig TimeToolData EpixSConfig "
    "SmlDataConfig SmlDataOrigDgramOffset SmlDataProxy ArrayUInt16 GotthardConfig AnalogInput SmlData Andor3dConfig "
    "Andor3dFrame BeamMonitorBldData Generic1DConfig Generic1DData UsdUsbFexConfig UsdUsbFexData EOrbits SharedUsdUsb "
    "ControlsCameraConfig ArchonConfig JungfrauConfig JungfrauElement QuadAdcConfig ZylaConfig ZylaFrame "
    "Epix10kaConfig PixisConfig PixisFrame UxiConfig UxiFrame Epix10ka2MConfig Epix10kaArray StreakConfig "
    "Epix10kaQuadConfig iStarConfig AlviumConfig VimbaFrame"
).split()

DETECTORS = (
    "NoDetector AmoIMS AmoGD AmoETOF AmoITOF AmoMBES AmoVMI AmoBPS Camp EpicsArch BldEb SxrBeamline SxrEndstation "
    "XppSb1Ipm XppSb1Pim XppMonPim XppSb2Ipm XppSb3Ipm XppSb3Pim XppSb4Pim XppGon XppLas XppEndstation AmoEndstation "
    "CxiEndstation XcsEndstation MecEndstation CxiDg1 CxiDg2 CxiDg3 CxiDg4 CxiKb1 CxiDs1 CxiDs2 CxiDsu CxiSc1 CxiDsd "
    "XcsBeamline CxiSc2 MecXuvSpectrometer MecXrtsForw MecXrtsBack MecFdi MecTimeTool MecTargetChamber "
    "FeeHxSpectrometer XrayTransportDiagnostic Lamp MfxEndstation MfxDg1 MfxDg2 XrtDiag DetLab"
).split()

DEVICES = (
    "NoDevice Evr Acqiris Opal1000 Tm6740 pnCCD Princeton Fccd Ipimb Encoder Cspad AcqTDC Xamps Cspad2x2 Fexamp "
    "Gsc16ai Phasics Timepix Opal2000 Opal4000 OceanOptics Opal1600 Opal8000 Fli Quartz4A150 Andor USDUSB OrcaFl40 Imp "
    "Epix Rayonix EpixSampler Pimax Fccd960 Epix10k Epix100a EpixS Gotthard DualAndor Wave8 LeCroy ControlsCamera "
    "Archon Jungfrau Zyla Epix10ka Pixis Uxi Epix10ka2M StreakC7700 Epix10kaQuad JungfrauSegment JungfrauSegmentM2 "
    "JungfrauSegmentM3 JungfrauSegmentM4 iStar QuadAdc Alvium"
).split()

BEAMLINE = (
    "EBeam PhaseCavity FEEGasDetEnergy NH2-SB1-IPM-01 XCS-IPM-01 XCS-DIO-01 XCS-IPM-02 XCS-DIO-02 XCS-IPM-03 "
    "XCS-DIO-03 XCS-IPM-03m XCS-DIO-03m XCS-YAG-1 XCS-YAG-2 XCS-YAG-3m XCS-YAG-3 XCS-YAG-mono XCS-IPM-mono "
    "XCS-DIO-mono XCS-DEC-mono MEC-LAS-EM-01 MEC-TCTR-PIP-01 MEC-TCTR-DI-01 MEC-XT2-IPM-02 MEC-XT2-IPM-03 "
    "MEC-HXM-IPM-01 GMD CxiDg1_Imb01 CxiDg2_Imb01 CxiDg2_Imb02 CxiDg3_Imb01 CxiDg1_Pim CxiDg2_Pim CxiDg3_Pim "
    "XppMon_Pim0 XppMon_Pim1 XppSb2_Ipm XppSb3_Ipm XppSb3_Pim XppSb4_Pim XppEnds_Ipm0 XppEnds_Ipm1 MEC-XT2-PIM-02 "
    "MEC-XT2-PIM-03 CxiDg3_Spec NH2-SB1-IPM-02 FEE-SPEC0 SXR-SPEC0 XPP-SPEC0 XCS-USR-IPM-01 XCS-USR-IPM-02 "
    "XCS-USR-IPM-03 XCS-USR-IPM-04 XCS-IPM-04 XCS-DIO-04 XCS-IPM-05 XCS-DIO-05 XCS-IPM-gon XCS-IPM-ladm XPP-AIN-01 "
    "XCS-AIN-01 AMO-AIN-01 MFX-BEAMMON-01 EOrbits MfxDg1_Pim MfxDg2_Pim SXR-AIN-01 HX2-SB1-BMMON XRT-USB-ENCODER-01 "
    "XPP-USB-ENCODER-01 XPP-USB-ENCODER-02 XCS-USB-ENCODER-01 CXI-USB-ENCODER-01 XCS-SND-DIO MFX-USR-DIO XPP-SB2-BMMON "
    "XPP-SB3-BMMON HFX-DG2-BMMON XCS-SB1-BMMON XCS-SB2-BMMON CXI-DG2-BMMON CXI-DG3-BMMON MFX-DG1-BMMON MFX-DG2-BMMON "
    "MFX-AIN-01 MEC-AIN-01 FEE-AIN-01 MEC-XT2-BMMON-02 MEC-XT2-BMMON-03 XPP-USR-DIO XPP-ALC-DIO XCS-USR-DIO "
    "CXI-USR-DIO MEC-USR-DIO MFX-USB-ENCODER-01 HXX-DG1-BMMON-01 EM3L0-BMMON"
).split()

DAMAGE = {
    1: "Dropped",
    11: "Uninitialized",
    12: "OutOfOrder",
    13: "OutOfSynch",
    14: "UserDefined",
    15: "IncompleteContribution",
    16: "ContainsIncomplete",
}
USER_DAMAGE = 1 << 14
COMPRESSED = 1 << 31
INCOMPLETE = 1 << 15


def _named(table: list[str], number: int, what: str) -> str:
    return table[number] if number < len(table) else f"{what}{number}"


def type_of(word: int) -> tuple[int, int]:
    """(type, version) of a type word.

    Examples
    --------
    >>> type_of(327709)
    (29, 5)
    """
    return word & 0xFFFF, word >> 16 & 0x7FFF


def type_name(word: int) -> str:
    """Name and version of a type word, as `CspadConfig V5`.

    Examples
    --------
    >>> type_name(327709), type_name(0x8002001C), type_name(65535)
    ('CspadConfig V5', 'CspadElement V2 compressed', 'type 65535 V0')
    """
    number, version = type_of(word)
    return f"{_named(TYPES, number, 'type ')} V{version}{' compressed' if word & COMPRESSED else ''}"


def source_name(log: int, phy: int) -> str:
    """Where a contribution comes from: `CxiDs1-0|Cspad-0`, `BldInfo(EBeam)`, or level and process.

    Examples
    --------
    >>> source_name(0x010001F0, 0x20000A00), source_name(0x06000000, 0)
    ('CxiDs1-0|Cspad-0', 'BldInfo(EBeam)')
    """
    level = log >> 24
    if level == 1:
        detector, device = _named(DETECTORS, phy >> 24, "Detector"), _named(DEVICES, phy >> 8 & 0xFF, "Device")
        return f"{detector}-{phy >> 16 & 0xFF}|{device}-{phy & 0xFF}"
    if level == 6:
        return f"BldInfo({_named(BEAMLINE, phy, 'type ')})"
    return f"{_named(LEVELS, level, 'level ')}(process {log & 0xFFFFFF})"


def damage_names(damage: int) -> tuple[str, ...]:
    """Names of the bits that are set; user bits last.

    Examples
    --------
    >>> damage_names(2), damage_names(0x05004000)
    (('Dropped',), ('UserDefined', 'user 5'))
    """
    names = [DAMAGE.get(bit, f"bit {bit}") for bit in range(24) if damage >> bit & 1]
    return (*names, *([f"user {damage >> 24}"] if damage >> 24 else ()))


_ADDRESS = re.compile(r"([^-.|:]+)(?:[-.](\d+|\*))?(?:[|:]([^-.|:]+)(?:[-.](\d+|\*))?)?")


def matches(address: str, source: str) -> bool:
    """Say whether an address as people write it names this source.

    Both spellings are taken (``CxiDs1-0|Cspad-0``, ``CxiDs1.0:Cspad.0``), ``*`` for any number, and a detector or a
    device alone. Case does not matter.

    Examples
    --------
    >>> [matches(a, "CxiDs1-0|Cspad-0") for a in ("CxiDs1.0:Cspad.0", "cspad", "CxiDs1", "CxiDs1-*|Cspad-1")]
    [True, True, True, False]
    """
    address, source = address.strip().lower(), source.lower()
    wanted, found = _ADDRESS.fullmatch(address), _ADDRESS.fullmatch(source)
    if wanted is None or found is None or found[3] is None:
        return address in (source, source.removeprefix("bldinfo(").removesuffix(")"))
    detector, number, device, unit = wanted.groups()
    if device is None:
        return any(
            name == detector and number in (None, "*", which)
            for name, which in (found.groups()[:2], found.groups()[2:])
        )
    return all(
        one in (None, "*", other) for one, other in zip((detector, number, device, unit), found.groups(), strict=True)
    )


def psana_name(source: str) -> str:
    """The other spelling, as folders of a calib directory have it.

    Examples
    --------
    >>> psana_name("CxiDs1-0|Cspad-0")
    'CxiDs1.0:Cspad.0'
    """
    found = _ADDRESS.fullmatch(source)
    return source if found is None or found[3] is None else "{}.{}:{}.{}".format(*found.groups())
