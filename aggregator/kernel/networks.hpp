// Sorting networks for any number of rows, without the comparators that the wanted places do not depend on.
#pragma once

#include <cstddef>
#include <cstdint>
#include <utility>
#include <vector>

namespace gramercy {

// Puts the smaller of two at the first place.
using Comparator = std::pair<std::uint32_t, std::uint32_t>;

// Batcher's merge exchange (Knuth, The Art of Computer Programming, volume 3, 5.2.2, algorithm M).
inline std::vector<Comparator> merge_exchange(std::size_t count) {
  std::vector<Comparator> network;
  std::size_t top = 1;
  while (top < count) top *= 2;
  for (std::size_t p = top / 2; p > 0; p /= 2) {
    for (std::size_t q = top / 2, r = 0, d = p;; d = q - p, q /= 2, r = p) {
      for (std::size_t i = 0; i + d < count; ++i) {
        if ((i & p) == r) network.emplace_back(i, i + d);
      }
      if (q == p) break;
    }
  }
  return network;
}

// The comparators that bring the right values to places first .. last - 1, in order.
inline std::vector<Comparator> selection_network(std::size_t count, std::size_t first, std::size_t last) {
  const std::vector<Comparator> network = merge_exchange(count);
  std::vector<bool> needed(count);
  for (std::size_t i = first; i < last; ++i) needed[i] = true;
  std::vector<Comparator> kept;
  for (auto at = network.rbegin(); at != network.rend(); ++at) {
    if (!needed[at->first] && !needed[at->second]) continue;
    needed[at->first] = needed[at->second] = true;
    kept.push_back(*at);
  }
  return {kept.rbegin(), kept.rend()};
}

}  // namespace gramercy
