"""Images of a run into files: one a shot (npz, cbf, pickle), or one for all (h5).

Events are merged in the calling thread, which reads headers only; pixels are read, calibrated and written in `threads`
others. Every file appears whole under its name. A record, ``xtc_dump-r<run>-<format>.json``, says of which task the
files are: the same task goes on where it was interrupted, another one is refused.
"""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, TypeVar

from braggio.batch.workers import streamed
from braggio.errors import BraggioError, MetadataError, OutputError
from braggio.formats.xtc import Contribution, CspadConfig
from braggio.model.cspad import Cspad
from braggio.xfel.convert import read_geometry
from braggio.xtc.beam import distance, overridden
from braggio.xtc.calibration import Calibration, find_calibration, read_pedestals
from braggio.xtc.record import Record
from braggio.xtc.run import Event, Problems, Run
from braggio.xtc.shots import WRITERS, Shot
from braggio.xtc.shots_h5 import ShotFile

Progress = Callable[[int, int], None]
Fact = TypeVar("Fact")


@dataclass(frozen=True)
class DumpOptions:
    """What is dumped, and how; names follow ``xtc_dump``.

    Attributes
    ----------
    address : str
        Detector, see `Event.find`.
    file_format : str
        npz, h5, cbf or pickle.
    output_dir : str
    max_events : int or None
        Stop after so many images.
    timestamps : tuple of str or None
        Only events of these times.
    calib_dir : str or None
        Pedestals and geometry for the run are taken from it where it has them.
    pedestals : str or None
        A file of pedestals; goes before `calib_dir`.
    geometry : str or None
        A SLAC geometry file, for cbf; goes before `calib_dir`.
    gain_mask_value : float or None
        Factor of CSPAD pixels in low gain.
    detz_offset : float or None
        Millimetres added to the detector motor. None: the distance is not known, which cbf refuses.
    override_energy : float or None
        eV, instead of what the shot says.
    """

    address: str
    file_format: str = "npz"
    output_dir: str = "."
    max_events: int | None = None
    timestamps: tuple[str, ...] | None = None
    calib_dir: str | None = None
    pedestals: str | None = None
    geometry: str | None = None
    gain_mask_value: float | None = None
    detz_offset: float | None = None
    override_energy: float | None = None

    def __post_init__(self) -> None:
        if self.file_format not in (*WRITERS, "h5"):
            raise MetadataError(field="file_format", expected=", ".join([*WRITERS, "h5"]), found=self.file_format)
        if self.max_events is not None and self.max_events < 1:
            raise MetadataError(field="max_events", expected="at least 1", found=self.max_events)
        if self.file_format == "cbf" and self.detz_offset is None:
            raise MetadataError(field="detz_offset", expected="millimetres, which cbf needs", found="none")
        if self.override_energy is not None:
            overridden(self.override_energy)


@dataclass
class DumpReport:
    """What a dump did.

    Attributes
    ----------
    output_dir : str
    outputs : list of str
        Files written or, of an earlier run of the same task, kept.
    written, kept : int
        Images.
    events : int
        Events that were looked at.
    missing : Counter
        Events without an image, by reason.
    failed : list of str
        Images that could not be decoded or written as asked.
    problems : Problems
        Of the files.
    """

    output_dir: str
    outputs: list[str] = field(default_factory=list)
    written: int = 0
    kept: int = 0
    events: int = 0
    missing: Counter[str] = field(default_factory=Counter)
    failed: list[str] = field(default_factory=list)
    problems: Problems = field(default_factory=Problems)


@dataclass(frozen=True)
class _Job:
    event: Event
    found: Contribution
    calibration: Calibration
    geometry: Cspad | None
    name: str


def dump_run(
    run: Run,
    options: DumpOptions,
    *,
    overwrite: bool = False,
    threads: int = 1,
    progress: Progress | None = None,
) -> DumpReport:
    """Write the images of a run.

    Parameters
    ----------
    run : Run
    options : DumpOptions
    overwrite : bool
        Replace files of another task.
    threads : int
        The files do not depend on it.
    progress : callable, optional
        Called with (events done, events expected); the second is an estimate from the bytes walked.

    Returns
    -------
    DumpReport
        Bad events are counted and left out, the others are written.

    Raises
    ------
    OutputError
        Outputs of another task are there, or nothing can be written.
    MetadataError
        No event has an image of the address; the distance cannot be known.
    """
    return _Dump(run, options, overwrite, threads, progress).run()


def _stamp(path: str | os.PathLike[str]) -> list[Any]:
    """Name, size and time of a file that the images depend on."""
    status = os.stat(path)
    return [os.path.basename(path), status.st_size, status.st_mtime_ns]


class _Dump:
    def __init__(
        self, run: Run, options: DumpOptions, overwrite: bool, threads: int, progress: Progress | None
    ) -> None:
        self.source, self.options, self.overwrite = run, options, overwrite
        self.threads, self.progress = threads, progress
        self.folder = Path(options.output_dir)
        self.report = DumpReport(os.fspath(self.folder), problems=run.problems)
        self.names: set[str] = set()
        self.walked: dict[str, int] = {}  # bytes of each file
        self.calibration: Calibration | None = None
        self.geometry: Cspad | None = None
        self.record = Record(self.folder, self._record_name(), self._task())

    def _record_name(self) -> str:
        number = self.source.number
        run = "" if number is None else f"-r{number:04d}"
        return f"xtc_dump{run}-{self.options.file_format}.json"

    def run(self) -> DumpReport:
        self.record.begin(overwrite=self.overwrite)
        try:
            if self.options.file_format == "h5":
                self._into_one_file()
            else:
                self._into_files()
        finally:
            if not self.report.outputs:
                self.record.withdraw()
        if self.record.finished_before and not self.report.written:
            self.record.withdraw()  # nothing was to be done, and the record says of what was done all that there is
            return self.report
        if not self.report.outputs and not self.report.failed:
            reasons = "; ".join(f"{count} events: {reason}" for reason, count in self.report.missing.most_common(3))
            raise MetadataError(field=self.options.address, expected="at least one image", found=reasons or "no events")
        if self.report.outputs:
            images = self.report.written + self.report.kept
            self.record.finish({"images": images, "missing": dict(sorted(self.report.missing.items()))})
        return self.report

    def _task(self) -> dict[str, Any]:
        """What the outputs depend on; where they go is no part of it."""
        settings = asdict(self.options)
        del settings["output_dir"]
        for name in ("pedestals", "geometry"):
            if settings[name] is not None:
                settings[name] = _stamp(settings[name])
        if settings["calib_dir"] is not None:
            settings["calib_dir"] = self._stamps_of_calibrations(settings["calib_dir"])
        return {"files": [[os.path.basename(file.path), file.size] for file in self.source.files], "options": settings}

    def _stamps_of_calibrations(self, folder: str) -> list[Any]:
        """Of what holds for the run, of any source: which one is wanted is not known before its first image."""
        stamps = []
        for source in sorted(Path(folder).glob("*/*")):
            for kind in ("pedestals", "geometry"):
                path = find_calibration(folder, source.name, kind, self.source.number)
                stamps += [] if path is None else [[source.name, kind, *_stamp(path)]]
        return stamps

    def _into_files(self) -> None:
        extension = self.options.file_format
        for job, problem, kept in streamed(self._write, self._jobs(extension), threads=self.threads, state=dict):
            if problem:
                self.report.failed.append(problem)
                continue
            self.report.outputs.append(os.fspath(self.folder / job.name))
            self.report.kept += kept
            self.report.written += not kept

    def _write(self, job: _Job, state: dict[str, Any]) -> tuple[_Job, str, bool]:
        path = self.folder / job.name
        if self.record.resuming and path.is_file():
            return job, "", True
        try:
            WRITERS[self.options.file_format](self._shot(job), os.fspath(path), self.overwrite)
        except OutputError:
            raise
        except BraggioError as error:
            return job, f"{job.event.timestamp}: {error}", False
        return job, "", False

    def _into_one_file(self) -> None:
        number = self.source.number
        name = "shots.h5" if number is None else f"r{number:04d}.h5"
        target = self.folder / name
        if target.exists() and self.record.finished_before:
            self._keep_file(target)
            return
        # What an interrupted dump of this very task has left under the name is whole, and may be replaced.
        with ShotFile(os.fspath(target), overwrite=self.overwrite or self.record.resuming) as file:
            jobs = self._jobs("h5")
            for job, problem, shot in streamed(self._decode, jobs, threads=self.threads, state=dict):
                try:
                    if shot is not None:
                        file.add(shot, job.event.index)
                        self.report.written += 1
                except OutputError:
                    raise
                except BraggioError as error:
                    problem = str(error)
                if problem:
                    self.report.failed.append(problem)
            if file.count:
                file.publish()
                self.report.outputs.append(os.fspath(target))

    def _keep_file(self, target: Path) -> None:
        import h5py

        with h5py.File(target, "r") as file:
            self.report.kept = int(file.attrs["complete"])
        self.report.outputs.append(os.fspath(target))

    def _decode(self, job: _Job, state: dict[str, Any]) -> tuple[_Job, str, Shot | None]:
        try:
            return job, "", self._shot(job)
        except BraggioError as error:
            return job, f"{job.event.timestamp}: {error}", None

    def _shot(self, job: _Job) -> Shot:
        event, found = job.event, job.found
        config = event.config(found.source, CspadConfig) if found.type == "CspadElement" else None
        raw = event.pixels(found)
        evr = self._beside(lambda: event.evr)
        return Shot(
            data=job.calibration.apply(raw, config),
            address=found.source,
            timestamp=event.timestamp,
            clock=event.clock,
            fiducials=event.fiducials,
            run=event.state.run if self.source.number is None else self.source.number,
            wavelength=self._wavelength(event),
            distance=self._distance(event, found),
            event_codes=() if evr is None else evr.codes,
            damaged=event.damaged,
            geometry=job.geometry,
        )

    def _wavelength(self, event: Event) -> float | None:
        energy = self.options.override_energy
        return self._beside(lambda: event.wavelength) if energy is None else overridden(energy)

    def _beside(self, read: Callable[[], Fact]) -> Fact | None:
        """What stands beside an image: when it cannot be decoded the image is written all the same, and it is noted."""
        try:
            return read()
        except BraggioError as error:
            self.report.problems.add(str(error))
            return None

    def _distance(self, event: Event, found: Contribution) -> float | None:
        offset = self.options.detz_offset
        return None if offset is None else distance(found.source, event.epics, offset)

    def _jobs(self, extension: str) -> Iterator[_Job]:
        wanted = self.options.timestamps
        times = None if wanted is None else {"".join(filter(str.isdigit, time)) for time in wanted}
        count = 0
        seen: set[str] = set()  # of the times that are wanted
        for event in self.source.events():
            if self.options.max_events is not None and count >= self.options.max_events:
                return
            self.report.events += 1
            self._tell(event)
            if times is not None:
                if event.digits not in times:
                    continue
                seen.add(event.digits)
            try:
                found = event.find(self.options.address)
            except MetadataError as error:
                self.report.missing[f"{error.field}: expected {error.expected}, found {error.found}"] += 1
                continue
            count += 1
            calibration, geometry = self._calibration(event, found), self._geometry(event, found)
            yield _Job(event, found, calibration, geometry, self._name(event, extension))
        for time in sorted((times or set()) - seen):
            self.report.problems.add(f"no event of time {time}")

    def _tell(self, event: Event) -> None:
        if self.progress is None:
            return
        for gram in event.datagrams:
            self.walked[gram.file.path] = gram.offset + gram.size
        whole = sum(file.size for file in self.source.files)
        expected = max(self.report.events, self.report.events * whole // max(1, sum(self.walked.values())))
        self.progress(self.report.events, min(expected, max(self.report.events, self.options.max_events or expected)))

    def _name(self, event: Event, extension: str) -> str:
        """Two events of one millisecond get different names."""
        name = f"shot-{event.digits}.{extension}"
        while name in self.names:
            name = f"{name.removesuffix(f'.{extension}')}-{event.fiducials}.{extension}"
        self.names.add(name)
        return name

    def _calibration(self, event: Event, found: Contribution) -> Calibration:
        """The same for all events of a run; looked up with the first image, whose source is then known."""
        if self.calibration is None:
            path = self.options.pedestals or self._calibrated(event, found, "pedestals")
            self.calibration = Calibration(None if path is None else read_pedestals(path), self.options.gain_mask_value)
        return self.calibration

    def _geometry(self, event: Event, found: Contribution) -> Cspad | None:
        """Of the formats that need one; read with the first image too."""
        if self.geometry is None and found.type == "CspadElement" and self.options.file_format in ("cbf", "pickle"):
            path = self.options.geometry or self._calibrated(event, found, "geometry")
            if path is None:
                raise MetadataError(
                    field="geometry", expected="a SLAC geometry file: --geometry or input.calib_dir", found="none"
                )
            self.geometry = read_geometry(path)
        return self.geometry

    def _calibrated(self, event: Event, found: Contribution, kind: str) -> Path | None:
        """The file of a kind in the folder of calibrations, if one is given: it must have it then."""
        if self.options.calib_dir is None:
            return None
        number = event.state.run if self.source.number is None else self.source.number
        path = find_calibration(self.options.calib_dir, found.source, kind, number)
        if path is None:
            raise MetadataError(
                field="calib_dir", path=self.options.calib_dir, expected=f"{kind} of {found.source}", found="none"
            )
        return path
