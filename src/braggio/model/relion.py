"""What RELION's labels hold: text, integers or reals (``src/metadata_label.h``).

Labels that are not here are taken as their values look.
"""

from __future__ import annotations

IMAGE_NAME = "rlnImageName"

_TEXT = """
AutopickCharacteristicsName BeamTiltName BodyMaskName BodyReferenceName BodyStarFile CorrelationFitGuinierName
CtfImage CtfPowerSpectrum CtfDataFileName ExperimentalDataStarFile FscImageName GroupName HealpixOrderOriginalName
ImageName ImageOriginalName ImageSizeName JobOptionVariable JobOptionValue JobTypeLabel JobTypeName MaskName
MicrographGainName MicrographDefectFile MicrographMetadata MicrographMovieName MicrographName MicrographNameNoDW
MicrographCoordinates MicrographEvenName MicrographOddName ModelStarFile ModelStarFile2 MtfFileName OpticsGroupName
OpticsStarFile OrientSamplingStarFile OutputRootName ParticleBoxFractionName ParticleName ParticleOriginalName
PipeLineEdgeFromNode PipeLineEdgeProcess PipeLineEdgeToNode PipeLineNodeName PipeLineProcessAlias PipeLineProcessName
PipeLineProcessStatusLabel PipeLineProcessTypeLabel PipeLineNodeTypeLabel PostprocessedMapUnmasked PostprocessedMap
ReconstructImageName ReferenceImage ReferenceSigma2Name SolventMaskName SolventMask2Name StarFileMovieParticles
TiltSeriesName TomoName TomoParticleName TomoParticlesFile TomoReconstructedTomogram TomoReconstructedTomogramHalf1
TomoReconstructedTomogramHalf2 TomoTiltSeriesName TomoTiltSeriesStarFile TomoTomogramsFile TomoVisibleFrames
UnfilteredMapHalf1 UnfilteredMapHalf2 UnknownLabel ScheduleName ScheduleJobName ScheduleJobNameOriginal
ScheduleStringVariableName ScheduleStringVariableValue FourierMask CtfFigureOfMeritName CoordinateFile
"""

_INTEGER = """
AreaId BestResolutionShell BeamTiltClass BeamTiltGroup ClassIndex ClassNumber CtfDataAreCtfPremultiplied
CtfPremultiplied CurrentImageSize CurrentIteration DoAutoRefine DoCorrectCtf DoCorrectScale EnabledFlag FixedSigmaNoise
FixedSigmaOffset FlipX FlipY FourierSpaceInterpolator FrameNumber GroupNrParticles GroupNumber HasConverged
HasHighFscAtResolLimit HealpixOrder ImageDimensionality ImageId ImageSize ImageSizeX ImageSizeY ImageSizeZ Is3DSampling
IsFlip IsHelix IsSelected JobIsContinue JobIsTomo MicrographId MicrographStartFrame MovieFrameNumber NrBodies
NrClasses NrGroups
NrOfFrames NrOfSignificantSamples NrOpticsGroups NumberOfIterations OpticsGroup OriginalImageSize ParticleId
ParticleNumber PaddingFactor PipeLineJobCounter PipeLineNodeType PipeLineProcessStatus PipeLineProcessType
RandomSubset RandomSeed ReferenceDimensionality SelectedFlag SpectralIndex SymmetryGroupId TomoSubTomosAre2DStacks
TomoFrameCount TomoSizeX TomoSizeY TomoSizeZ TomoTomogramBinningId WidthMaskEdge
"""

_REAL = """
AccumMotionEarly AccumMotionLate AccumMotionTotal AccuracyRotations AccuracyTranslations AccuracyTranslationsAngst
AmplitudeContrast AnglePsi AnglePsiFlipRatio AnglePsiPrior AngleRot AngleRotPrior AngleTilt AngleTiltPrior
AngleRotFlipRatio AngleTiltFlipRatio AutopickFigureOfMerit AverageNrOfFrames AveragePmax AverageValue BeamTiltX
BeamTiltY ClassDistribution CoordinateX CoordinateY CoordinateZ CorrelationFitGuinierPlot CtfAstigmatism CtfBfactor
CtfFigureOfMerit CtfMaxResolution CtfPhaseShift CtfScalefactor CtfValue CtfValidationScore DefocusAngle DefocusU
DefocusV DetectorPixelSize EnergyLoss EstimatedResolution FinalResolution FourierCompleteness FourierShellCorrelation
GoldStandardFsc GroupScaleCorrection HelicalRise HelicalTrackLengthAngst HelicalTubePitch HelicalTwist ImagePixelSize
LensStability LogLikelihood LogLikeliContribution MagMat00 MagMat01 MagMat10 MagMat11 MagMatrix_00 MagMatrix_01
MagMatrix_10 MagMatrix_11 Magnification MaximumPixelSize MaxValueProbDistribution MicrographBinning
MicrographDoseRate MicrographOriginalPixelSize MicrographPixelSize MicrographPreExposure MicrographTiltAngle
MinRadiusNnInterpolation NormCorrection NormCorrectionAverage OriginX OriginXAngst OriginXPrior OriginXPriorAngst
OriginY OriginYAngst OriginYPrior OriginYPriorAngst OriginZ OriginZAngst OverallAccuracyRotations
ParticleBoxFraction ParticleBoxSize ParticleDiameter PhaseShift PixelSize ReferenceSigma2 Resolution
Sigma2Noise SigmaOffsets SigmaOffsetsAngst SigmaPriorPsiAngle SigmaPriorRotAngle SigmaPriorTiltAngle SignalToNoiseRatio
SkewnessValue SphericalAberration StandardDeviationValue TauFudgeFactor TomoSubtomogramPsi TomoSubtomogramRot
TomoSubtomogramTilt TomoTiltSeriesPixelSize TomoTomogramBinning Voltage
"""

_KINDS = {
    f"rln{name}": kind
    for kind, names in (("text", _TEXT), ("integer", _INTEGER), ("real", _REAL))
    for name in names.split()
}


def kind_of(label: str) -> str | None:
    """'text', 'integer' or 'real' for a label that RELION knows, with or without its ``rln``; else None.

    Examples
    --------
    >>> kind_of("rlnMicrographName"), kind_of("Voltage"), kind_of("myScore")
    ('text', 'real', None)
    """
    return _KINDS.get(label) or _KINDS.get(f"rln{label}")


def bare(label: str) -> str:
    """The label without a leading ``rln`` or ``_rln``.

    Examples
    --------
    >>> bare("_rlnVoltage"), bare("Voltage"), bare("rlnX")
    ('Voltage', 'Voltage', 'X')
    """
    name = label[1:] if label.startswith("_rln") else label
    return name[3:] if name.startswith("rln") and len(name) > 3 else label
