"""Orientations: RELION's ZYZ Euler angles in degrees, cryoSPARC's rotation vectors in radians.

RELION's matrix (``Euler_angles2matrix``) takes the reference's frame to the particle's; cryoSPARC's vector is the axis
of that rotation times its angle, in the same passive sense (pyem's ``expmap`` and ``rot2euler`` agree).
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Float = NDArray[np.float64]


def euler_to_matrix(angles: Float) -> Float:
    """(n, 3, 3) matrices of (n, 3) rot, tilt, psi in degrees.

    Examples
    --------
    >>> bool(np.allclose(euler_to_matrix(np.zeros((1, 3)))[0], np.eye(3)))
    True
    """
    (ca, cb, cg), (sa, sb, sg) = (f(np.deg2rad(np.asarray(angles, np.float64))).T for f in (np.cos, np.sin))
    rows = np.stack(
        [
            np.stack([cg * cb * ca - sg * sa, cg * cb * sa + sg * ca, -cg * sb], axis=-1),
            np.stack([-sg * cb * ca - cg * sa, -sg * cb * sa + cg * ca, sg * sb], axis=-1),
            np.stack([sb * ca, sb * sa, cb], axis=-1),
        ],
        axis=-2,
    )
    return np.asarray(rows, np.float64)


def matrix_to_euler(matrices: Float) -> Float:
    """(n, 3) rot, tilt, psi in degrees, tilt in 0..180; rot is 0 where tilt is 0 or 180 and only one angle is free.

    NaN where the matrix is not of finite numbers.
    """
    r = np.asarray(matrices, np.float64)
    sine = np.hypot(r[:, 0, 2], r[:, 1, 2])
    free = sine > 16 * np.finfo(np.float64).eps
    rot = np.where(free, np.arctan2(r[:, 2, 1], r[:, 2, 0]), 0.0)
    psi_free = np.arctan2(r[:, 1, 2], -r[:, 0, 2])
    psi_pole = np.where(r[:, 2, 2] > 0, np.arctan2(-r[:, 1, 0], r[:, 0, 0]), np.arctan2(r[:, 1, 0], -r[:, 0, 0]))
    tilt = np.arctan2(sine, r[:, 2, 2])
    angles = np.rad2deg(
        np.stack(
            [rot, np.where(free, tilt, np.where(r[:, 2, 2] > 0, 0.0, np.pi)), np.where(free, psi_free, psi_pole)],
            axis=-1,
        )
    )
    angles[~np.isfinite(r).all(axis=(1, 2))] = np.nan
    return np.asarray(angles, np.float64)


def vector_to_matrix(vectors: Float) -> Float:
    """(n, 3, 3) passive rotation matrices of (n, 3) rotation vectors in radians (Rodrigues' formula)."""
    vectors = np.asarray(vectors, np.float64)
    vectors = np.where(np.isfinite(vectors), vectors, np.nan)
    angle = np.linalg.norm(vectors, axis=1)
    axis = vectors / np.where(angle > 0, angle, 1.0)[:, None]
    x, y, z = axis.T
    zero = np.zeros_like(x)
    k = np.stack([np.stack([zero, z, -y], -1), np.stack([-z, zero, x], -1), np.stack([y, -x, zero], -1)], -2)
    return np.asarray(np.eye(3) + np.sin(angle)[:, None, None] * k + (1 - np.cos(angle))[:, None, None] * (k @ k))


def matrix_to_vector(matrices: Float) -> Float:
    """(n, 3) rotation vectors in radians, at most pi long, by way of quaternions (largest component first)."""
    r = np.asarray(matrices, np.float64)
    diagonal = np.einsum("nii->ni", r)
    trace = diagonal.sum(axis=1)
    # Four times the squares of the quaternion's components; the largest is divided by.
    squares = np.stack([1 + trace, *(1 + 2 * diagonal[:, i] - trace for i in range(3))], axis=-1)
    difference = np.stack([r[:, 1, 2] - r[:, 2, 1], r[:, 2, 0] - r[:, 0, 2], r[:, 0, 1] - r[:, 1, 0]], axis=-1)
    xy, xz, yz = r[:, 0, 1] + r[:, 1, 0], r[:, 0, 2] + r[:, 2, 0], r[:, 1, 2] + r[:, 2, 1]
    dx, dy, dz = difference.T
    w, x, y, z = squares.T
    rows = np.stack(
        [
            np.stack([w, dx, dy, dz], -1),
            np.stack([dx, x, xy, xz], -1),
            np.stack([dy, xy, y, yz], -1),
            np.stack([dz, xz, yz, z], -1),
        ],
        -2,
    )
    quaternion = rows[np.arange(len(r)), np.argmax(squares, axis=1)]
    quaternion /= np.linalg.norm(quaternion, axis=1)[:, None]
    quaternion *= np.where(quaternion[:, :1] < 0, -1.0, 1.0)
    sine = np.linalg.norm(quaternion[:, 1:], axis=1)
    angle = 2 * np.arctan2(sine, quaternion[:, 0])
    return np.asarray(quaternion[:, 1:] * np.where(sine > 0, angle / np.where(sine > 0, sine, 1.0), 2.0)[:, None])


def euler_to_vector(angles: Float) -> Float:
    """CryoSPARC poses of RELION angles.

    Examples
    --------
    >>> angles = np.array([[10.0, 20.0, 30.0]])
    >>> np.round(vector_to_euler(euler_to_vector(angles)), 9).tolist()
    [[10.0, 20.0, 30.0]]
    """
    return matrix_to_vector(euler_to_matrix(angles))


def vector_to_euler(vectors: Float) -> Float:
    """RELION angles of cryoSPARC poses."""
    return matrix_to_euler(vector_to_matrix(vectors))
