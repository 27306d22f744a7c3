// Multi-scalar multiplication by Pippenger's method with signed digits and affine buckets.
//
// The method as in Bernstein, Doumen, Lange and Oosterwijk, "Faster batch forgery identification" (2012), section 4:
// cut every scalar into digits, add up the points of each digit value (bucket), and weight the buckets by running
// sums. The points of a bucket are added in a tree, many buckets at a time, so that affine additions share inversions.
//
// Memory beside the input: digits (two bytes for each point and window) and one index list, of a chunk of points.
#pragma once

#include <memory>

#include "additions.hpp"
#include "buckets.hpp"
#include "errors.hpp"

namespace gramercy {

struct MsmOptions {
  unsigned threads = 1;
  bool vectors = true;    // AVX-512 IFMA where there is one; off in tests of the scalar path
  std::size_t chunk = 0;  // most points at once; 0: as many as the memory bound lets
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

// The additions of one worker.
struct Workspace {
  explicit Workspace(bool vectors) : adder(vectors) {}
  Adder adder;
  std::vector<Affine> points[2];
  std::vector<u32> a, b, target, bucket, length;

  void pair(u32 left, u32 right, u32 into) {
    a.push_back(left);
    b.push_back(right);
    target.push_back(into);
  }

  void add(const Affine* left, const Affine* right, Affine* out) {
    adder.run({left, right, out, a.data(), b.data(), target.data(), a.size()});
    a.clear();
    b.clear();
    target.clear();
  }
};

struct Partial {  // of a bucket whose points lie in more than one task
  u32 bucket;
  Affine sum;
};

// Adds up runs of points, length[s] of them for bucket[s]; afterwards the sum of run s is at points[result][s].
inline int sum_runs(Workspace& w, const Affine* source, const u32* indices, std::size_t count) {
  for (auto& buffer : w.points) {
    if (buffer.size() < count) buffer.resize(count);
  }
  const std::size_t runs = w.length.size();
  int into = 0;
  bool more = true;
  for (bool first = true; first || more; first = false) {
    const Affine* from = first ? source : w.points[1 - into].data();
    Affine* out = w.points[into].data();
    more = false;
    u32 read = 0, write = 0;
    for (std::size_t s = 0; s < runs; ++s) {
      const u32 length = w.length[s];
      u32 k = 0;
      for (; k + 1 < length; k += 2, ++write) {
        if (first) {
          w.pair(indices[read + k], indices[read + k + 1], write);
        } else {
          w.pair(read + k, read + k + 1, write);
        }
      }
      if (k < length) out[write++] = first ? signed_point(from, indices[read + k]) : from[read + k];
      read += length;
      w.length[s] = (length + 1) / 2;
      more = more || w.length[s] > 1;
    }
    w.add(from, from, out);
    into = 1 - into;
  }
  return 1 - into;
}

// Adds the sums of the runs first..last to their buckets.
inline void deposit(Workspace& w, const std::vector<Affine>& sums, std::size_t first, std::size_t last, Affine* buckets) {
  for (std::size_t s = first; s < last; ++s) {
    Affine& bucket = buckets[w.bucket[s]];
    if (bucket.is_infinity()) {
      bucket = sums[s];
    } else {
      w.pair(w.bucket[s], static_cast<u32>(s), w.bucket[s]);
    }
  }
  w.add(buckets, sums.data(), buckets);
}

class Msm {
 public:
  Msm(const Affine* points, std::size_t count, Windows windows, const MsmOptions& options)
      : points_(points), windows_(windows), options_(options) {
    const std::size_t most = options.chunk ? options.chunk : std::min(kMostPoints, kMostDigits / windows.count);
    const std::size_t chunks = std::max<std::size_t>(1, (count + most - 1) / most);
    chunk_ = (count + chunks - 1) / chunks;
    digits_.resize(chunk_ * windows.count);
    buckets_.assign(windows.count * windows.buckets(), Affine::infinity());
    for (unsigned t = 0; t < options.threads; ++t) workspaces_.emplace_back(options.vectors);
  }

  // recode(i, store): store(w, digit) for every window of scalar i.
  template <class Recode>
  Projective run(std::size_t count, const Recode& recode) {
    for (std::size_t first = 0; first < count; first += chunk_) add_chunk(first, std::min(chunk_, count - first), recode);
    return total();
  }

 private:
  static constexpr std::size_t kMostPoints = std::size_t{1} << 23;
  static constexpr std::size_t kMostDigits = std::size_t{25} << 20;  // 50 MiB
  static constexpr std::size_t kTask = 4096;                         // entries added up in cache
  static constexpr std::size_t kTogether = std::size_t{1} << 18;     // entries sorted at once, at least a window's

  template <class Recode>
  void add_chunk(std::size_t first, std::size_t count, const Recode& recode) {
    require_chunk(first, count);
    parallel_blocks(options_.threads, count, kBlock, [&](std::size_t begin, std::size_t end, unsigned) {
      for (std::size_t i = begin; i < end; ++i) {
        recode(first + i, [&](unsigned w, std::int16_t digit) { digits_[w * count + i] = digit; });
      }
    });
    const unsigned group = static_cast<unsigned>(std::clamp<std::size_t>(kTogether / count, 1, windows_.count));
    for (unsigned w = 0; w < windows_.count; w += group) {
      add_windows(first, count, w, std::min(group, windows_.count - w));
    }
  }

  void require_chunk(std::size_t first, std::size_t count) const {
    try {
      require_coordinates(points_ + first, count, options_.threads);
    } catch (BadPoint& bad) {
      bad.index += first;
      throw;
    }
  }

  // The buckets of some windows, one after the other, are one list of buckets.
  void add_windows(std::size_t first, std::size_t count, unsigned window, unsigned group) {
    sort(count, window, group);
    Affine* const buckets = buckets_.data() + window * windows_.buckets();
    const Affine* const source = points_ + first;
    const std::size_t entries = starts_.back();
    std::vector<Partial> partials(2 * ((entries + kTask - 1) / kTask));
    for (Partial& p : partials) p.bucket = kNegated;  // none
    parallel_blocks(options_.threads, entries, kTask, [&](std::size_t begin, std::size_t end, unsigned worker) {
      add_entries(workspaces_[worker], source, begin, end, buckets, &partials[2 * (begin / kTask)]);
    });
    add_partials(workspaces_[0], partials, buckets);
  }

  // order_: the points of the windows' digits, by bucket; bucket b has the entries from starts_[b] to starts_[b + 1].
  void sort(std::size_t count, unsigned window, unsigned group) {
    const std::size_t buckets = windows_.buckets(), all = buckets * group;
    const std::size_t parts = count * group < (1 << 15) ? 1 : options_.threads;
    const std::size_t part = (count + parts - 1) / parts;
    counts_.assign(parts * all, 0);
    starts_.resize(all + 1);
    if (order_.size() < count * group) order_.resize(count * group);
    const auto each = [&](std::size_t p, const auto& visit) {
      for (unsigned w = 0; w < group; ++w) {
        const std::int16_t* digits = digits_.data() + (window + w) * count;
        for (std::size_t i = p * part; i < std::min(count, (p + 1) * part); ++i) {
          const int digit = digits[i];
          if (digit == 0) continue;
          const std::size_t bucket = w * buckets + static_cast<std::size_t>(digit < 0 ? -digit : digit) - 1;
          visit(counts_[p * all + bucket], static_cast<u32>(i) | (digit < 0 ? kNegated : 0));
        }
      }
    };
    parallel_for(options_.threads, parts, [&](std::size_t p, unsigned) { each(p, [](u32& n, u32) { ++n; }); });
    u32 next = 0;
    for (std::size_t bucket = 0; bucket < all; ++bucket) {
      starts_[bucket] = next;
      for (std::size_t p = 0; p < parts; ++p) {
        const u32 here = counts_[p * all + bucket];
        counts_[p * all + bucket] = next;
        next += here;
      }
    }
    starts_[all] = next;
    parallel_for(options_.threads, parts, [&](std::size_t p, unsigned) { each(p, [&](u32& n, u32 entry) { order_[n++] = entry; }); });
  }

  // Entries begin..end: whole buckets are added here; of the first and the last one possibly a partial sum is left.
  void add_entries(Workspace& w, const Affine* source, std::size_t begin, std::size_t end, Affine* buckets, Partial* partials) const {
    w.bucket.clear();
    w.length.clear();
    const auto after = std::upper_bound(starts_.begin(), starts_.end(), static_cast<u32>(begin));
    std::size_t bucket = static_cast<std::size_t>(after - starts_.begin()) - 1;
    for (std::size_t at = begin; at < end; ++bucket) {
      const std::size_t stop = std::min<std::size_t>(end, starts_[bucket + 1]);
      if (stop == at) continue;
      w.bucket.push_back(static_cast<u32>(bucket));
      w.length.push_back(static_cast<u32>(stop - at));
      at = stop;
    }
    const std::vector<Affine>& sums = w.points[sum_runs(w, source, order_.data() + begin, end - begin)];
    std::size_t first = 0, last = w.bucket.size();
    if (starts_[w.bucket[last - 1] + 1] > end) {
      --last;
      partials[1] = {w.bucket[last], sums[last]};
    }
    if (last > 0 && starts_[w.bucket[0]] < begin) {
      first = 1;
      partials[0] = {w.bucket[0], sums[0]};
    }
    deposit(w, sums, first, last, buckets);
  }

  static void add_partials(Workspace& w, const std::vector<Partial>& partials, Affine* buckets) {
    std::vector<Affine> points;
    std::vector<u32> indices;
    w.bucket.clear();
    w.length.clear();
    for (const Partial& p : partials) {
      if (p.bucket == kNegated) continue;
      if (w.bucket.empty() || w.bucket.back() != p.bucket) {
        w.bucket.push_back(p.bucket);
        w.length.push_back(0);
      }
      ++w.length.back();
      indices.push_back(static_cast<u32>(points.size()));
      points.push_back(p.sum);
    }
    if (points.empty()) return;
    const std::vector<Affine>& sums = w.points[sum_runs(w, points.data(), indices.data(), points.size())];
    deposit(w, sums, 0, w.bucket.size(), buckets);
  }

  Projective total() const {
    const std::size_t slice = std::min<std::size_t>(windows_.buckets(), 2048), slices = windows_.buckets() / slice;
    std::vector<Projective> sums(windows_.count * slices);
    parallel_for(options_.threads, sums.size(), [&](std::size_t task, unsigned) {
      const Affine* buckets = buckets_.data() + task / slices * windows_.buckets();
      sums[task] = weighted_sum(buckets, task % slices * slice, slice, options_.vectors);
    });
    Projective sum = Projective::infinity();
    for (std::size_t w = windows_.count; w-- > 0;) {
      for (unsigned k = 0; k < windows_.width; ++k) sum = doubled(sum);
      for (std::size_t s = 0; s < slices; ++s) sum = sum + sums[w * slices + s];
    }
    return sum;
  }

  const Affine* points_;
  const Windows windows_;
  const MsmOptions options_;
  std::size_t chunk_;
  std::vector<std::int16_t> digits_;
  std::vector<u32> counts_, starts_, order_;
  std::vector<Affine> buckets_;
  std::vector<Workspace> workspaces_;
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
  const Projective result = sum.run(count, recode);
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
  return sum.run(count, recode).affine();
}

}  // namespace gramercy
