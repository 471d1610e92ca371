"""The door of the kernels: each takes and refuses the same arrays and threads, in the same words."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from braggio import kernels
from braggio.errors import DtypeError, LimitError
from braggio.kernels import as_float32, as_numbers, as_output, as_pixels, as_threads

# Each kernel that works on pixels, called with an array of 4 x 4 of them.
KERNELS: dict[str, Callable[[Any], Any]] = {
    "frame_stats": kernels.frame_stats,
    "to_uint16": lambda array: kernels.to_uint16(array)[0],
    "label_stats": lambda array: kernels.label_stats(np.ones((4, 4), bool), array),
    "copy_boxes": lambda array: kernels.copy_boxes(array, [[0, 0]], (2, 2)),
    "trimmed": lambda array: kernels.trimmed(array, 1),
    "kruskal": lambda array: kernels.kruskal(array, [np.array([0, 1]), np.array([2, 3])]),
    "prepare_images": lambda array: kernels.prepare_images(
        array[None] if isinstance(array, np.ndarray) else [array], normalize=None
    ),
    "pick_peaks": lambda array: kernels.pick_peaks(array, 1e9),
    "ranks": kernels.ranks,
    "Accumulator.update": lambda array: kernels.Accumulator((4, 4)).update(array),
}
PIXELS = np.arange(16).reshape(4, 4)


def comparable(result: Any) -> Any:
    """A result as plain lists."""
    if isinstance(result, np.ndarray):
        return result.tolist()
    if isinstance(result, (tuple, list)):
        return [comparable(each) for each in result]
    return [comparable(each) for each in vars(result).values()] if hasattr(result, "__dict__") else str(result)


@pytest.mark.parametrize("name", KERNELS)
@pytest.mark.parametrize(
    "dtype", ["int8", "uint8", "int16", "uint16", "int32", "uint32", "int64", "uint64", "float16", "float32", "float64"]
)
def test_every_kernel_takes_every_number(name: str, dtype: str) -> None:
    """Lists, 64-bit integers, any byte order and strides, with the result of the plain array."""
    kernel = KERNELS[name]
    plain = PIXELS.astype(dtype)
    expected = comparable(kernel(plain))
    assert comparable(kernel(plain.astype(plain.dtype.newbyteorder(">")))) == expected
    assert comparable(kernel(np.asfortranarray(plain))) == expected
    wide = np.zeros((8, 8), dtype)
    wide[::2, ::2] = plain
    assert comparable(kernel(wide[::2, ::2])) == expected
    if dtype == "int64":
        assert comparable(kernel(plain.tolist())) == expected


@pytest.mark.parametrize("name", sorted(KERNELS.keys() - {"pick_peaks", "ranks", "Accumulator.update"}))
@pytest.mark.parametrize("dtype", ["bool", "complex64", "U3", "object", "longdouble", "datetime64[s]"])
def test_every_kernel_refuses_what_is_no_number(name: str, dtype: str) -> None:
    """One error, a TypeError and a ValueError, that names the argument and the dtype."""
    with pytest.raises(DtypeError, match=r"^\w+: expected integers or reals of at most 64 bits, found "):
        KERNELS[name](np.zeros((4, 4), dtype))


@pytest.mark.parametrize("name", ["frame_stats", "to_uint16", "label_stats", "copy_boxes", "kruskal"])
def test_integers_beyond_32_bits_are_named_with_their_place(name: str) -> None:
    array = PIXELS.astype(np.int64)
    array[2, 1] = -(1 << 40)
    with pytest.raises(LimitError, match=r"found -1099511627776 at \(2, 1\)"):
        KERNELS[name](array)


@pytest.mark.parametrize("threads", [0, -1, 1.5, True, None, "2"])
@pytest.mark.parametrize(
    "call",
    [
        lambda threads: kernels.to_uint16(PIXELS, threads=threads),
        lambda threads: kernels.trimmed(PIXELS, threads=threads),
        lambda threads: kernels.kruskal(PIXELS, [np.arange(4)], threads=threads),
        lambda threads: kernels.prepare_images(PIXELS[None], normalize=None, threads=threads),
        lambda threads: kernels.pick_peaks(PIXELS, 1e9, threads=threads),
        lambda threads: kernels.Accumulator((4, 4)).update(PIXELS, threads=threads),
    ],
)
def test_threads_are_at_least_1(call: Callable[[Any], Any], threads: Any) -> None:
    with pytest.raises(ValueError, match="threads must be at least 1, not"):
        call(threads)


def test_as_numbers_keeps_wide_integers_and_shapes() -> None:
    assert as_numbers(5, "n").shape == ()
    assert as_numbers(np.array([1 << 62]), "n").dtype == np.int64
    assert as_numbers(np.zeros((2, 3), "<f4"), "n").dtype.isnative


@pytest.mark.parametrize(
    ("values", "dtype"),
    [([], "int32"), ([-1, 5], "int32"), ([2**31], "uint32"), ([2**32 - 1], "uint32"), ([-(2**31)], "int32")],
)
def test_as_pixels_narrows_what_fits(values: list[int], dtype: str) -> None:
    for kind in ("int64", "uint64"):
        if not values or kind == "int64" or min(values) >= 0:
            found = as_pixels(np.array(values, kind), "n")
            assert (found.dtype.name, found.tolist()) == (dtype, values)


@pytest.mark.parametrize("values", [[2**32], [-(2**31) - 1], [-1, 2**31], [2**63]])
def test_as_pixels_refuses_what_does_not_fit(values: list[int]) -> None:
    with pytest.raises(LimitError, match=f"found {values[-1] if values[-1] >= 2**32 else values[0]} at"):
        as_pixels(np.array(values, "uint64" if values[0] > 2**62 else "int64"), "n")


def test_as_float32_rounds_and_overflows_quietly() -> None:
    assert as_float32([1e300, 0.1], "n").tolist() == [np.inf, float(np.float32(0.1))]
    assert as_float32([True, False], "n").tolist() == [1.0, 0.0]


def test_as_output() -> None:
    good = np.zeros((2, 3), np.int16)
    assert as_output(good, (2, 3), "int16") is good
    frozen = good.copy()
    frozen.flags.writeable = False
    for bad in (
        good.T,
        good[:, ::2],
        np.zeros((2, 3), np.int32),
        frozen,
        np.asfortranarray(np.zeros((2, 3), np.int16)),
    ):
        with pytest.raises(ValueError, match=r"out must be writeable C-contiguous int16 of shape \(2, 3\)"):
            as_output(bad, (2, 3), "int16")


def test_as_threads() -> None:
    assert as_threads(np.int64(3)) == 3


def test_every_public_function_of_a_kernel_module_is_exported() -> None:
    """Kernels are found by `dir(braggio.kernels)`, and not by reading files."""
    import pkgutil
    from importlib import import_module

    own = {"combined", "from_core", "connectivity", "packed", "unpacked", "begin_end", "most_values"}  # of other floors
    for module in pkgutil.iter_modules(kernels.__path__):
        if module.name in ("jit", "trimmed_numba", "erfcinv"):
            continue
        home = import_module(f"braggio.kernels.{module.name}")
        functions = {
            name
            for name, value in vars(home).items()
            if inspect.isfunction(value) and value.__module__ == home.__name__ and not name.startswith("_")
        }
        missing = functions - set(kernels.__all__) - own - {"critical_values", "chi2_isf"}
        assert not missing, (module.name, missing)
