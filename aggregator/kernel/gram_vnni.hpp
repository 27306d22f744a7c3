// Products of a block of coordinates with AVX-512 VNNI, five rows by five: vpdpwssd and vpdpbusd.
//
// Entries of one byte: x y is summed as (x + 128) y, four products to a 32-bit lane and step, exactly.
//
// Entries of two bytes: x = c + s with c = 256 h + 128, where h is the high byte and -128 <= s <= 127. The sum of the
// x y is kept modulo 2^32, and the sum of the h h', which gives that of the c c' exactly. As |x y - c c'| is at most
// 8,372,224, sums of 256 products differ by less than 2^31: the first sum determines the true one. That takes three
// multiplications for 64 products, and nothing else until the end of the block.
#pragma once

#include <algorithm>
#include <array>
#include <utility>

#include "memory.hpp"
#include "tiles.hpp"

#if GRAMERCY_X86

namespace gramercy {

class VnniProducts {
 public:
  static constexpr unsigned kGroup = 5;
  static constexpr std::size_t kMostBlocks = 16;  // between two flushes; sums of 32 bits have room for over 100

  explicit VnniProducts(const Tiles& tiles)
      : tiles_(tiles),
        span_(suitable_span(tiles)),
        words_(tiles.narrow ? 0 : tiles.rows.size() * span_),
        bytes_(tiles.rows.size() * span_),
        word_at_(tiles.rows.size()),
        byte_at_(tiles.rows.size()),
        ahead_(tiles.rows.size()),
        totals_(tiles.rows.size()),
        as_left_(tiles.rows.size() * kLanes),
        as_right_(tiles.rows.size() * kLanes),
        high_(tiles.products * kLanes),
        rest_(tiles.products * kLanes / 2) {
    clear();
  }

  std::size_t span() const { return span_; }

  // Adds the products of coordinates first .. first + width; the next block, of `ahead` coordinates, is fetched.
  GRAMERCY_VNNI void add(std::size_t first, std::size_t width, std::size_t ahead) {
    const std::size_t steps = (width + kStep - 1) / kStep;
    const std::size_t rows = ahead ? tiles_.rows.size() : 0, count = tiles_.tiles.size();
    entries_ += steps * kStep;
    read(first, width, steps);
    for (std::size_t i = 0; i < rows; ++i) ahead_[i] = tiles_.rows[i].at(first + width);
    for (std::size_t t = 0; t < count; ++t) {
      const Tile& tile = tiles_.tiles[t];
      const std::size_t l = tile.left.first, r = tile.right.first, from = rows * t / count;
      const Ahead next{ahead_.data() + from, rows * (t + 1) / count - from};
      Sums high, low;
      if (tiles_.narrow) {
        pass_for<false>(tile)(&byte_at_[l], &byte_at_[r], steps, high, next);
        add_narrow(tile, high);
      } else {
        pass_for<true>(tile)(&word_at_[l], &word_at_[r], steps, low, next);
        pass_for<false>(tile)(&byte_at_[l], &byte_at_[r], steps, high, Ahead{nullptr, 0});
        add_wide(tile, low, high);
      }
    }
  }

  // Adds what was summed up since the last time to `sums`, in the order of the tiles.
  GRAMERCY_VNNI void flush(std::int64_t* sums) {
    for (const Tile& tile : tiles_.tiles) {
      for (unsigned r = 0; r < tile.left.count; ++r) {
        for (unsigned c = 0; c < tile.right.count; ++c) {
          const std::size_t p = tile.number + r * tile.right.count + c;
          const std::int64_t left = totals_[tile.left.first + r], right = totals_[tile.right.first + c];
          const std::int64_t products = sum(high_.data() + p * kLanes) - 128 * right;
          if (tiles_.narrow) {
            sums[p] += products;
          } else {
            sums[p] += 65536 * products + 32768 * (left + right) + 16384 * entries_ +
                       _mm512_reduce_add_epi64(_mm512_load_si512(rest_.data() + p * kLanes / 2));
          }
        }
      }
    }
    clear();
  }

 private:
  static constexpr std::size_t kStep = 64, kLanes = 16, kMostEntries = 4096;
  static constexpr std::size_t kCacheBytes = 768 * 1024;  // of a core's second-level cache
  static_assert(kMostEntries / kLanes * 8'372'224 < std::size_t{1} << 31, "rests fit 32 bits");

  struct Sums {
    alignas(64) std::int32_t lanes[kGroup * kGroup][kLanes];
  };

  // Rows to be fetched meanwhile, a step's worth of each at every step.
  struct Ahead {
    const unsigned char* const* rows;
    std::size_t count;
  };

  using Pass = void (*)(const unsigned char* const* left, const unsigned char* const* right, std::size_t steps,
                        Sums& sums, Ahead ahead);

  // As many coordinates as keep this block, its high bytes and the next block in the cache.
  static std::size_t suitable_span(const Tiles& tiles) {
    const std::size_t bytes = tiles.narrow ? 2 : 5;
    return std::clamp<std::size_t>(kCacheBytes / (bytes * tiles.rows.size()), 512, kMostEntries) / kStep * kStep;
  }

  void clear() {
    std::fill(totals_.begin(), totals_.end(), 0);
    std::memset(high_.data(), 0, high_.size() * sizeof(std::int32_t));
    std::memset(rest_.data(), 0, rest_.size() * sizeof(std::int64_t));
    entries_ = 0;
  }

  GRAMERCY_VNNI static __m512i load(const void* p) { return _mm512_loadu_si512(p); }

  GRAMERCY_VNNI static std::int64_t sum(const std::int32_t* lanes) {
    const __m512i x = load(lanes);
    return _mm512_reduce_add_epi64(_mm512_add_epi64(_mm512_cvtepi32_epi64(_mm512_castsi512_si256(x)),
                                                    _mm512_cvtepi32_epi64(_mm512_extracti64x4_epi64(x, 1))));
  }

  // Finds or makes the block's rows, padded with zeros to whole steps, and what depends on one row alone.
  GRAMERCY_VNNI void read(std::size_t first, std::size_t width, std::size_t steps) {
    const std::size_t padded = steps * kStep;
    for (std::size_t i = 0; i < tiles_.rows.size(); ++i) {
      const UpdateRow& row = tiles_.rows[i];
      unsigned char* const bytes = bytes_.data() + i * span_;
      if (tiles_.narrow) {
        byte_at_[i] = row.at(first);
        if (padded != width) {
          std::memcpy(bytes, row.at(first), width);
          std::memset(bytes + width, 0, padded - width);
          byte_at_[i] = bytes;
        }
        totals_[i] += _mm512_reduce_add_epi32(sum_of_bytes(byte_at_[i], steps));
        continue;
      }
      word_at_[i] = row.at(first);
      byte_at_[i] = bytes;
      if (row.bytes == 1 || padded != width) {
        std::int16_t* const words = words_.data() + i * span_;
        row.widen(first, width, words);
        std::fill(words + width, words + padded, std::int16_t{0});
        word_at_[i] = reinterpret_cast<const unsigned char*>(words);
      }
      const __m512i sums = split(word_at_[i], steps, bytes);
      totals_[i] += _mm512_reduce_add_epi32(sums);
      const __m512i times32768 = _mm512_slli_epi32(sums, 15);
      const __m512i constant = _mm512_set1_epi32(static_cast<int>(16384 * (padded / kLanes)));
      _mm512_store_si512(as_left_.data() + i * kLanes, times32768);
      _mm512_store_si512(as_right_.data() + i * kLanes,
                         _mm512_add_epi32(_mm512_sub_epi32(times32768, _mm512_slli_epi32(sums, 23)), constant));
    }
  }

  GRAMERCY_VNNI static __m512i sum_of_bytes(const unsigned char* row, std::size_t steps) {
    const __m512i ones = _mm512_set1_epi8(1);
    __m512i sums = _mm512_setzero_si512();
    for (std::size_t s = 0; s < steps; ++s) sums = _mm512_dpbusd_epi32(sums, ones, load(row + s * kStep));
    return sums;
  }

  // Writes the high bytes, those of a lane's four words together; returns their sums by lane.
  GRAMERCY_VNNI static __m512i split(const unsigned char* words, std::size_t steps, unsigned char* bytes) {
    const __m512i ones = _mm512_set1_epi8(1), low = _mm512_set1_epi16(0xff);
    __m512i sums = _mm512_setzero_si512();
    for (std::size_t s = 0; s < steps; ++s) {
      const __m512i a = load(words + 2 * kStep * s), b = load(words + 2 * kStep * s + kStep);
      const __m512i high = _mm512_ternarylogic_epi32(_mm512_srli_epi16(a, 8), b, low, 0xe4);  // low ? a : b
      _mm512_store_si512(bytes + kStep * s, high);
      sums = _mm512_dpbusd_epi32(sums, ones, high);
    }
    return sums;
  }

  template <bool kWords, bool kDiagonal, unsigned kLeft, unsigned kRight>
  GRAMERCY_VNNI static void pass(const unsigned char* const* left, const unsigned char* const* right, std::size_t steps,
                                 Sums& sums, Ahead ahead) {
    constexpr std::size_t kParts = kWords ? 2 : 1;
    const __m512i flip = _mm512_set1_epi8(static_cast<char>(0x80));
    const unsigned char *a[kLeft], *b[kRight];
    for (unsigned r = 0; r < kLeft; ++r) a[r] = left[r];
    for (unsigned c = 0; c < kRight; ++c) b[c] = right[c];
    __m512i sum[kLeft][kRight];
#pragma GCC unroll 5
    for (unsigned r = 0; r < kLeft; ++r) {
#pragma GCC unroll 5
      for (unsigned c = 0; c < kRight; ++c) sum[r][c] = _mm512_setzero_si512();
    }
    for (std::size_t at = 0; at < steps * kParts * kStep; at += kStep) {
      __m512i x[kLeft];
      for (std::size_t q = 0; q < ahead.count; ++q) {
        _mm_prefetch(reinterpret_cast<const char*>(ahead.rows[q] + at), _MM_HINT_T1);
      }
#pragma GCC unroll 5
      for (unsigned r = 0; r < kLeft; ++r) {
        x[r] = kWords ? load(a[r] + at) : _mm512_xor_si512(load(a[r] + at), flip);
      }
#pragma GCC unroll 5
      for (unsigned c = 0; c < kRight; ++c) {
        const __m512i y = load(b[c] + at);
#pragma GCC unroll 5
        for (unsigned r = 0; r < kLeft; ++r) {
          if (kDiagonal && c < r) continue;
          sum[r][c] = kWords ? _mm512_dpwssd_epi32(sum[r][c], x[r], y) : _mm512_dpbusd_epi32(sum[r][c], x[r], y);
        }
      }
    }
#pragma GCC unroll 5
    for (unsigned r = 0; r < kLeft; ++r) {
#pragma GCC unroll 5
      for (unsigned c = 0; c < kRight; ++c) _mm512_store_si512(sums.lanes[r * kRight + c], sum[r][c]);
    }
  }

  static constexpr unsigned kShapes = kGroup * kGroup;

  template <bool kWords, bool kDiagonal, std::size_t... kShape>
  static constexpr std::array<Pass, kShapes> passes(std::index_sequence<kShape...>) {
    return {&pass<kWords, kDiagonal, kShape / kGroup + 1, kShape % kGroup + 1>...};
  }

  template <bool kWords>
  static Pass pass_for(const Tile& tile) {
    constexpr auto kPlain = passes<kWords, false>(std::make_index_sequence<kShapes>());
    constexpr auto kDiagonal = passes<kWords, true>(std::make_index_sequence<kShapes>());
    const unsigned shape = (tile.left.count - 1) * kGroup + tile.right.count - 1;
    return (tile.diagonal ? kDiagonal : kPlain)[shape];
  }

  GRAMERCY_VNNI void add_narrow(const Tile& tile, const Sums& high) {
    const unsigned products = tile.left.count * tile.right.count;
    for (unsigned i = 0; i < products; ++i) accumulate(tile.number + i, load(high.lanes[i]));
  }

  GRAMERCY_VNNI void add_wide(const Tile& tile, const Sums& low, const Sums& high) {
    for (unsigned r = 0; r < tile.left.count; ++r) {
      const __m512i left = load(as_left_.data() + (tile.left.first + r) * kLanes);
      for (unsigned c = tile.diagonal ? r : 0; c < tile.right.count; ++c) {
        const unsigned i = r * tile.right.count + c;
        const __m512i right = load(as_right_.data() + (tile.right.first + c) * kLanes), h = load(high.lanes[i]);
        const __m512i known = _mm512_add_epi32(_mm512_slli_epi32(h, 16), _mm512_add_epi32(left, right));
        const __m512i rest = _mm512_sub_epi32(load(low.lanes[i]), known);
        std::int64_t* const sums = rest_.data() + (tile.number + i) * kLanes / 2;
        const __m512i more = _mm512_add_epi64(_mm512_cvtepi32_epi64(_mm512_castsi512_si256(rest)),
                                              _mm512_cvtepi32_epi64(_mm512_extracti64x4_epi64(rest, 1)));
        _mm512_store_si512(sums, _mm512_add_epi64(load(sums), more));
        accumulate(tile.number + i, h);
      }
    }
  }

  GRAMERCY_VNNI void accumulate(std::size_t product, __m512i high) {
    std::int32_t* const sums = high_.data() + product * kLanes;
    _mm512_store_si512(sums, _mm512_add_epi32(load(sums), high));
  }

  const Tiles& tiles_;
  std::size_t span_;
  Buffer<std::int16_t> words_;
  Buffer<unsigned char> bytes_;
  std::vector<const unsigned char*> word_at_, byte_at_, ahead_;
  std::vector<std::int64_t> totals_;  // sums of each row's (high) bytes
  Buffer<std::int32_t> as_left_, as_right_, high_;
  Buffer<std::int64_t> rest_;
  std::int64_t entries_ = 0;
};

}  // namespace gramercy

#endif
