"""The curve BN254: points, scalars, polynomials, and the kernel that computes with many of them."""

from aggregator.bn254.curve import (
    G2_GENERATOR,
    GENERATOR,
    G2Point,
    IntVector,
    P,
    Point,
    Points,
    R,
    Vector,
    check_point,
    check_points_array,
    compress,
    decode_point,
    decompress,
    encode_point,
    ints_from_vector,
    pack_points,
    unpack_points,
    vector_from_ints,
)
from aggregator.bn254.kernel import Kernel
from aggregator.bn254.selection import kernel

__all__ = [
    "G2_GENERATOR",
    "GENERATOR",
    "G2Point",
    "IntVector",
    "Kernel",
    "P",
    "Point",
    "Points",
    "R",
    "Vector",
    "check_point",
    "check_points_array",
    "compress",
    "decode_point",
    "decompress",
    "encode_point",
    "ints_from_vector",
    "kernel",
    "pack_points",
    "unpack_points",
    "vector_from_ints",
]
