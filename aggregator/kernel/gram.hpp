// Exact inner products of rows of int8 and int16 entries, streamed over coordinates by several threads.
#pragma once

#include <memory>

#include "gram_avx2.hpp"
#include "gram_portable.hpp"
#include "gram_vnni.hpp"
#include "parallel.hpp"

namespace gramercy {

namespace detail {

// Coordinates before the first one that lies at the start of a cache line; rows made alike all begin there.
inline std::size_t unaligned_head(const UpdateRow& row, std::size_t count) {
  constexpr std::size_t kLine = 64;
  const std::size_t past = reinterpret_cast<std::uintptr_t>(row.entries) % kLine;
  return past == 0 || past % row.bytes != 0 ? 0 : std::min(count, (kLine - past) / row.bytes);
}

// The products of `tiles` over `count` coordinates, added up in the order of the tiles.
template <class Products>
std::vector<std::int64_t> sum_products(const Tiles& tiles, std::size_t count, unsigned threads) {
  constexpr std::size_t kSmall = std::size_t{1} << 22;  // products that are not worth a thread
  if (count < kSmall / std::max<std::size_t>(tiles.products, 1)) threads = 1;
  const std::size_t head = unaligned_head(tiles.rows.front(), count);
  struct Worker {
    std::unique_ptr<Products> products;
    std::vector<std::int64_t> sums;
  };
  std::vector<Worker> workers(threads);
  const std::size_t span = Products(tiles).span(), most = span * Products::kMostBlocks;
  // Not so long that one thread has a task more than another.
  const std::size_t share = (count - head) / (std::size_t{8} * threads) / span * span;
  const std::size_t length = std::clamp(share, span, most);
  const std::size_t tasks = std::max<std::size_t>(1, (count - head + length - 1) / length);
  parallel_for(threads, tasks, [&](std::size_t task, unsigned index) {
    Worker& worker = workers[index];
    if (!worker.products) {
      worker.products = std::make_unique<Products>(tiles);
      worker.sums.assign(tiles.products, 0);
    }
    const std::size_t end = std::min(count, head + (task + 1) * length);
    std::size_t at = task == 0 ? 0 : head + task * length;
    while (at < end) {
      const std::size_t width = at < head ? head : std::min(span, end - at);
      worker.products->add(at, width, std::min(span, end - at - width));
      at += width;
    }
    worker.products->flush(worker.sums.data());
  });
  std::vector<std::int64_t> sums(tiles.products);
  for (const Worker& worker : workers) {
    for (std::size_t p = 0; p < worker.sums.size(); ++p) sums[p] += worker.sums[p];
  }
  return sums;
}

template <class... Shape>
Tiles tiles_for(Level level, std::vector<UpdateRow> rows, Shape... shape) {
#if GRAMERCY_X86
  if (level == Level::kVnni) return Tiles(std::move(rows), shape..., VnniProducts::kGroup);
  if (level == Level::kAvx2) return Tiles(std::move(rows), shape..., Avx2Products::kGroup);
#endif
  (void)level;
  return Tiles(std::move(rows), shape..., PortableProducts::kGroup);
}

inline std::vector<std::int64_t> sum_products(Level level, const Tiles& tiles, std::size_t count, unsigned threads) {
#if GRAMERCY_X86
  if (level == Level::kVnni) return sum_products<VnniProducts>(tiles, count, threads);
  if (level == Level::kAvx2) return sum_products<Avx2Products>(tiles, count, threads);
#endif
  (void)level;
  return sum_products<PortableProducts>(tiles, count, threads);
}

}  // namespace detail

// out[i * n + j] = sum_k rows[i][k] * rows[j][k], n > 0 rows of `count` entries; sums are modulo 2^64.
inline void gram(const std::vector<UpdateRow>& rows, std::size_t count, std::int64_t* out, unsigned threads,
                 Level level) {
  const Tiles tiles = detail::tiles_for(level, rows);
  const std::vector<std::int64_t> sums = detail::sum_products(level, tiles, count, threads);
  for (const Tile& tile : tiles.tiles) {
    for (unsigned r = 0; r < tile.left.count; ++r) {
      for (unsigned c = tile.diagonal ? r : 0; c < tile.right.count; ++c) {
        const std::size_t i = tile.left.first + r, j = tile.right.first + c, n = rows.size();
        out[i * n + j] = out[j * n + i] = sums[tile.number + r * tile.right.count + c];
      }
    }
  }
}

// out[i * m + j] = sum_k left[i][k] * right[j][k] for m rows on the right; both sides have rows.
inline void cross_products(const std::vector<UpdateRow>& left, const std::vector<UpdateRow>& right, std::size_t count,
                           std::int64_t* out, unsigned threads, Level level) {
  std::vector<UpdateRow> rows(left);
  rows.insert(rows.end(), right.begin(), right.end());
  const Tiles tiles = detail::tiles_for(level, std::move(rows), left.size());
  const std::vector<std::int64_t> sums = detail::sum_products(level, tiles, count, threads);
  for (const Tile& tile : tiles.tiles) {
    for (unsigned r = 0; r < tile.left.count; ++r) {
      for (unsigned c = 0; c < tile.right.count; ++c) {
        const std::size_t i = tile.left.first + r, j = tile.right.first - left.size() + c;
        out[i * right.size() + j] = sums[tile.number + r * tile.right.count + c];
      }
    }
  }
}

}  // namespace gramercy
