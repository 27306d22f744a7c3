// Adds the points of one block to buckets: the inner part of a multi-scalar multiplication.
#pragma once

#include <utility>

#include "additions.hpp"

namespace gramercy {
namespace detail {

// One worker's tools. Entries (points of a block, by bucket) are taken in pieces; in a piece, the entries of each
// bucket are added in a tree, all trees level by level, and the sums to the buckets.
class BlockAdder {
 public:
  explicit BlockAdder(bool vectors)
      : adder_(vectors), pool_(3 * kPiece), left_(kPiece), right_(kPiece), target_(kPiece), active_(kPiece + 1) {}

  // For `group` windows with so many buckets each, one after the other in `sums`; digits[w * stride + i] is the digit
  // of point i for window w, at most `buckets` in absolute value. Fewer than 2^31 entries in all.
  void run(const Affine* points, std::size_t count, const std::int16_t* digits, std::size_t stride, unsigned group,
           std::size_t buckets, Affine* sums) {
    sort(count, digits, stride, group, buckets);
    u32 begin = 0, entries = 0;
    for (std::size_t bucket = 0; bucket < group * buckets; ++bucket) {
      while (begin < ends_[bucket]) {
        const u32 taken = std::min(ends_[bucket] - begin, kPiece - entries);
        runs_.push_back({static_cast<u32>(bucket), entries, taken});
        entries += taken;
        begin += taken;
        if (entries == kPiece) {
          add_piece(points, order_.data() + (begin - entries), sums);
          entries = 0;
        }
      }
    }
    if (entries > 0) add_piece(points, order_.data() + (begin - entries), sums);
  }

 private:
  static constexpr u32 kPiece = 4096;  // points and sums of a piece stay in the second cache

  struct Run {  // of `length` entries or partial sums of one bucket, from `first`
    u32 bucket, first, length;
  };

  // order_: the points by bucket, those to be negated marked; the entries of bucket b end before ends_[b].
  void sort(std::size_t count, const std::int16_t* digits, std::size_t stride, unsigned group, std::size_t buckets) {
    ends_.assign(group * buckets, 0);
    if (order_.size() < count * group + 2 * kFew) order_.resize(count * group + 2 * kFew);  // read beyond, unused
    const auto each = [&](const auto& visit) {
      for (unsigned w = 0; w < group; ++w) {
        u32* const slots = ends_.data() + w * buckets - 1;
        for (std::size_t i = 0; i < count; ++i) {
          const int digit = digits[w * stride + i];
          const u32 entry = static_cast<u32>(i) | (digit < 0 ? kNegated : 0);
          if (digit != 0) visit(slots[digit < 0 ? -digit : digit], entry);
        }
      }
    };
    each([](u32& slot, u32) { ++slot; });
    u32 next = 0;
    for (u32& slot : ends_) next += std::exchange(slot, next);
    each([&](u32& slot, u32 entry) { order_[slot++] = entry; });
  }

  // The loops below take no branch that depends on the (random) lengths of short runs: they write a few pairs more than
  // a run has, and an odd point even where there is none, and let what follows overwrite them.
  void add_piece(const Affine* points, const u32* entries, Affine* sums) {
    u32 used = 0;
    std::size_t unfinished = 0;
    for (u32 r = 0; r < runs_.size(); ++r) {
      const Run& ahead = runs_[std::min<std::size_t>(r + kAhead, runs_.size() - 1)];
      __builtin_prefetch(&points[entries[ahead.first + ahead.length - 1] & ~kNegated]);
      Run& run = runs_[r];
      const u32 from = run.first, length = run.length;
      const u32* const entry = entries + from;
      run.first = used;
      pair_up(length, used, [&](u32 k) { return entry[k]; });
      used += length / 2;
      pool_[used] = signed_point(points, entry[length - 1]);
      used += length % 2;
      run.length = length - length / 2;
      active_[unfinished] = r;
      unfinished += run.length > 1;
    }
    add(points, points, pool_.data());
    while (unfinished > 0) {
      std::size_t still = 0;
      for (std::size_t i = 0; i < unfinished; ++i) {
        const u32 r = active_[i];
        Run& run = runs_[r];
        const u32 from = run.first, length = run.length;
        run.first = used;
        pair_up(length, used, [&](u32 k) { return from + k; });
        used += length / 2;
        pool_[used] = pool_[from + length - 1];
        used += length % 2;
        run.length = length - length / 2;
        active_[still] = r;
        still += run.length > 1;
      }
      add(pool_.data(), pool_.data(), pool_.data());
      unfinished = still;
    }
    for (const Run& run : runs_) {
      if (sums[run.bucket].is_infinity()) {
        sums[run.bucket] = pool_[run.first];
      } else {
        pair(0, run.bucket, run.first, run.bucket);
        ++pairs_;
      }
    }
    add(sums, pool_.data(), sums);
    runs_.clear();
  }

  template <class Entry>
  void pair_up(u32 length, u32 target, const Entry& entry) {
    for (u32 k = 0; k < kFew; ++k) pair(k, entry(2 * k), entry(2 * k + 1), target + k);
    for (u32 k = kFew; k < length / 2; ++k) pair(k, entry(2 * k), entry(2 * k + 1), target + k);
    pairs_ += length / 2;
  }

  void pair(std::size_t k, u32 left, u32 right, u32 target) {
    left_[pairs_ + k] = left;
    right_[pairs_ + k] = right;
    target_[pairs_ + k] = target;
  }

  void add(const Affine* left, const Affine* right, Affine* out) {
    adder_.run({left, right, out, left_.data(), right_.data(), target_.data(), pairs_});
    pairs_ = 0;
  }

  static constexpr u32 kFew = 2;     // pairs of a short run
  static constexpr u32 kAhead = 12;  // runs between a prefetch and its use

  Adder adder_;
  Buffer<Affine> pool_;  // a level has at most 2/3 of the sums of the one before, but for the first
  Buffer<u32> left_, right_, target_;
  Buffer<u32> active_;  // runs of more than one sum
  std::size_t pairs_ = 0;
  std::vector<u32> ends_, order_;
  std::vector<Run> runs_;
};

}  // namespace detail
}  // namespace gramercy
