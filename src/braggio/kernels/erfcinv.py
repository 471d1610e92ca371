"""The inverse of the normal distribution, bit for bit that of Cephes, which scipy and the programs around it use.

Rational approximations and coefficients: S. L. Moshier, Cephes Math Library, ``ndtri`` (public tables).
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

# |y - 1/2| <= 3/8
_P0 = (
    -5.99633501014107895267e1,
    9.80010754185999661536e1,
    -5.66762857469070293439e1,
    1.39312609387279679503e1,
    -1.23916583867381258016e0,
)
_Q0 = (
    1.95448858338141759834e0,
    4.67627912898881538453e0,
    8.63602421390890590575e1,
    -2.25462687854119370527e2,
    2.00260212380060660359e2,
    -8.20372256168333339912e1,
    1.59056225126211695515e1,
    -1.18331621121330003142e0,
)
# sqrt(-2 log y) from 2 to 8
_P1 = (
    4.05544892305962419923e0,
    3.15251094599893866154e1,
    5.71628192246421288162e1,
    4.40805073893200834700e1,
    1.46849561928858024014e1,
    2.18663306850790267539e0,
    -1.40256079171354495875e-1,
    -3.50424626827848203418e-2,
    -8.57456785154685413611e-4,
)
_Q1 = (
    1.57799883256466749731e1,
    4.53907635128879210584e1,
    4.13172038254672030440e1,
    1.50425385692907503408e1,
    2.50464946208309415979e0,
    -1.42182922854787788574e-1,
    -3.80806407691578277194e-2,
    -9.33259480895457427372e-4,
)
# from 8 to 64
_P2 = (
    3.23774891776946035970e0,
    6.91522889068984211695e0,
    3.93881025292474443415e0,
    1.33303460815807542389e0,
    2.01485389549179081538e-1,
    1.23716634817820021358e-2,
    3.01581553508235416007e-4,
    2.65806974686737550832e-6,
    6.23974539184983293730e-9,
)
_Q2 = (
    6.02427039364742014255e0,
    3.67983563856160859403e0,
    1.37702099489081330271e0,
    2.16236993594496635890e-1,
    1.34204006088543189037e-2,
    3.28014464682127739104e-4,
    2.89247864745380683936e-6,
    6.79019408009981274425e-9,
)
_BLOCK = 1 << 14  # numbers at once: what is worked out on the way stays in the cache
_SQRT_2PI = 2.50662827463100050242
_EXP_MINUS_2 = 0.13533528323661269189


def _polynomial(x: Any, coefficients: tuple[float, ...], lead: float | None = None) -> Any:
    """Horner's rule; with `lead`, that comes first."""
    value: Any = coefficients[0] if lead is None else lead * x + coefficients[0]
    for coefficient in coefficients[1:]:
        value = value * x + coefficient
    return value


def normal_quantile(probability: float) -> float:
    """X with P(X <= x) = `probability` for a standard normal X.

    Examples
    --------
    >>> normal_quantile(0.5), round(normal_quantile(0.975), 6), normal_quantile(0.0)
    (0.0, 1.959964, -inf)
    """
    if not 0 < probability < 1:
        return {0.0: -math.inf, 1.0: math.inf}.get(probability, math.nan)
    y, negate = probability, True
    if y > 1.0 - _EXP_MINUS_2:
        y, negate = 1.0 - y, False
    if y > _EXP_MINUS_2:
        y -= 0.5
        y2 = y * y
        return float(y + y * (y2 * _polynomial(y2, _P0) / _polynomial(y2, _Q0, 1.0))) * _SQRT_2PI
    x = math.sqrt(-2.0 * math.log(y))
    first = x - math.log(x) / x
    z = 1.0 / x
    p, q = (_P1, _Q1) if x < 8.0 else (_P2, _Q2)
    x = first - z * _polynomial(z, p) / _polynomial(z, q, 1.0)
    return float(-x if negate else x)


def normal_quantiles(probabilities: ArrayLike) -> NDArray[np.float64]:
    """`normal_quantile` of many at once; where logarithms are rounded otherwise, the last bit may differ.

    Examples
    --------
    >>> normal_quantiles([0.025, 0.5]).round(6).tolist()
    [-1.959964, 0.0]
    """
    given = np.asarray(probabilities, np.float64)
    flat, found = given.reshape(-1), np.empty(given.size)
    for at in range(0, flat.size, _BLOCK):
        found[at : at + _BLOCK] = _quantiles(flat[at : at + _BLOCK])
    return found.reshape(given.shape)


def _quantiles(given: NDArray[np.float64]) -> NDArray[np.float64]:
    high = given > 1.0 - _EXP_MINUS_2
    y = np.where(high, 1.0 - given, given)
    middle = y - 0.5
    square = middle * middle
    found = (middle + middle * (square * _polynomial(square, _P0) / _polynomial(square, _Q0, 1.0))) * _SQRT_2PI
    outer = np.flatnonzero(~(y > _EXP_MINUS_2))
    found[outer] = np.where(high[outer], 1.0, -1.0) * _tail(y[outer])
    found[given == 0.0], found[given == 1.0] = -np.inf, np.inf
    found[~((given >= 0) & (given <= 1))] = np.nan
    return np.asarray(found)


def _tail(y: NDArray[np.float64]) -> NDArray[np.float64]:
    """How far out from the centre the small probabilities `y` are."""
    with np.errstate(divide="ignore", invalid="ignore"):
        x = np.sqrt(-2.0 * np.log(y))
        first, z = x - np.log(x) / x, 1.0 / x
        found = first - z * _polynomial(z, _P1) / _polynomial(z, _Q1, 1.0)
        far = first - z * _polynomial(z, _P2) / _polynomial(z, _Q2, 1.0)
    return np.asarray(np.where(x < 8.0, found, far))


def erfcinv(y: float) -> float:
    """X with erfc(x) = `y`; nan outside 0..2.

    Examples
    --------
    >>> round(erfcinv(0.1), 12), erfcinv(0.0), erfcinv(2.0)
    (1.163087153677, inf, -inf)
    """
    if not 0 < y < 2:
        return {0.0: math.inf, 2.0: -math.inf}.get(y, math.nan)
    return -normal_quantile(0.5 * y) * math.sqrt(0.5)
