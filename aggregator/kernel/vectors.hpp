// Vectors over F_r in plain form: combinations of small integers, and what is linear in a polynomial's coefficients.
#pragma once

#include "errors.hpp"

namespace gramercy {

namespace detail {

inline Limbs from_signed(__int128 x) {
  const u64 sign = static_cast<u64>(static_cast<std::int64_t>(x >> 127));
  return {static_cast<u64>(x), static_cast<u64>(static_cast<u128>(x) >> 64), sign, sign};
}

inline Limbs shifted_left(const Limbs& x, unsigned bits) {  // 0 < bits % 64
  Limbs result{};
  for (unsigned i = 0; i < 4; ++i) {
    const unsigned from = bits / 64;
    if (i >= from) result[i] = x[i - from] << (bits % 64);
    if (i > from) result[i] |= x[i - from - 1] >> (64 - bits % 64);
  }
  return result;
}

// The residue of a two's complement integer of absolute value below r.
inline Limbs residue(Limbs x) {
  if (x[3] >> 63) add_to(x, Fr::kModulus);
  return x;
}

// Horner's rule for coefficients first..last, as four interleaved runs: one product waits for the one before it.
inline Fr horner(const Limbs* a, std::size_t count, const Fr& z) {
  constexpr std::size_t kRuns = 4;
  const std::size_t length = count / kRuns;
  Fr value[kRuns];
  for (Fr& v : value) v = Fr::zero();
  for (std::size_t k = length; k-- > 0;) {
    for (std::size_t run = 0; run < kRuns; ++run) value[run] = value[run] * z + Fr{a[run * length + k]};
  }
  Fr sum = Fr::zero();
  for (std::size_t k = count; k-- > kRuns * length;) sum = sum * z + Fr{a[k]};
  const Fr step = z.power(static_cast<u64>(length));
  for (std::size_t run = kRuns; run-- > 0;) sum = sum * step + value[run];
  return sum;
}

// The values of the blocks' polynomials, each as if its first coefficient were constant.
inline std::vector<Fr> block_values(const Limbs* a, std::size_t count, const Fr& z, unsigned threads) {
  std::vector<Fr> values((count + kBlock - 1) / kBlock);
  parallel_blocks(threads, count, kBlock, [&](std::size_t first, std::size_t last, unsigned) {
    values[first / kBlock] = horner(a + first, last - first, z);
  });
  return values;
}

}  // namespace detail

// A row of a combination: one update's entries.
struct Row {
  const void* entries;
  unsigned bytes;  // of an entry: 1 or 2
};

// out[k] = sum_i weights[i] * rows[i][k] modulo r, for weights below 2^128. The sums are exact: digits of the weights
// of 43 bits, times 16 bits, leave room for 31 rows in 64 bits, and their sums for any number of rows in 128.
inline void combine(const std::vector<Row>& rows, const std::vector<u128>& weights, std::size_t count, Limbs* out,
                    unsigned threads) {
  constexpr std::size_t kCoordinates = 1024, kRows = 31;
  constexpr unsigned kDigits = 3, kBits = 43;
  std::vector<std::array<std::int64_t, kDigits>> digits(weights.size());
  for (std::size_t i = 0; i < weights.size(); ++i) {
    for (unsigned d = 0; d < kDigits; ++d) {
      digits[i][d] = static_cast<std::int64_t>(static_cast<u64>(weights[i] >> (kBits * d)) & ((u64{1} << kBits) - 1));
    }
  }
  parallel_blocks(threads, count, kCoordinates, [&](std::size_t first, std::size_t last, unsigned) {
    std::int64_t sums[kDigits][kCoordinates];
    __int128 totals[kDigits][kCoordinates];
    const std::size_t width = last - first;
    std::memset(totals, 0, sizeof totals);
    const auto add_row = [&](const auto* row, const std::array<std::int64_t, kDigits>& digit) {
      for (unsigned d = 0; d < kDigits; ++d) {
        for (std::size_t k = 0; k < width; ++k) sums[d][k] += row[k] * digit[d];
      }
    };
    for (std::size_t i = 0; i < rows.size(); i += kRows) {
      std::memset(sums, 0, sizeof sums);
      for (std::size_t j = i; j < std::min(rows.size(), i + kRows); ++j) {
        if (rows[j].bytes == 1) {
          add_row(static_cast<const std::int8_t*>(rows[j].entries) + first, digits[j]);
        } else {
          add_row(static_cast<const std::int16_t*>(rows[j].entries) + first, digits[j]);
        }
      }
      for (unsigned d = 0; d < kDigits; ++d) {
        for (std::size_t k = 0; k < width; ++k) totals[d][k] += sums[d][k];
      }
    }
    for (std::size_t k = 0; k < width; ++k) {
      Limbs sum = detail::from_signed(totals[0][k]);
      for (unsigned d = 1; d < kDigits; ++d)
        add_to(sum, detail::shifted_left(detail::from_signed(totals[d][k]), kBits * d));
      out[first + k] = detail::residue(sum);
    }
  });
}

template <class Integer>
void from_integers(const Integer* values, std::size_t count, Limbs* out, unsigned threads) {
  parallel_blocks(threads, count, kBlock, [&](std::size_t first, std::size_t last, unsigned) {
    for (std::size_t k = first; k < last; ++k) out[k] = detail::residue(detail::from_signed(values[k]));
  });
}

// sum_k a[k] z^k
inline Fr evaluate(const Limbs* a, std::size_t count, const Fr& z, unsigned threads) {
  require_scalars(a, count, threads);
  const std::vector<Fr> values = detail::block_values(a, count, z, threads);
  const Fr step = z.power(u64{kBlock});
  Fr sum = Fr::zero();
  for (std::size_t b = values.size(); b-- > 0;) sum = sum * step + values[b];
  return sum;
}

// out = (a - a(z)) / (X - z), count - 1 coefficients: q[k] = a[k + 1] + z q[k + 1], from the top of every block at
// once.
inline void divide(const Limbs* a, std::size_t count, const Fr& z, Limbs* out, unsigned threads) {
  require_scalars(a, count, threads);
  const std::size_t terms = count - 1;
  const Limbs* const b = a + 1;
  const std::vector<Fr> values = detail::block_values(b, terms, z, threads);
  const Fr step = z.power(u64{kBlock});
  std::vector<Fr> above(values.size() + 1, Fr::zero());  // q at the end of each block
  for (std::size_t i = values.size(); i-- > 1;) above[i - 1] = values[i] + step * above[i];
  parallel_blocks(threads, terms, kBlock, [&](std::size_t first, std::size_t last, unsigned) {
    Fr q = above[first / kBlock];
    for (std::size_t k = last; k-- > first;) {
      q = q * z + Fr{b[k]};
      out[k] = q.v;
    }
  });
}

// out = a + factor * b, as long as the longer one.
inline void add_scaled(const Limbs* a, std::size_t na, const Limbs* b, std::size_t nb, const Fr& factor, Limbs* out,
                       unsigned threads) {
  require_scalars(a, na, threads);
  require_scalars(b, nb, threads);
  parallel_blocks(threads, std::max(na, nb), kBlock, [&](std::size_t first, std::size_t last, unsigned) {
    for (std::size_t k = first; k < last; ++k) {
      const Fr left = k < na ? Fr{a[k]} : Fr::zero();
      out[k] = k < nb ? (left + Fr{b[k]} * factor).v : left.v;
    }
  });
}

// out[k] = start * ratio^k; `start` a plain integer read as an element, so that the result is plain too.
inline void geometric(const Limbs& start, const Fr& ratio, std::size_t count, Limbs* out, unsigned threads) {
  constexpr std::size_t kRuns = 4;
  const Fr step = ratio.power(u64{kRuns});
  parallel_blocks(threads, count, kBlock, [&](std::size_t first, std::size_t last, unsigned) {
    Fr term = Fr{start} * ratio.power(static_cast<u64>(first));
    for (std::size_t k = first; k < std::min(last, first + kRuns); ++k, term *= ratio) out[k] = term.v;
    for (std::size_t k = first + kRuns; k < last; ++k) out[k] = (Fr{out[k - kRuns]} * step).v;
  });
}

}  // namespace gramercy
