// What the kernel refuses, with the position of the first offender.
#pragma once

#include <atomic>
#include <cstddef>

#include "curve.hpp"
#include "parallel.hpp"

namespace gramercy {

struct NotBelowOrder {  // a scalar
  std::size_t index;
};

struct BadPoint {
  enum class Why { kNotCanonical, kNotOnCurve, kInfinity, kNotOnTwist, kNotInSubgroup };
  std::size_t index;
  Why why;
};

// The smallest position reported by any thread.
class First {
 public:
  void report(std::size_t index) {
    std::size_t known = index_.load(std::memory_order_relaxed);
    while (index < known && !index_.compare_exchange_weak(known, index)) {
    }
  }
  bool any() const { return index_.load() != kNone; }
  std::size_t index() const { return index_.load(); }

 private:
  static constexpr std::size_t kNone = ~std::size_t{0};
  std::atomic<std::size_t> index_{kNone};
};

constexpr std::size_t kBlock = 1 << 13;  // elements of one task, where nothing else decides

inline void require_scalars(const Limbs* scalars, std::size_t count, unsigned threads) {
  First bad;
  parallel_blocks(threads, count, kBlock, [&](std::size_t first, std::size_t last, unsigned) {
    for (std::size_t i = first; i < last; ++i) {
      if (!Fr::canonical(scalars[i])) return bad.report(i);
    }
  });
  if (bad.any()) throw NotBelowOrder{bad.index()};
}

inline void require_coordinates(const Affine* points, std::size_t count, unsigned threads) {
  First bad;
  parallel_blocks(threads, count, kBlock, [&](std::size_t first, std::size_t last, unsigned) {
    for (std::size_t i = first; i < last; ++i) {
      if (!points[i].canonical()) return bad.report(i);
    }
  });
  if (bad.any()) throw BadPoint{bad.index(), BadPoint::Why::kNotCanonical};
}

}  // namespace gramercy
