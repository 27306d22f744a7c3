// Arrays of points: checks, and the 64-byte form of EIP-196.
#pragma once

#include "errors.hpp"

namespace gramercy {

// Every point canonical, on the curve and, unless allowed, not infinity.
inline void require_points(const Affine* points, std::size_t count, bool infinity, unsigned threads) {
  First bad;
  const auto why = [&](const Affine& p) {
    if (!p.canonical()) return 1;
    if (p.is_infinity()) return infinity ? 0 : 3;
    return p.on_curve() ? 0 : 2;
  };
  parallel_blocks(threads, count, kBlock, [&](std::size_t first, std::size_t last, unsigned) {
    for (std::size_t i = first; i < last; ++i) {
      if (why(points[i]) != 0) return bad.report(i);
    }
  });
  if (!bad.any()) return;
  const int reason = why(points[bad.index()]);
  throw BadPoint{bad.index(), reason == 1   ? BadPoint::Why::kNotCanonical
                              : reason == 3 ? BadPoint::Why::kInfinity
                                            : BadPoint::Why::kNotOnCurve};
}

namespace detail {

inline void write_big_endian(const Limbs& x, std::uint8_t* out) {
  for (int i = 0; i < 32; ++i) out[31 - i] = static_cast<std::uint8_t>(x[i / 8] >> (8 * (i % 8)));
}

inline Limbs read_big_endian(const std::uint8_t* in) {
  Limbs x{};
  for (int i = 0; i < 32; ++i) x[i / 8] |= static_cast<u64>(in[31 - i]) << (8 * (i % 8));
  return x;
}

}  // namespace detail

// x and y, 32 bytes each, big-endian; infinity is zeros.
inline void encode_points(const Affine* points, std::size_t count, std::uint8_t* out, unsigned threads) {
  require_points(points, count, true, threads);
  parallel_blocks(threads, count, kBlock, [&](std::size_t first, std::size_t last, unsigned) {
    for (std::size_t i = first; i < last; ++i) {
      detail::write_big_endian(points[i].x.integer(), out + 64 * i);
      detail::write_big_endian(points[i].y.integer(), out + 64 * i + 32);
    }
  });
}

inline void decode_points(const std::uint8_t* data, std::size_t count, Affine* out, unsigned threads) {
  First bad;
  parallel_blocks(threads, count, kBlock, [&](std::size_t first, std::size_t last, unsigned) {
    for (std::size_t i = first; i < last; ++i) {
      const Limbs x = detail::read_big_endian(data + 64 * i), y = detail::read_big_endian(data + 64 * i + 32);
      if (!Fp::canonical(x) || !Fp::canonical(y)) return bad.report(i);
      out[i] = {Fp::from(x), Fp::from(y)};
    }
  });
  // Points before the first that is not canonical may be off the curve: the first offender is named.
  require_points(out, bad.any() ? bad.index() : count, true, threads);
  if (bad.any()) throw BadPoint{bad.index(), BadPoint::Why::kNotCanonical};
}

}  // namespace gramercy
