// Products of a block of coordinates with AVX2: vpmaddwd, sums of 32 bits modulo 2^32 beside sums of their high halves.
//
// A step gives each 32-bit lane p = a[2l] b[2l] + a[2l+1] b[2l+1]. The sum of the p modulo 2^32 is kept, and the sum of
// floor(p / 2^16), which misses the true sum / 2^16 by less than one a step: together they give it exactly. Entries of
// one byte need no second sum. p itself overflows only where all four entries are -2^15; blocks with such an entry are
// left to the portable code.
#pragma once

#include <algorithm>

#include "gram_portable.hpp"

#if GRAMERCY_X86

namespace gramercy {

class Avx2Products {
 public:
  static constexpr unsigned kGroup = 2;
  static constexpr std::size_t kMostBlocks = 16;

  explicit Avx2Products(const Tiles& tiles)
      : tiles_(tiles), fallback_(tiles), entries_(tiles.rows.size() * kSpan), totals_(tiles.products) {
    clear();
  }

  std::size_t span() const { return kSpan; }

  GRAMERCY_AVX2 void add(std::size_t first, std::size_t width, std::size_t ahead) {
    const std::size_t steps = (width + kStep - 1) / kStep;
    if (!read(first, width, steps)) return fallback_.add(first, width, ahead);
    for (const Tile& tile : tiles_.tiles) {
      const std::int16_t *left[kGroup], *right[kGroup];
      for (unsigned i = 0; i < kGroup; ++i) {  // the last row again where there is one row only
        left[i] = row(tile.left.first + std::min(i, tile.left.count - 1));
        right[i] = row(tile.right.first + std::min(i, tile.right.count - 1));
      }
      std::int64_t sums[kGroup * kGroup];
      if (tiles_.narrow) {
        multiply<false>(left, right, steps, sums);
      } else {
        multiply<true>(left, right, steps, sums);
      }
      for (unsigned r = 0; r < tile.left.count; ++r) {
        for (unsigned c = 0; c < tile.right.count; ++c) {
          totals_[tile.number + r * tile.right.count + c] += sums[r * kGroup + c];
        }
      }
    }
  }

  void flush(std::int64_t* sums) {
    for (std::size_t p = 0; p < tiles_.products; ++p) sums[p] += totals_[p];
    fallback_.flush(sums);
    clear();
  }

 private:
  static constexpr std::size_t kSpan = 2048, kStep = 16;

  std::int16_t* row(std::size_t i) { return entries_.data() + i * kSpan; }
  void clear() { std::memset(totals_.data(), 0, tiles_.products * sizeof(std::int64_t)); }

  // Fills the rows, with zeros up to a whole step; false if an entry is -2^15.
  GRAMERCY_AVX2 bool read(std::size_t first, std::size_t width, std::size_t steps) {
    const __m256i least = _mm256_set1_epi16(-32768);
    __m256i found = _mm256_setzero_si256();
    for (std::size_t i = 0; i < tiles_.rows.size(); ++i) {
      std::int16_t* const out = row(i);
      tiles_.rows[i].widen(first, width, out);
      std::fill(out + width, out + steps * kStep, std::int16_t{0});
      for (std::size_t s = 0; s < steps; ++s) found = _mm256_or_si256(found, _mm256_cmpeq_epi16(vector(out, s), least));
    }
    return _mm256_testz_si256(found, found);
  }

  GRAMERCY_AVX2 static __m256i vector(const std::int16_t* p, std::size_t step) {
    return _mm256_load_si256(reinterpret_cast<const __m256i*>(p) + step);
  }

  template <bool kWide>
  GRAMERCY_AVX2 static void multiply(const std::int16_t* const left[], const std::int16_t* const right[],
                                     std::size_t steps, std::int64_t* sums) {
    __m256i low[kGroup][kGroup], high[kGroup][kGroup];
    for (unsigned r = 0; r < kGroup; ++r) {
      for (unsigned c = 0; c < kGroup; ++c) low[r][c] = high[r][c] = _mm256_setzero_si256();
    }
    for (std::size_t s = 0; s < steps; ++s) {
      const __m256i a[kGroup] = {vector(left[0], s), vector(left[1], s)};
      for (unsigned c = 0; c < kGroup; ++c) {
        const __m256i b = vector(right[c], s);
        for (unsigned r = 0; r < kGroup; ++r) {
          const __m256i p = _mm256_madd_epi16(a[r], b);
          low[r][c] = _mm256_add_epi32(low[r][c], p);
          if (kWide) high[r][c] = _mm256_add_epi32(high[r][c], _mm256_srai_epi32(p, 16));
        }
      }
    }
    for (unsigned r = 0; r < kGroup; ++r) {
      for (unsigned c = 0; c < kGroup; ++c) sums[r * kGroup + c] = sum<kWide>(low[r][c], high[r][c]);
    }
  }

  template <bool kWide>
  GRAMERCY_AVX2 static std::int64_t sum(__m256i low, __m256i high) {
    alignas(32) std::int32_t l[8], h[8];
    _mm256_store_si256(reinterpret_cast<__m256i*>(l), low);
    _mm256_store_si256(reinterpret_cast<__m256i*>(h), high);
    std::int64_t total = 0;
    for (int lane = 0; lane < 8; ++lane) {
      if (kWide) {
        const std::uint32_t rest = static_cast<std::uint32_t>(l[lane]) - (static_cast<std::uint32_t>(h[lane]) << 16);
        total += std::int64_t{h[lane]} * 65536 + rest;
      } else {
        total += l[lane];
      }
    }
    return total;
  }

  const Tiles& tiles_;
  PortableProducts fallback_;
  Buffer<std::int16_t> entries_;
  Buffer<std::int64_t> totals_;
};

}  // namespace gramercy

#endif
