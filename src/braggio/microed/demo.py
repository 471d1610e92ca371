"""The small series that ships with the package, made by us: see demo_data/README.md."""

from __future__ import annotations

from pathlib import Path


def demo_files() -> list[Path]:
    """Five int32 TIA raw frames of one tilt series, 128 x 128; frame 4 is missing and frame 3 has a cosmic-ray minimum.

    Examples
    --------
    >>> [path.name for path in demo_files()]
    ['demo_001.bin', 'demo_002.bin', 'demo_003.bin', 'demo_005.bin', 'demo_006.bin']
    """
    return sorted((Path(__file__).parent / "demo_data").glob("demo_*.bin"))
