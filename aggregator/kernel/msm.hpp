// Multi-scalar multiplication by Pippenger's method with signed digits and affine buckets.
//
// The method as in Bernstein, Doumen, Lange and Oosterwijk, "Faster batch forgery identification" (2012), section 4:
// cut every scalar into digits, add up the points of each digit value (bucket), and weight the buckets by running sums.
//
// Points are taken in blocks that stay in cache while every window adds them to its buckets. Beside the input there
// are the buckets (at most 2 MiB a window), and digits and index lists of one block: the same for any number of points.
#pragma once

#include <memory>

#include "block.hpp"
#include "buckets.hpp"
#include "errors.hpp"

namespace gramercy {

struct MsmOptions {
  unsigned threads = 1;
  bool vectors = true;    // AVX-512 IFMA where there is one; off in tests of the scalar path
  std::size_t block = 0;  // points of a block; 0: what suits the caches
};

namespace detail {

// Digits of `width` bits in [-2^(width-1), 2^(width-1)), `windows` of them a scalar.
struct Windows {
  unsigned width, count;
  std::size_t buckets() const { return std::size_t{1} << (width - 1); }

  // The cheapest for so many scalars of so many bits (sign included): an addition costs about 7 products, a bucket 25.
  static Windows choose(std::size_t scalars, unsigned bits) {
    Windows best{};
    double least = 0;
    for (unsigned width = 2; width <= 16; ++width) {
      const unsigned count = bits <= width ? 1 : (bits + width) / width;  // one bit more for the last carry
      const double cost = count * (7.0 * static_cast<double>(scalars) + 25.0 * static_cast<double>(1U << (width - 1)));
      if (best.width == 0 || cost < least) {
        best = {width, count};
        least = cost;
      }
    }
    return best;
  }

  // sum of 2^(width w + width - 1) over the first windows: added to a scalar, it makes their digits non-negative.
  Limbs bias(unsigned first) const {
    Limbs b{};
    for (unsigned w = 0; w < first; ++w) {
      const unsigned bit = width * w + width - 1;
      b[bit / 64] |= u64{1} << (bit % 64);
    }
    return b;
  }
};

// A sum under way: tasks are groups of windows, and parts of a block where there are more threads than windows.
class Msm {
 public:
  Msm(const Affine* points, std::size_t count, Windows windows, const MsmOptions& options)
      : points_(points), count_(count), windows_(windows), options_(options) {
    const std::size_t block = options.block ? options.block : kBlockPoints;
    const unsigned threads = count * windows.count < kWorthThreads ? 1 : options.threads;
    parts_ = parts_for(threads);
    part_ = std::max<std::size_t>(1, std::min(block, (count + parts_ - 1) / parts_));
    const std::size_t group = std::max<std::size_t>(1, kEntries / part_),
                      share = (windows.count + threads - 1) / threads;
    group_ = static_cast<unsigned>(std::min(group, share));
    digits_.resize(parts_ * part_ * windows.count);
    buckets_.assign(parts_ * windows.count * windows.buckets(), Affine::infinity());
    for (unsigned t = 0; t < threads; ++t) adders_.push_back(std::make_unique<BlockAdder>(options.vectors));
    if (reinterpret_cast<std::uintptr_t>(points) % sizeof(Affine) != 0)
      aligned_ = std::make_unique<Buffer<Affine>>(parts_ * part_);
  }

  // recode(i, store): store(w, digit) for every window of scalar i.
  template <class Recode>
  Projective run(const Recode& recode) {
    const std::size_t block = parts_ * part_;
    for (std::size_t first = 0; first < count_; first += block) {
      const std::size_t here = std::min(block, count_ - first);
      prepare(first, here, recode);
      add_block(aligned_ ? aligned_->data() : points_ + first, here);
    }
    return total();
  }

 private:
  static constexpr std::size_t kBlockPoints = std::size_t{1} << 17;  // 8 MiB
  static constexpr std::size_t kEntries = std::size_t{1} << 16;      // of a task, where one window has fewer
  static constexpr std::size_t kWorthThreads = std::size_t{1} << 14;
  static constexpr std::size_t kMostBuckets = std::size_t{1} << 20;  // 64 MiB

  // Enough that tasks keep threads busy: the fewest parts with which at most a seventh of the time is waited.
  unsigned parts_for(unsigned threads) const {
    unsigned parts = 1;
    const auto idle = [&](unsigned p) {
      const unsigned tasks = p * windows_.count, rounds = (tasks + threads - 1) / threads;
      return 7 * (rounds * threads - tasks) > rounds * threads;
    };
    while (idle(parts) && parts < threads && (parts + 1) * windows_.count * windows_.buckets() <= kMostBuckets) ++parts;
    return parts;
  }

  unsigned threads() const { return static_cast<unsigned>(adders_.size()); }

  // Checks the points of a block, reading them into cache, and cuts their scalars into digits.
  template <class Recode>
  void prepare(std::size_t first, std::size_t count, const Recode& recode) {
    First bad;
    parallel_blocks(threads(), count, kBlock, [&](std::size_t begin, std::size_t end, unsigned) {
      for (std::size_t i = begin; i < end; ++i) {
        const Affine& p = points_[first + i];
        if (!p.canonical()) bad.report(first + i);
        if (aligned_) (*aligned_)[i] = p;
        recode(first + i, [&](unsigned w, std::int16_t digit) { digits_[w * count + i] = digit; });
      }
    });
    if (bad.any()) throw BadPoint{bad.index(), BadPoint::Why::kNotCanonical};
  }

  void add_block(const Affine* points, std::size_t count) {
    const std::size_t groups = (windows_.count + group_ - 1) / group_, part = (count + parts_ - 1) / parts_;
    parallel_for(threads(), groups * parts_, [&](std::size_t task, unsigned worker) {
      const std::size_t p = task / groups, first = std::min(count, p * part);
      const unsigned w = static_cast<unsigned>(task % groups) * group_;
      Affine* const sums = buckets_.data() + (p * windows_.count + w) * windows_.buckets();
      adders_[worker]->run(points + first, std::min(part, count - first), digits_.data() + w * count + first, count,
                           std::min(group_, windows_.count - w), windows_.buckets(), sums);
    });
  }

  // The buckets of all parts, weighted and added: slices of windows are tasks.
  Projective total() const {
    const std::size_t buckets = windows_.buckets(), slice = std::min<std::size_t>(buckets, 2048);
    const std::size_t slices = buckets / slice, all = windows_.count * slices;
    std::vector<Projective> sums(parts_ * all);
    parallel_for(threads(), sums.size(), [&](std::size_t task, unsigned) {
      const Affine* window = buckets_.data() + task / slices * buckets;
      sums[task] = weighted_sum(window, task % slices * slice, slice, options_.vectors);
    });
    Projective sum = Projective::infinity();
    for (std::size_t w = windows_.count; w-- > 0;) {
      for (unsigned k = 0; k < windows_.width; ++k) sum = doubled(sum);
      for (std::size_t p = 0; p < parts_; ++p) {
        for (std::size_t s = 0; s < slices; ++s) sum = sum + sums[p * all + w * slices + s];
      }
    }
    return sum;
  }

  const Affine* points_;
  const std::size_t count_;
  const Windows windows_;
  const MsmOptions options_;
  std::size_t parts_, part_;  // parts of a block, and points of a part
  unsigned group_;            // windows of a task
  std::vector<std::int16_t> digits_;
  std::vector<Affine> buckets_;
  std::vector<std::unique_ptr<BlockAdder>> adders_;
  std::unique_ptr<Buffer<Affine>> aligned_;  // a copy of the block, where points straddle cache lines
};

}  // namespace detail

// sum_k scalars[k] * points[k] for canonical scalars.
inline Affine msm(const Affine* points, const Limbs* scalars, std::size_t count, const MsmOptions& options) {
  const detail::Windows windows = detail::Windows::choose(count, 254);
  const Limbs bias = windows.bias(windows.count - 1);  // r < 0.8 * 2^254: the last digit is non-negative as it is
  const u64 mask = (u64{1} << windows.width) - 1;
  const int half = 1 << (windows.width - 1);
  First bad;
  detail::Msm sum(points, count, windows, options);
  const auto recode = [&](std::size_t i, const auto& store) {
    Limbs x = scalars[i];
    if (!Fr::canonical(x)) {
      bad.report(i);
      x = Limbs{};
    }
    add_to(x, bias);
    for (unsigned w = 0; w < windows.count; ++w) {
      const unsigned bit = w * windows.width;
      u64 digit = x[bit / 64] >> (bit % 64);
      if (bit % 64 + windows.width > 64 && bit / 64 < 3) digit |= x[bit / 64 + 1] << (64 - bit % 64);
      store(w, static_cast<std::int16_t>(static_cast<int>(digit & mask) - (w + 1 < windows.count ? half : 0)));
    }
  };
  const Projective result = sum.run(recode);
  if (bad.any()) throw NotBelowOrder{bad.index()};
  return result.affine();
}

// The same for signed integers of 8 to 64 bits.
template <class Integer>
Affine msm(const Affine* points, const Integer* scalars, std::size_t count, const MsmOptions& options) {
  std::atomic<u64> magnitude{0};
  parallel_blocks(options.threads, count, 16 * kBlock, [&](std::size_t first, std::size_t last, unsigned) {
    u64 bits = 0;
    for (std::size_t i = first; i < last; ++i) {
      const std::int64_t x = scalars[i];
      bits |= static_cast<u64>(x ^ (x >> 63));
    }
    magnitude.fetch_or(bits);
  });
  const u64 most = magnitude.load();
  const unsigned bits = most == 0 ? 1 : 65 - static_cast<unsigned>(__builtin_clzll(most));
  const detail::Windows windows = detail::Windows::choose(count, bits);
  const u128 bias = static_cast<u128>(windows.bias(windows.count)[1]) << 64 | windows.bias(windows.count)[0];
  const u64 mask = (u64{1} << windows.width) - 1;
  const int half = 1 << (windows.width - 1);
  detail::Msm sum(points, count, windows, options);
  const auto recode = [&](std::size_t i, const auto& store) {
    u128 x = static_cast<u128>(static_cast<__int128>(scalars[i])) + bias;
    for (unsigned w = 0; w < windows.count; ++w, x >>= windows.width) {
      store(w, static_cast<std::int16_t>(static_cast<int>(static_cast<u64>(x) & mask) - half));
    }
  };
  return sum.run(recode).affine();
}

}  // namespace gramercy
