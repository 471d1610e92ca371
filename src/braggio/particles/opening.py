"""Opening a particle table: a star file, .cs files, or the folder of a cryoSPARC job.

A table opened here has its verbs as methods: `check`, `images`, `to_star` and `to_cs` are functions of other modules
that take a table.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

from braggio.particles.checks import check
from braggio.particles.jobs import pair as pair
from braggio.particles.jobs import read_job as read_job
from braggio.particles.reading import File, read_files
from braggio.particles.stacks import Places
from braggio.particles.stream import images
from braggio.particles.table import Particles as Particles
from braggio.particles.write import optics_table, write_particles_cs, write_particles_star

Particles.check = check
Particles.images = images
Particles.to_star = write_particles_star
Particles.to_cs = write_particles_cs
Particles.optics = property(
    lambda table: optics_table(table)[0],
    doc="The optics table: one row for each group that is used, in order of the group numbers.",
)


def read(
    file: File | Sequence[File],
    *,
    columns: Sequence[str] | None = None,
    block: str | None = None,
    folder: File | None = None,
    base: File | None = None,
    allow_outside: bool = False,
    strict: bool = True,
    indexed: bool | None = None,
    how: str = "exact",
) -> Particles:
    r"""Read a particle table.

    Parameters
    ----------
    file : path-like, or a sequence of them
        A RELION (3.0, 3.1, 5) or generic .star, a .cs, a .cs followed by its passthroughs, or a cryoSPARC job folder
        ``J<n>`` (see `read_job`).
    columns : sequence of str, optional
        Canonical names to keep besides those of the CTF; all by default. Others are not parsed.
    block : str, optional
        Of a star file with several tables; ``particles``, or the only table besides ``optics`` and ``general``, by
        default.
    folder, base, allow_outside : optional
        How stack paths become files, see `Places`.
    strict : bool
        Missing required fields are an error; otherwise they are just not there.
    indexed : bool, optional
        Do rows name their images? By default, as the file does. False ignores the names, and angles and pixel size with
        them, as for generic files whose rows follow the images of one stack; so does a strict reading of a star file
        without names.
    how : {'exact', 'inner'}
        Of the uid join with the passthroughs.

    Returns
    -------
    Particles

    Raises
    ------
    FormatError
        The file is damaged.
    MetadataError
        Required fields, optics groups or uids are missing, duplicated or contradictory; an image name that is not
        ``<number>@<path>``.

    Examples
    --------
    >>> import tempfile, pathlib
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     path = pathlib.Path(folder, "a.star")
    ...     labels = "ImageName DefocusU DefocusV DefocusAngle Voltage SphericalAberration".split()
    ...     head = "data_\nloop_\n" + "".join(f"_rln{label}\n" for label in labels)
    ...     _ = path.write_text(head + "000002@s.mrcs 9000 8000 30 300 2.7\n")
    ...     table = read(path)
    >>> table["DefocusU"].tolist(), table.stacks, table.index.tolist(), table.defaults["AmplitudeContrast"]
    ([9000.0], ('s.mrcs',), [1], 0.1)
    """
    files = [file] if isinstance(file, (str, os.PathLike)) else list(file)
    if not files:
        raise ValueError("file must name at least one file")
    paths = [Path(each) for each in files]
    if len(paths) == 1 and paths[0].is_dir():
        return read_job(paths[0], columns=columns, strict=strict)
    places = Places(
        None if folder is None else os.fspath(folder), None if base is None else os.fspath(base), allow_outside
    )
    return read_files(paths, columns=columns, block=block, places=places, strict=strict, indexed=indexed, how=how)
