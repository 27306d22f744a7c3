// Rules that sort every coordinate's entries: means of middle places, and means of those nearest the median.
#pragma once

#include <atomic>
#include <type_traits>

#include "memory.hpp"
#include "networks.hpp"
#include "parallel.hpp"
#include "updates.hpp"

namespace gramercy {

// Which of a coordinate's sorted entries are averaged: places first .. last - 1; or, if `nearest` is not 0, so many of
// those places that lie nearest to the median of all, the lower ones where two are equally near.
struct Places {
  std::size_t first, last, nearest;
};

namespace detail {

constexpr std::size_t kStripBytes = 256;

template <class Entry>
struct Wide {  // sums of at most 2^16 entries, exactly
  using Type = std::int32_t;
};
template <>
struct Wide<float> {
  using Type = double;
};

// Sorts strips of coordinates, held row by row so that a comparator is a minimum and a maximum of vectors.
template <class Entry>
struct Strip {
  static constexpr std::size_t kWidth = kStripBytes / sizeof(Entry);
  using Sum = typename Wide<Entry>::Type;

  // False if an entry is not finite.
  static inline __attribute__((always_inline)) bool load(const std::vector<const unsigned char*>& rows,
                                                         std::size_t first, std::size_t width, Entry* strip) {
    bool finite = true;
    for (std::size_t i = 0; i < rows.size(); ++i) {
      Entry* const out = strip + i * kWidth;
      if (width < kWidth) std::memset(out, 0, kStripBytes);
      std::memcpy(out, rows[i] + first * sizeof(Entry), width * sizeof(Entry));
      if constexpr (std::is_same_v<Entry, float>) {
        std::int32_t largest = 0;  // of the magnitudes' bits, which are ordered as magnitudes are
        for (std::size_t k = 0; k < kWidth; ++k) {
          std::int32_t bits;
          std::memcpy(&bits, out + k, sizeof bits);
          largest = std::max(largest, bits & 0x7fffffff);
        }
        finite = finite && largest < 0x7f800000;
      }
    }
    return finite;
  }

  static void sort(const std::vector<Comparator>& network, Entry* strip) {
    for (const Comparator& comparator : network) {
      Entry* __restrict const a = strip + comparator.first * kWidth;
      Entry* __restrict const b = strip + comparator.second * kWidth;
      for (std::size_t k = 0; k < kWidth; ++k) {
        const Entry x = a[k], y = b[k];
        a[k] = x < y ? x : y;
        b[k] = x < y ? y : x;
      }
    }
  }

#if GRAMERCY_X86
  GRAMERCY_AVX2 static void order(std::int8_t* a, std::int8_t* b) {
    __m256i *const p = reinterpret_cast<__m256i*>(a), *const q = reinterpret_cast<__m256i*>(b);
    const __m256i x = _mm256_load_si256(p), y = _mm256_load_si256(q);
    _mm256_store_si256(p, _mm256_min_epi8(x, y));
    _mm256_store_si256(q, _mm256_max_epi8(x, y));
  }
  GRAMERCY_AVX2 static void order(std::int16_t* a, std::int16_t* b) {
    __m256i *const p = reinterpret_cast<__m256i*>(a), *const q = reinterpret_cast<__m256i*>(b);
    const __m256i x = _mm256_load_si256(p), y = _mm256_load_si256(q);
    _mm256_store_si256(p, _mm256_min_epi16(x, y));
    _mm256_store_si256(q, _mm256_max_epi16(x, y));
  }
  GRAMERCY_AVX2 static void order(float* a, float* b) {
    const __m256 x = _mm256_load_ps(a), y = _mm256_load_ps(b);
    _mm256_store_ps(a, _mm256_min_ps(x, y));
    _mm256_store_ps(b, _mm256_max_ps(x, y));
  }

  GRAMERCY_AVX2 static void sort_avx2(const std::vector<Comparator>& network, Entry* strip) {
    constexpr std::size_t kVector = 32 / sizeof(Entry);
    for (const Comparator& comparator : network) {
      Entry *const a = strip + comparator.first * kWidth, *const b = strip + comparator.second * kWidth;
      for (std::size_t k = 0; k < kWidth; k += kVector) order(a + k, b + k);
    }
  }
#endif

  static inline __attribute__((always_inline)) void average(const Entry* strip, std::size_t rows, const Places& places,
                                                            Sum* __restrict sums) {
    const std::size_t count = places.nearest ? places.nearest : places.last - places.first;
    for (std::size_t k = 0; k < kWidth; ++k) sums[k] = 0;
    for (std::size_t i = places.first; i < places.first + count; ++i) {
      for (std::size_t k = 0; k < kWidth; ++k) sums[k] += strip[i * kWidth + k];
    }
    const Entry *const low = strip + (rows - 1) / 2 * kWidth, *const high = strip + rows / 2 * kWidth;
    for (std::size_t i = places.first; i + count < places.last; ++i) {  // take the next one in, and the lowest out
      const Entry *const out = strip + i * kWidth, *const in = strip + (i + count) * kWidth;
      for (std::size_t k = 0; k < kWidth; ++k) {
        const bool nearer = Sum{in[k]} + Sum{out[k]} < Sum{low[k]} + Sum{high[k]};
        sums[k] += nearer ? Sum{in[k]} - Sum{out[k]} : Sum{0};
      }
    }
  }

  template <bool kVectors>
  static inline __attribute__((always_inline)) bool run(const std::vector<const unsigned char*>& rows,
                                                        const std::vector<Comparator>& network, const Places& places,
                                                        std::size_t first, std::size_t last, Entry* strip, float* out) {
    const double count = static_cast<double>(places.nearest ? places.nearest : places.last - places.first);
    Sum sums[kWidth];
    for (std::size_t at = first; at < last; at += kWidth) {
      const std::size_t width = std::min(kWidth, last - at);
      if (!load(rows, at, width, strip)) return false;
#if GRAMERCY_X86
      kVectors ? sort_avx2(network, strip) : sort(network, strip);
#else
      sort(network, strip);
#endif
      average(strip, rows.size(), places, sums);
      for (std::size_t k = 0; k < width; ++k) out[at + k] = static_cast<float>(static_cast<double>(sums[k]) / count);
    }
    return true;
  }

  using Run = bool (*)(const std::vector<const unsigned char*>&, const std::vector<Comparator>&, const Places&,
                       std::size_t, std::size_t, Entry*, float*);

  static bool portable(const std::vector<const unsigned char*>& rows, const std::vector<Comparator>& network,
                       const Places& places, std::size_t first, std::size_t last, Entry* strip, float* out) {
    return run<false>(rows, network, places, first, last, strip, out);
  }
#if GRAMERCY_X86
  GRAMERCY_AVX2 static bool avx2(const std::vector<const unsigned char*>& rows, const std::vector<Comparator>& network,
                                 const Places& places, std::size_t first, std::size_t last, Entry* strip, float* out) {
    return run<true>(rows, network, places, first, last, strip, out);
  }
#endif

  static Run of(Level level) {
#if GRAMERCY_X86
    if (level != Level::kPortable) return avx2;
#endif
    (void)level;
    return portable;
  }
};

}  // namespace detail

// out[k] = the mean of the wanted places of coordinate k's entries, rounded to float32 once; false if an entry is not
// finite. Rows are of `Entry`s, at any address; places lie within them.
template <class Entry>
bool coordinatewise(const std::vector<const unsigned char*>& rows, std::size_t count, const Places& places, float* out,
                    unsigned threads, Level level) {
  using Strip = detail::Strip<Entry>;
  constexpr std::size_t kTask = 64 * Strip::kWidth;
  const auto network =
      places.nearest ? merge_exchange(rows.size()) : selection_network(rows.size(), places.first, places.last);
  const typename Strip::Run run = Strip::of(level);
  std::vector<Buffer<Entry>> strips;
  for (unsigned i = 0; i < threads; ++i) strips.emplace_back(rows.size() * Strip::kWidth);
  std::atomic<bool> finite{true};
  parallel_blocks(threads, count, kTask, [&](std::size_t first, std::size_t last, unsigned worker) {
    if (!run(rows, network, places, first, last, strips[worker].data(), out)) finite = false;
  });
  return finite;
}

}  // namespace gramercy
