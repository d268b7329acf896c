"""The share of each field in the variance of a result.

The settings all have the same weight. On a full grid the shares are exact. The share of a field
*alone* is the variance of the means of its values, and its *total* share is the variance that is
left where all other fields are fixed (Sobol', "Sensitivity estimates for nonlinear mathematical
models", 1993; Homma and Saltelli, "Importance measures in global sensitivity analysis of nonlinear
models", 1996).

Samples and grids with gaps get an estimate. The values of a range are put into bins of equally many
settings. An additive model, with a number for each bin, is fitted by least squares (Buja, Hastie
and Tibshirani, "Linear smoothers and additive models", 1989). Its terms are the shares alone. Pairs
of fields then explain a part of what is left. From each term, the part that noise would explain as
well is subtracted (Kelley, "An unbiased correlation ratio measure", 1935). Nothing is random.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import accumulate, combinations
from operator import mul
from typing import Final, NamedTuple

import pyarrow as pa
import pyarrow.compute as pc

from superparams.outcomes.arrow import plain_array, plain_scalar
from superparams.store.table.arrow_arrays import flat

__all__ = ["Factor", "Share", "factor_of", "mean_by", "numbered_rows", "variance_shares"]

MOST_BINS: Final = 20
MOST_SWEEPS: Final = 200  # of the additive model
CLOSE: Final = 1e-10  # relative to the spread of the result
DIGITS: Final = 9  # of a share; values beyond them are due to rounding
NOISE: Final = 3.0  # standard deviations by which a pair must exceed noise


class Factor(NamedTuple):
    """The values of a field as numbers.

    Attributes:
        codes: For each setting the number of its value, from 0.
        size: How many values there are.
        ranks: For each setting the rank of its number among all, from 1; None for other values.
    """

    codes: pa.Array
    size: int
    ranks: pa.Array | None = None


class Share(NamedTuple):
    """What a field accounts for, as a part of the variance of all settings.

    Attributes:
        total: Alone and together with others; None if there are too few settings to tell.
        alone: Without other fields.
    """

    total: float | None
    alone: float | None


def factor_of(column: object) -> Factor:
    """The values of a column as numbers, in the order of their first appearance.

    Args:
        column: Cells with content that Arrow can compare.
    """
    array = flat(column)
    encoded = array.dictionary_encode(null_encoding="encode")
    codes = pc.cast(encoded.indices, pa.int64())
    is_number = pa.types.is_integer(array.type) or pa.types.is_floating(array.type)
    has_ranks = is_number and not array.null_count
    ranks = pc.rank(array, sort_keys="ascending", tiebreaker="min") if has_ranks else None
    return Factor(codes, len(encoded.dictionary), ranks)


def numbered_rows(factors: Sequence[Factor], n_rows: int) -> Factor:
    """A number for each row: the same for rows with the same values of all factors."""
    every = Factor(pa.repeat(plain_scalar(0, pa.int64()), n_rows), 1)
    for factor in factors:
        if factor.size == n_rows:  # no two rows have the same
            return factor
        every = factor_of(_paired(every.codes, factor.codes, factor.size))
    return every


def mean_by(groups: Factor, values: pa.Array) -> tuple[pa.Array, float]:
    """The mean of each group, and the mean of the variances in the groups.

    Args:
        groups: The group of each value.
        values: The values, at least one, without nulls.
    """
    if groups.size == len(values):
        return _means(groups, values), 0.0
    means = _means(groups, values)
    off = pc.subtract(values, means.take(groups.codes))
    return means, float(pc.mean(_means(groups, pc.multiply(off, off))).as_py())


def variance_shares(
    factors: Sequence[Factor], values: pa.Array, within: float = 0.0
) -> tuple[list[Share], bool]:
    """The share of each field, and whether the shares are exact.

    Args:
        factors: The fields. No two settings have the same values of all.
        values: The result of each setting, with the mean 0.
        within: The variance in each setting, which no field accounts for.
    """
    n_settings = len(values)
    variance = _mean_square(values) + within
    if not variance:
        return [Share(0.0, 0.0)] * len(factors), True
    if math.prod(factor.size for factor in factors) == n_settings:
        return _exact(factors, values, variance), True
    return _estimated(factors, values, variance), False


def _exact(factors: Sequence[Factor], values: pa.Array, variance: float) -> list[Share]:
    """The shares on a full grid."""
    place = pa.repeat(plain_scalar(0, pa.int64()), len(values))
    for factor in factors:
        place = _paired(place, factor.codes, factor.size)
    shares: list[Share] = []
    stride = len(values)
    explained = _mean_square(values)
    for factor in factors:
        stride //= factor.size
        own = pc.multiply(factor.codes, plain_scalar(stride, pa.int64()))
        others = factor_of(pc.subtract(place, own))
        left = explained - _mean_square(_means(others, values))
        alone = _mean_square(_means(factor, values))
        shares.append(_share(left / variance, alone / variance))
    return shares


# ---- an estimate


def _estimated(factors: Sequence[Factor], values: pa.Array, variance: float) -> list[Share]:
    n_settings = len(values)
    binned = _binned(factors, n_settings)
    spare = _spare(binned, n_settings)
    if spare <= 0:
        return [Share(None, None)] * len(factors)
    counts = [_counts(factor) for factor in binned]
    terms = _additive_terms(binned, counts, values)
    rest = values
    for factor, term in zip(binned, terms, strict=True):
        rest = pc.subtract(rest, plain_array(term, pa.float64()).take(factor.codes))
    left = _square_sum(rest)
    noise, whole = left / spare, n_settings * variance
    alone: list[float] = []
    for factor, term, count in zip(binned, terms, counts, strict=True):
        explained = sum(n * x * x for n, x in zip(count, term, strict=True))
        alone.append(max(0.0, explained - (factor.size - 1) * noise) / whole)
    totals = list(alone)
    for first, second in combinations(range(len(binned)), 2):
        share = _pair_share(binned[first], binned[second], rest, left, spare) / whole
        totals[first] += share
        totals[second] += share
    return [_share(total, own) for total, own in zip(totals, alone, strict=True)]


def _binned(factors: Sequence[Factor], n_settings: int) -> list[Factor]:
    """The factors with few values each, so that the settings suffice for all of them."""
    n_bins = max(2, round(n_settings ** (1 / 3)))
    binned: list[Factor] = []
    for most in range(MOST_BINS, 1, -1):
        binned = [_in_bins(factor, most, min(most, n_bins)) for factor in factors]
        if 3 * _spare(binned, n_settings) >= n_settings - 1:
            break
    return binned


def _spare(factors: Sequence[Factor], n_settings: int) -> int:
    """The number of settings minus the number of fitted parameters."""
    return n_settings - 1 - sum(factor.size - 1 for factor in factors)


def _in_bins(factor: Factor, most: int, n_bins: int) -> Factor:
    """The factor with at most `most` values, in bins if it has more."""
    if factor.size <= most:
        return factor
    if factor.ranks is None:
        return _most_frequent(factor, most)
    scaled = pc.multiply(
        pc.subtract(pc.cast(factor.ranks, pa.int64()), plain_scalar(1, pa.int64())),
        plain_scalar(n_bins, pa.int64()),
    )
    return factor_of(pc.divide(scaled, plain_scalar(len(factor.codes), pa.int64())))


def _most_frequent(factor: Factor, n_bins: int) -> Factor:
    """The most frequent values, and one common value for all others."""
    counts = _counts(factor)
    order = sorted(range(factor.size), key=lambda code: (-counts[code], code))
    bins = dict(zip(order, range(n_bins - 1), strict=False))
    bin_of = [bins.get(code, n_bins - 1) for code in range(factor.size)]
    return factor_of(plain_array(bin_of, pa.int64()).take(factor.codes))


def _additive_terms(
    factors: Sequence[Factor], counts: Sequence[list[int]], values: pa.Array
) -> list[list[float]]:
    """For each factor a number for each of its values; their sums fit the values best."""
    sums = [_sums(factor, values).to_pylist() for factor in factors]
    tables = _pair_counts(factors)
    terms = [[0.0] * factor.size for factor in factors]
    close = CLOSE * float(pc.max(pc.abs(values)).as_py())
    for _ in range(MOST_SWEEPS):
        change = 0.0
        for first, term in enumerate(terms):
            fitted: list[float] = list(sums[first])
            for other, rows in tables[first]:
                weights = terms[other]
                fitted = [
                    x - sum(map(mul, row, weights)) for x, row in zip(fitted, rows, strict=True)
                ]
            fitted = [x / n for x, n in zip(fitted, counts[first], strict=True)]
            middle = sum(map(mul, fitted, counts[first])) / len(values)
            fitted = [x - middle for x in fitted]
            change = max(change, *(abs(x - y) for x, y in zip(fitted, term, strict=True)))
            terms[first] = fitted
        if change <= close:
            break
    return terms


def _pair_counts(factors: Sequence[Factor]) -> list[list[tuple[int, list[list[int]]]]]:
    """For each factor and each other one, how many settings have each pair of their values."""
    tables: list[list[tuple[int, list[list[int]]]]] = [[] for _ in factors]
    for first, other in combinations(range(len(factors)), 2):
        width = factors[other].size
        pairs = _paired(factors[first].codes, factors[other].codes, width)
        cells = _counts(Factor(pairs, factors[first].size * width))
        rows = [cells[start : start + width] for start in range(0, len(cells), width)]
        tables[first].append((other, rows))
        tables[other].append((first, [list(column) for column in zip(*rows, strict=True)]))
    return tables


def _pair_share(factor: Factor, other: Factor, rest: pa.Array, left: float, spare: int) -> float:
    """The sum of squares that a pair of fields explains of the rest, beyond noise."""
    pairs = factor_of(_paired(factor.codes, other.codes, other.size))
    extra = pairs.size - factor.size - other.size + 1
    if extra <= 0 or extra >= spare:
        return 0.0
    means = _means(pairs, rest).to_pylist()
    explained = sum(n * x * x for n, x in zip(_counts(pairs), means, strict=True))
    by_noise = extra * max(0.0, left - explained) / (spare - extra)
    limit = by_noise * (1 + NOISE * math.sqrt(2 / extra))
    return explained - by_noise if explained > limit else 0.0


# ---- sums


def _paired(first: pa.Array, other: pa.Array, size: int) -> pa.Array:
    """A number for each pair of codes, where the second are below `size`."""
    return pc.add(pc.multiply(first, plain_scalar(size, pa.int64())), other)


def _sums(groups: Factor, values: pa.Array) -> pa.Array:
    """The sum of the values of each group, none of which is empty."""
    ordered = pc.cumulative_sum(values.take(pc.array_sort_indices(groups.codes)))
    ends = [end - 1 for end in accumulate(_counts(groups))]
    upto = ordered.take(plain_array(ends, pa.int64()))
    before = pa.concat_arrays([plain_array([0.0], pa.float64()), upto.slice(0, len(ends) - 1)])
    return pc.subtract(upto, before)


def _means(groups: Factor, values: pa.Array) -> pa.Array:
    counts = pc.cast(plain_array(_counts(groups), pa.int64()), pa.float64())
    return pc.divide(_sums(groups, values), counts)


def _counts(factor: Factor) -> list[int]:
    """How many settings have each of the values."""
    counts = [0] * factor.size
    value_counts = pc.value_counts(factor.codes)
    for code, n in zip(
        value_counts.field(0).to_pylist(), value_counts.field(1).to_pylist(), strict=True
    ):
        counts[code] = n
    return counts


def _square_sum(values: pa.Array) -> float:
    return float(pc.sum(pc.multiply(values, values)).as_py() or 0.0)


def _mean_square(values: pa.Array) -> float:
    return _square_sum(values) / len(values)


def _share(total: float, alone: float) -> Share:
    alone = round(min(1.0, max(0.0, alone)), DIGITS)
    return Share(max(alone, round(min(1.0, total), DIGITS)), alone)
