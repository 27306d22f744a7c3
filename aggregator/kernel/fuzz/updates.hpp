// Checks of the kernel for updates against definitions; `Source` gives the choices: `below(bound)` and `word()`.
#pragma once

#include <cstdint>
#include <vector>

#include "coordinatewise.hpp"
#include "gram.hpp"
#include "weighted_sum.hpp"

namespace gramercy::testing {

// Rows at odd addresses, with entries where sums overflow first; `bytes` 1 or 2, 0 for a mixture.
template <class Source>
struct RandomUpdates {
  std::size_t count;
  std::vector<std::vector<unsigned char>> memory;
  std::vector<UpdateRow> rows;
  std::vector<std::vector<std::int64_t>> entries;

  RandomUpdates(Source& source, std::size_t most_rows, unsigned bytes)
      : count(1 + source.below(source.below(8) == 0 ? 9000 : 400)) {
    const std::size_t n = 1 + source.below(most_rows);
    for (std::size_t i = 0; i < n; ++i) add(source, bytes ? bytes : 1 + static_cast<unsigned>(source.below(2)));
    for (std::size_t i = 0; i < n; ++i) rows[i].entries = memory[i].data() + memory[i].size() - count * rows[i].bytes;
  }

 private:
  void add(Source& source, unsigned bytes) {
    const std::uint64_t kind = source.below(4);
    memory.emplace_back(source.below(70) + count * bytes);
    entries.emplace_back();
    rows.push_back({nullptr, bytes});
    unsigned char* p = memory.back().data() + memory.back().size() - count * bytes;
    for (std::size_t k = 0; k < count; ++k, p += bytes) {
      const bool low = source.word() >> 63;
      std::int16_t x = kind == 0 ? std::int16_t{-32768} : static_cast<std::int16_t>(source.word());
      if (kind == 1) x = low ? std::int16_t{-32768} : std::int16_t{32767};
      if (kind == 2) x = low ? std::int16_t{0} : std::int16_t{255};
      const std::int8_t narrow = static_cast<std::int8_t>(x >> 8);
      bytes == 1 ? std::memcpy(p, &narrow, 1) : std::memcpy(p, &x, 2);
      entries.back().push_back(bytes == 1 ? narrow : x);
    }
  }
};

inline std::int64_t dot(const std::vector<std::int64_t>& a, const std::vector<std::int64_t>& b) {
  std::int64_t sum = 0;
  for (std::size_t k = 0; k < a.size(); ++k) sum += a[k] * b[k];
  return sum;
}

template <class Source, class Require>
void check_products(Source& source, const Require& require) {
  const RandomUpdates<Source> u(source, 12, static_cast<unsigned>(source.below(3)));
  const std::size_t n = u.rows.size(), left = source.below(n);
  const unsigned threads = 1 + static_cast<unsigned>(source.below(3));
  std::vector<std::int64_t> found(n * n);
  for (const long level : {0L, 1L, 2L}) {
    gram(u.rows, u.count, found.data(), threads, level_of(level));
    for (std::size_t i = 0; i < n; ++i) {
      for (std::size_t j = 0; j < n; ++j) require(found[i * n + j] == dot(u.entries[i], u.entries[j]), "gram");
    }
    if (left == 0) continue;
    const std::vector<UpdateRow> first(u.rows.begin(), u.rows.begin() + static_cast<std::ptrdiff_t>(left));
    const std::vector<UpdateRow> second(u.rows.begin() + static_cast<std::ptrdiff_t>(left), u.rows.end());
    cross_products(first, second, u.count, found.data(), threads, level_of(level));
    for (std::size_t i = 0; i < left; ++i) {
      for (std::size_t j = left; j < n; ++j) {
        require(found[i * (n - left) + j - left] == dot(u.entries[i], u.entries[j]), "cross products");
      }
    }
  }
}

template <class Source, class Require>
void check_weighted_sum(Source& source, const Require& require) {
  const RandomUpdates<Source> u(source, 12, static_cast<unsigned>(source.below(3)));
  std::vector<std::int64_t> weights, found(u.count);
  for (std::size_t i = 0; i < u.rows.size(); ++i) {
    const std::int64_t weight = static_cast<std::int64_t>(source.word() >> 31);
    weights.push_back(source.below(3) == 0 ? 0 : source.below(2) == 0 ? -weight : weight);
  }
  for (const long level : {0L, 1L, 2L}) {
    weighted_sum(u.rows, weights, u.count, found.data(), 2, level_of(level));
    for (std::size_t k = 0; k < u.count; ++k) {
      std::int64_t sum = 0;
      for (std::size_t i = 0; i < weights.size(); ++i) sum += weights[i] * u.entries[i][k];
      require(found[k] == sum, "weighted sum");
    }
  }
}

template <class Source, class Require>
void check_coordinatewise(Source& source, const Require& require) {
  const unsigned bytes = 1 + static_cast<unsigned>(source.below(2));
  const RandomUpdates<Source> u(source, 30, bytes);
  const std::size_t n = u.rows.size(), first = source.below(n), last = first + 1 + source.below(n - first);
  const std::size_t nearest = source.below(last - first + 1);
  std::vector<const unsigned char*> rows;
  for (const UpdateRow& row : u.rows) rows.push_back(row.entries);
  std::vector<float> found(u.count);
  for (const long level : {0L, 1L, 2L}) {
    const auto run = bytes == 1 ? coordinatewise<std::int8_t> : coordinatewise<std::int16_t>;
    require(run(rows, u.count, {first, last, nearest}, found.data(), 2, level_of(level)), "finite");
    for (std::size_t k = 0; k < u.count; ++k) {
      std::vector<std::int64_t> column;
      for (const auto& entries : u.entries) column.push_back(entries[k]);
      std::sort(column.begin(), column.end());
      const std::int64_t twice = column[(n - 1) / 2] + column[n / 2];
      std::vector<std::int64_t> taken(column.begin() + static_cast<std::ptrdiff_t>(first),
                                      column.begin() + static_cast<std::ptrdiff_t>(last));
      if (nearest) {
        std::stable_sort(taken.begin(), taken.end(), [&](std::int64_t a, std::int64_t b) {
          return std::abs(2 * a - twice) < std::abs(2 * b - twice);
        });
        taken.resize(nearest);
      }
      double sum = 0;
      for (const std::int64_t x : taken) sum += static_cast<double>(x);
      require(found[k] == static_cast<float>(sum / static_cast<double>(taken.size())), "coordinatewise");
    }
  }
}

template <class Source, class Require>
void check_updates(Source& source, const Require& require) {
  check_products(source, require);
  check_weighted_sum(source, require);
  check_coordinatewise(source, require);
}

}  // namespace gramercy::testing
