// The weighted sum of rows of int8 and int16 entries, in one pass over those with a weight.
//
// In float64, which is exact: with |entry| <= 2^15 and weights of 2^37 at most in all, no partial sum exceeds 2^52.
#pragma once

#include "parallel.hpp"
#include "updates.hpp"

namespace gramercy {

namespace detail {

constexpr std::size_t kSumEntries = 2048;  // of one block: sums stay in the first-level cache
constexpr std::size_t kSlice = 256;        // of one row at a time, while the next block's are fetched

struct WeightedRow {
  UpdateRow row;
  double weight;
};

template <class Entry>
inline __attribute__((always_inline)) Entry entry_at(const unsigned char* p, std::size_t k) {
  Entry x;
  std::memcpy(&x, p + k * sizeof(Entry), sizeof x);
  return x;
}

// sums += the weighted entries of four rows.
template <class Entry>
inline __attribute__((always_inline)) void add_rows(const WeightedRow* rows, std::size_t first, std::size_t width,
                                                    double* __restrict sums) {
  const unsigned char *const a = rows[0].row.at(first), *const b = rows[1].row.at(first),
                             *const c = rows[2].row.at(first), *const d = rows[3].row.at(first);
  const double wa = rows[0].weight, wb = rows[1].weight, wc = rows[2].weight, wd = rows[3].weight;
  for (std::size_t k = 0; k < width; ++k) {
    sums[k] += (wa * entry_at<Entry>(a, k) + wb * entry_at<Entry>(b, k)) +
               (wc * entry_at<Entry>(c, k) + wd * entry_at<Entry>(d, k));
  }
}

template <class Entry>
inline __attribute__((always_inline)) void add_row(const WeightedRow& row, std::size_t first, std::size_t width,
                                                   double* __restrict sums) {
  const unsigned char* const a = row.row.at(first);
  for (std::size_t k = 0; k < width; ++k) sums[k] += row.weight * entry_at<Entry>(a, k);
}

// Coordinates of the next block; reading beyond a row's end is harmless, as nothing but the cache takes notice.
inline __attribute__((always_inline)) void fetch(const UpdateRow& row, std::size_t first) {
  for (std::size_t k = 0; k < kSlice * row.bytes; k += 64) __builtin_prefetch(row.at(first) + k, 0, 2);
}

inline __attribute__((always_inline)) void sum_block(const WeightedRow* rows, std::size_t count, std::size_t first,
                                                     std::size_t width, std::int64_t* __restrict out) {
  alignas(64) double sums[kSumEntries];
  for (std::size_t k = 0; k < width; ++k) sums[k] = 0;
  std::size_t i = 0;
  while (i < count) {
    const unsigned bytes = rows[i].row.bytes;
    bool four = i + 4 <= count;
    for (std::size_t j = i; four && j < i + 4; ++j) four = rows[j].row.bytes == bytes;
    for (std::size_t at = 0; at < width; at += kSlice) {
      const std::size_t slice = std::min(kSlice, width - at);
      for (std::size_t j = i; j < i + (four ? 4 : 1); ++j) fetch(rows[j].row, first + width + at);
      if (four) {
        bytes == 1 ? add_rows<std::int8_t>(rows + i, first + at, slice, sums + at)
                   : add_rows<std::int16_t>(rows + i, first + at, slice, sums + at);
      } else {
        bytes == 1 ? add_row<std::int8_t>(rows[i], first + at, slice, sums + at)
                   : add_row<std::int16_t>(rows[i], first + at, slice, sums + at);
      }
    }
    i += four ? 4 : 1;
  }
  for (std::size_t k = 0; k < width; ++k) out[k] = static_cast<std::int64_t>(sums[k]);
}

using SumBlock = void (*)(const WeightedRow*, std::size_t, std::size_t, std::size_t, std::int64_t*);

inline void sum_block_portable(const WeightedRow* rows, std::size_t count, std::size_t first, std::size_t width,
                               std::int64_t* out) {
  sum_block(rows, count, first, width, out);
}

#if GRAMERCY_X86
GRAMERCY_AVX2 inline void sum_block_avx2(const WeightedRow* rows, std::size_t count, std::size_t first,
                                         std::size_t width, std::int64_t* out) {
  sum_block(rows, count, first, width, out);
}

GRAMERCY_VNNI inline void sum_block_vnni(const WeightedRow* rows, std::size_t count, std::size_t first,
                                         std::size_t width, std::int64_t* out) {
  sum_block(rows, count, first, width, out);
}
#endif

inline SumBlock sum_block_of(Level level) {
#if GRAMERCY_X86
  if (level == Level::kVnni) return sum_block_vnni;
  if (level == Level::kAvx2) return sum_block_avx2;
#endif
  (void)level;
  return sum_block_portable;
}

}  // namespace detail

// out[k] = sum_i weights[i] * rows[i][k]; rows without a weight are not read. The weights' magnitudes sum to 2^37 at
// most.
inline void weighted_sum(const std::vector<UpdateRow>& rows, const std::vector<std::int64_t>& weights,
                         std::size_t count, std::int64_t* out, unsigned threads, Level level) {
  constexpr std::size_t kTask = 32 * detail::kSumEntries;
  std::vector<detail::WeightedRow> used;
  for (std::size_t i = 0; i < rows.size(); ++i) {
    if (weights[i] != 0) used.push_back({rows[i], static_cast<double>(weights[i])});
  }
  const detail::SumBlock sum = detail::sum_block_of(level);
  parallel_blocks(threads, count, kTask, [&](std::size_t begin, std::size_t end, unsigned) {
    for (std::size_t at = begin; at < end; at += detail::kSumEntries) {
      sum(used.data(), used.size(), at, std::min(detail::kSumEntries, end - at), out + at);
    }
  });
}

}  // namespace gramercy
