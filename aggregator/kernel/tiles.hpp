// Which inner products are wanted, cut into tiles: a few rows by a few rows, so that sums stay in registers.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

#include "updates.hpp"

namespace gramercy {

struct RowGroup {
  std::size_t first;
  unsigned count;
};

struct Tile {
  RowGroup left, right;
  bool diagonal;       // left and right are the same rows: only products of a row with itself and with later ones
  std::size_t number;  // of products in the tiles before
};

// Rows that are multiplied, all with all after them or one part with the other, and the tiles that cover that.
struct Tiles {
  std::vector<UpdateRow> rows;
  std::vector<Tile> tiles;
  std::size_t products = 0;
  bool narrow = true;  // every entry has one byte

  // All products of `rows`.
  Tiles(std::vector<UpdateRow> all, unsigned most) : rows(std::move(all)) {
    const std::vector<RowGroup> groups = grouped(0, rows.size(), most);
    for (std::size_t i = 0; i < groups.size(); ++i) {
      for (std::size_t j = i; j < groups.size(); ++j) add(groups[i], groups[j], i == j);
    }
    look();
  }

  // Products of the first `left` rows with the others.
  Tiles(std::vector<UpdateRow> all, std::size_t left, unsigned most) : rows(std::move(all)) {
    for (const RowGroup& i : grouped(0, left, most)) {
      for (const RowGroup& j : grouped(left, rows.size() - left, most)) add(i, j, false);
    }
    look();
  }

 private:
  // Groups of at most `most` rows that differ in length by one at most.
  static std::vector<RowGroup> grouped(std::size_t first, std::size_t count, unsigned most) {
    const std::size_t number = (count + most - 1) / most;
    std::vector<RowGroup> groups;
    for (std::size_t g = 0; g < number; ++g) {
      const std::size_t begin = count * g / number, end = count * (g + 1) / number;
      groups.push_back({first + begin, static_cast<unsigned>(end - begin)});
    }
    return groups;
  }

  void add(const RowGroup& left, const RowGroup& right, bool diagonal) {
    tiles.push_back({left, right, diagonal, products});
    products += std::size_t{left.count} * right.count;
  }

  void look() {
    for (const UpdateRow& row : rows) narrow = narrow && row.bytes == 1;
  }
};

}  // namespace gramercy
