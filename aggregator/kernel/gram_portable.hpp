// Products of a block of coordinates in plain C++: what the vector code is compared with, and what serves without it.
#pragma once

#include "memory.hpp"
#include "tiles.hpp"

namespace gramercy {

class PortableProducts {
 public:
  static constexpr unsigned kGroup = 1;
  static constexpr std::size_t kMostBlocks = 16;

  explicit PortableProducts(const Tiles& tiles)
      : tiles_(tiles), entries_(tiles.rows.size() * kSpan), totals_(tiles.products) {
    clear();
  }

  std::size_t span() const { return kSpan; }

  // Adds the products of coordinates first .. first + width; the next block, of `ahead` coordinates, may be fetched.
  void add(std::size_t first, std::size_t width, std::size_t /*ahead*/) {
    for (std::size_t i = 0; i < tiles_.rows.size(); ++i) tiles_.rows[i].widen(first, width, row(i));
    for (const Tile& tile : tiles_.tiles) {
      for (unsigned r = 0; r < tile.left.count; ++r) {
        for (unsigned c = 0; c < tile.right.count; ++c) {
          const std::int16_t *const a = row(tile.left.first + r), *const b = row(tile.right.first + c);
          std::int64_t sum = 0;
          for (std::size_t k = 0; k < width; ++k) sum += std::int32_t{a[k]} * b[k];
          totals_[tile.number + r * tile.right.count + c] += sum;
        }
      }
    }
  }

  // Adds what was summed up since the last time to `sums`, in the order of the tiles.
  void flush(std::int64_t* sums) {
    for (std::size_t p = 0; p < tiles_.products; ++p) sums[p] += totals_[p];
    clear();
  }

 private:
  static constexpr std::size_t kSpan = 2048;

  std::int16_t* row(std::size_t i) { return entries_.data() + i * kSpan; }
  void clear() { std::memset(totals_.data(), 0, tiles_.products * sizeof(std::int64_t)); }

  const Tiles& tiles_;
  Buffer<std::int16_t> entries_;
  Buffer<std::int64_t> totals_;
};

}  // namespace gramercy
