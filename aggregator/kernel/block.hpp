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
      : adder_(vectors), pool_(3 * kPiece), left_(kPiece), right_(kPiece), target_(kPiece) {}

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
    if (order_.size() < count * group) order_.resize(count * group);
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

  void add_piece(const Affine* points, const u32* entries, Affine* sums) {
    u32 used = 0;
    pairs_ = 0;
    active_.clear();
    for (u32 r = 0; r < runs_.size(); ++r) {
      Run& run = runs_[r];
      const u32* const from = entries + run.first;
      run.first = used;
      for (u32 k = 0; k + 1 < run.length; k += 2) pair(from[k], from[k + 1], used++);
      if (run.length % 2 == 1) pool_[used++] = signed_point(points, from[run.length - 1]);
      halve(run, r, active_);
    }
    add(points, points, pool_.data());
    while (!active_.empty()) {
      later_.clear();
      for (const u32 r : active_) {
        Run& run = runs_[r];
        const u32 from = run.first;
        run.first = used;
        for (u32 k = 0; k + 1 < run.length; k += 2) pair(from + k, from + k + 1, used++);
        if (run.length % 2 == 1) pool_[used++] = pool_[from + run.length - 1];
        halve(run, r, later_);
      }
      add(pool_.data(), pool_.data(), pool_.data());
      active_.swap(later_);
    }
    for (const Run& run : runs_) {
      if (sums[run.bucket].is_infinity()) {
        sums[run.bucket] = pool_[run.first];
      } else {
        pair(run.bucket, run.first, run.bucket);
      }
    }
    add(sums, pool_.data(), sums);
    runs_.clear();
  }

  static void halve(Run& run, u32 r, std::vector<u32>& unfinished) {
    run.length = (run.length + 1) / 2;
    if (run.length > 1) unfinished.push_back(r);
  }

  void pair(u32 left, u32 right, u32 target) {
    left_[pairs_] = left;
    right_[pairs_] = right;
    target_[pairs_++] = target;
  }

  void add(const Affine* left, const Affine* right, Affine* out) {
    adder_.run({left, right, out, left_.data(), right_.data(), target_.data(), pairs_});
    pairs_ = 0;
  }

  Adder adder_;
  Buffer<Affine> pool_;  // a level has at most 2/3 of the sums of the one before, but for the first
  Buffer<u32> left_, right_, target_;
  std::size_t pairs_ = 0;
  std::vector<u32> ends_, order_, active_, later_;
  std::vector<Run> runs_;
};

}  // namespace detail
}  // namespace gramercy
