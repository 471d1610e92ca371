"""lu_hdf2spots by brute force: numpy, scipy.ndimage and loops, as slow and plain as can be."""

import numpy as np
import scipy.ndimage as nd


def statistics(frames, n_removed):
    kept = np.sort(frames, axis=0)[: len(frames) - n_removed]
    q25, q75 = np.percentile(kept, [25, 75], axis=0)
    return kept.mean(axis=0), kept.std(axis=0), q75 - q25, frames.max(axis=0), frames.argmax(axis=0)


def masks(frames, n_removed, cutoff, erosions, dilations, connectivity):
    """masks_raw with the rule in integers: m I - S >= cutoff sqrt(m Q - S^2), and masks_filtered."""
    structure = nd.generate_binary_structure(2, connectivity)
    kept = np.sort(frames, axis=0)[: len(frames) - n_removed].astype(object)
    m, total, squares = len(kept), kept.sum(axis=0), (kept * kept).sum(axis=0)
    spread = m * squares - total * total
    raw = np.zeros(frames.shape, bool)
    for i, frame in enumerate(frames.astype(object)):
        above = m * frame - total
        # cutoff is a small integer here, so everything is exact
        raw[i] = (
            (above >= 0) & (above * above >= cutoff**2 * spread)
            if cutoff >= 0
            else (above >= 0) | (above * above <= cutoff**2 * spread)
        )
    filtered = raw.copy()
    for mask in filtered:
        if erosions:
            mask[:] = nd.binary_erosion(mask, structure, erosions)
        if dilations:
            mask[:] = nd.binary_dilation(mask, structure, dilations)
    return raw, filtered


def spots(frames, shared, groups, avg, connectivity):
    """Rows (frame, label, mask, I, I_raw, n, X, Y, box, pixels) sorted by frame and label, labels and counts."""
    structure = nd.generate_binary_structure(2, connectivity)
    labels = np.zeros(shared.shape, np.int32)
    counts, rows = [], []
    for k, mask in enumerate(shared):
        labels[k], count = nd.label(mask, structure)
        counts.append(count)
        for frame in groups[k]:
            for label in range(1, count + 1):
                pixels = np.flatnonzero(labels[k].ravel() == label)
                values = frames[frame].ravel()[pixels].astype(float)
                best = pixels[int(np.argmax(values))]
                x, y = np.divmod(pixels, frames.shape[2])
                rows.append(
                    (
                        frame,
                        label,
                        k,
                        (values - avg.ravel()[pixels]).sum(),
                        values.sum(),
                        len(pixels),
                        *divmod(best, frames.shape[2]),
                        (x.min(), x.max() + 1, y.min(), y.max() + 1),
                        pixels,
                    )
                )
    return sorted(rows, key=lambda row: (row[0], row[1])), labels, np.array(counts)
