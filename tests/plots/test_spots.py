"""Pictures of a spot search: they are written, they show the spots, and the same search gives the same bytes."""

import numpy as np
import pytest
from laue import made

from braggio.laue import find_spots

pytest.importorskip("matplotlib")
pytestmark = pytest.mark.filterwarnings("ignore::braggio.errors.DataWarning")


def test_pictures(tmp_path):
    from PIL import Image

    from braggio.plots.spots import draw_counts, draw_overlay, draw_stats

    frames, _ = made.stack(frames=20, spots=4)
    report = find_spots(frames)
    stats = report.stats
    draw_overlay(tmp_path / "a.png", frames[3], report.columns, 3)
    draw_overlay(tmp_path / "b.png", frames[3], report.columns, 3)
    draw_stats(tmp_path / "stats.png", {"avg": stats.avg, "std": stats.std, "iqr": stats.iqr, "max": stats.max})
    draw_counts(tmp_path / "counts.png", report.counts)
    assert (tmp_path / "a.png").read_bytes() == (tmp_path / "b.png").read_bytes()
    with Image.open(tmp_path / "a.png") as image:
        red, green, blue, *_ = np.moveaxis(np.asarray(image.convert("RGB")).astype(int), 2, 0)
    assert ((red > 180) & (green < 80) & (blue < 80)).sum() > 100  # the boxes
    assert {path.name for path in tmp_path.iterdir()} == {"a.png", "b.png", "stats.png", "counts.png"}
