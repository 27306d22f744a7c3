// Many affine additions at once: one field inversion for a batch (Montgomery's trick), six products an addition.
//
// Every pair is allowed: equal points, opposite points, infinity on either side. The vector path handles pairs in
// general position only; a batch that has anything else is done again by the scalar path, which looks at each pair.
#pragma once

#include <algorithm>
#include <memory>
#include <vector>

#include "curve.hpp"
#include "lanes.hpp"
#include "memory.hpp"

namespace gramercy {

using u32 = std::uint32_t;

// out[target[i]] = left[a[i]] + right[b[i]]. The top bit of a[i] or b[i] negates that point. An output may be the
// place of its own summands, never that of another pair's.
struct Additions {
  const Affine* left;
  const Affine* right;
  Affine* out;
  const u32* a;
  const u32* b;
  const u32* target;
  std::size_t count;
};

constexpr u32 kNegated = u32{1} << 31;

inline Affine signed_point(const Affine* points, u32 index) {
  Affine p = points[index & ~kNegated];
  const Fp opposite = -p.y;
  const u64 mask = u64{0} - (index >> 31);  // signs are random: no branch
  for (int i = 0; i < 4; ++i) p.y.v[i] ^= (p.y.v[i] ^ opposite.v[i]) & mask;
  return p;
}

class Adder {
 public:
  explicit Adder(bool vectors = true) {
#if GRAMERCY_IFMA
    vectors_ = vectors && kHasIfma;
#else
    (void)vectors;
#endif
  }

  void run(const Additions& all) {
    for (std::size_t first = 0; first < all.count; first += kBatch) {
      const std::size_t count = std::min(kBatch, all.count - first);
      const Additions some{all.left, all.right, all.out, all.a + first, all.b + first, all.target + first, count};
#if GRAMERCY_IFMA
      if (vectors_ && count >= 8 && general(some)) continue;
#endif
      any(some);
    }
  }

  // points[k] = 2 * points[k].
  void twice(Affine* points, std::size_t count) {
    for (std::size_t first = 0; first < count; first += kBatch) {
      const std::size_t some = std::min(kBatch, count - first);
#if GRAMERCY_IFMA
      if (vectors_ && some >= 8 && twice_finite(points + first, some)) continue;
#endif
      twice_any(points + first, some);
    }
  }

 private:
  static constexpr std::size_t kBatch = 2048;
  static constexpr std::size_t kAhead = 32;  // pairs between a prefetch and its use

  enum class Kind : std::uint8_t { kSum, kDouble, kLeft, kRight, kInfinity };

  // Signs matter only where two x are equal.
  static GRAMERCY_INLINE Kind kind_of(const Additions& s, std::size_t i) {
    const Affine& p = s.left[s.a[i] & ~kNegated];
    const Affine& q = s.right[s.b[i] & ~kNegated];
    if (__builtin_expect(p.x.is_zero() || q.x.is_zero() || p.x == q.x, 0)) return unusual(s, i);
    return Kind::kSum;
  }

  static GRAMERCY_NOINLINE Kind unusual(const Additions& s, std::size_t i) {
    const Affine p = signed_point(s.left, s.a[i]), q = signed_point(s.right, s.b[i]);
    if (p.is_infinity()) return Kind::kRight;
    if (q.is_infinity()) return Kind::kLeft;
    if (p.x != q.x) return Kind::kSum;
    return p.y == q.y && !p.y.is_zero() ? Kind::kDouble : Kind::kInfinity;
  }

  static GRAMERCY_INLINE void prefetch(const Additions& s, std::size_t i) {
    if (i < s.count) {
      __builtin_prefetch(&s.left[s.a[i] & ~kNegated]);
      __builtin_prefetch(&s.right[s.b[i] & ~kNegated]);
    }
  }

  void reserve() {
    if (prefix_.size() < kBatch) {
      prefix_.resize(kBatch);
      kinds_.resize(kBatch);
    }
  }

  void any(const Additions& s) {
    reserve();
    Fp product = Fp::one();
    for (std::size_t i = 0; i < s.count; ++i) {
      prefetch(s, i + kAhead);
      const Kind kind = kind_of(s, i);
      kinds_[i] = kind;
      prefix_[i] = product;
      if (kind == Kind::kSum) product *= s.right[s.b[i] & ~kNegated].x - s.left[s.a[i] & ~kNegated].x;
      if (kind == Kind::kDouble) product *= signed_point(s.left, s.a[i]).y.doubled();
    }
    Fp inverse = product.inverse();
    for (std::size_t i = s.count; i-- > 0;) {
      const Affine p = signed_point(s.left, s.a[i]), q = signed_point(s.right, s.b[i]);
      Affine& out = s.out[s.target[i]];
      switch (kinds_[i]) {
        case Kind::kLeft: out = p; break;
        case Kind::kRight: out = q; break;
        case Kind::kInfinity: out = Affine::infinity(); break;
        case Kind::kSum:
        case Kind::kDouble: {
          const bool equal = kinds_[i] == Kind::kDouble;
          const Fp square = equal ? p.x.squared() : Fp::zero();
          const Fp rise = equal ? square.doubled() + square : q.y - p.y;
          out = chord(p, q.x, rise * (inverse * prefix_[i]));
          inverse *= equal ? p.y.doubled() : q.x - p.x;
        }
      }
    }
  }

  // The third point of the line through p, with the other x and the slope, reflected.
  static GRAMERCY_INLINE Affine chord(const Affine& p, const Fp& other, const Fp& slope) {
    const Fp x = slope.squared() - p.x - other;
    return {x, slope * (p.x - x) - p.y};
  }

  void twice_any(Affine* points, std::size_t count) {
    reserve();
    Fp product = Fp::one();
    for (std::size_t i = 0; i < count; ++i) {
      prefix_[i] = product;
      if (!points[i].y.is_zero()) product *= points[i].y.doubled();
    }
    Fp inverse = product.inverse();
    for (std::size_t i = count; i-- > 0;) {
      const Affine p = points[i];
      if (p.y.is_zero()) {
        points[i] = Affine::infinity();
        continue;
      }
      const Fp square = p.x.squared();
      points[i] = chord(p, p.x, (square.doubled() + square) * (inverse * prefix_[i]));
      inverse *= p.y.doubled();
    }
  }

#if GRAMERCY_IFMA
  // Coordinates in memory are x * 2^256, that is x / 16 in the lanes' form (value * 2^260). Sums of points stay in
  // that scale when the slope is kept as slope / 4: its square is slope^2 / 16, and y takes the missing 4 back.
  // False, and nothing written, if some pair is not in general position.
  GRAMERCY_TARGET bool general(const Additions& s) {
    using namespace lanes;
    reserve_groups();
    const std::size_t groups = (s.count + kGroup - 1) / kGroup;
    const F16 p1 = both(same(Constants<Base>::kModulus));
    F16 product = both(from_words(ones()));
    __mmask8 infinite = 0;
    for (std::size_t g = 0; g < groups; ++g) {
      for (std::size_t i = kGroup * g + kAhead; i < kGroup * (g + 1) + kAhead; ++i) prefetch(s, i);
      const u64 *left[kGroup], *right[kGroup];
      u32 minus_left = 0, minus_right = 0;
      sources(s, g, left, right, minus_left, minus_right);
      const Words8 l0 = load_words(left, 0), l1 = load_words(left + 8, 0);
      const Words8 r0 = load_words(right, 0), r1 = load_words(right + 8, 0);
      infinite |= zero_words(l0) | zero_words(l1) | zero_words(r0) | zero_words(r1);
      const F16 lx{from_words(l0), from_words(l1)}, rx{from_words(r0), from_words(r1)};
      const F16 run = carried(add(sub(rx, lx), p1));
      u64* const kept = groups_->data() + g * 5 * kWords;
      put(kept, product);
      put(kept + kWords, run);
      product = multiply<Base>(product, run);
      const F16 ly = negated(load16(left, 4), minus_left), ry = negated(load16(right, 4), minus_right);
      put(kept + 2 * kWords, carried(add(sub(ry, ly), p1)));
      put(kept + 3 * kWords, lx);
      put(kept + 4 * kWords, ly);
    }
    F16 inverse;
    if (infinite || !invert(product, inverse)) return false;
    Affine trash;
    for (std::size_t g = groups; g-- > 0;) {
      u64* target[kGroup];
      for (std::size_t k = 0; k < kGroup; ++k) {
        const std::size_t i = kGroup * g + k;
        target[k] = reinterpret_cast<u64*>(i < s.count ? &s.out[s.target[i]] : &trash);
      }
      const u64* const kept = groups_->data() + g * 5 * kWords;
      const F16 run = get16(kept + kWords), x = get16(kept + 3 * kWords), y = get16(kept + 4 * kWords);
      const F16 each = multiply<Base>(inverse, get16(kept));
      inverse = multiply<Base>(inverse, run);
      const F16 slope = multiply<Base>(get16(kept + 2 * kWords), each);
      chord16(x, y, add(x, run), slope, target);
    }
    return true;
  }

  // False, and nothing written, if some point is infinite.
  GRAMERCY_TARGET bool twice_finite(Affine* points, std::size_t count) {
    using namespace lanes;
    reserve_groups();
    const std::size_t groups = (count + kGroup - 1) / kGroup;
    Affine filler[kGroup];
    for (Affine& p : filler) p = generator();
    u64* at[kGroup];
    const auto locate = [&](std::size_t g) {
      for (std::size_t k = 0; k < kGroup; ++k) {
        const std::size_t i = kGroup * g + k;
        at[k] = reinterpret_cast<u64*>(i < count ? &points[i] : &filler[k]);
      }
    };
    F16 product = both(from_words(ones()));
    for (std::size_t g = 0; g < groups; ++g) {
      locate(g);
      put(groups_->data() + g * kWords, product);
      product = multiply<Base>(product, load16(at, 4));
    }
    F16 inverse;
    if (!invert(product, inverse)) return false;
    for (std::size_t g = groups; g-- > 0;) {
      locate(g);
      const F16 x = load16(at, 0), y = load16(at, 4);
      const F16 each = multiply<Base>(inverse, get16(groups_->data() + g * kWords));  // 1 / (4 y / 16)
      inverse = multiply<Base>(inverse, y);
      // slope / 4 = 3 x^2 / (8 y) = 24 (x / 16)^2 / (4 y / 16)
      const F16 square = multiply<Base>(x, x);
      const F16 rise = carried(add(shifted<4>(square), shifted<3>(square)));  // < 25
      chord16(x, y, x, multiply<Base>(rise, each), at);
    }
    return true;
  }

  // `slope` is a quarter of the line's; all < 2, but other < 3 and at least 1 too much.
  static GRAMERCY_LANES void chord16(const lanes::F16& px, const lanes::F16& py, const lanes::F16& other,
                                     const lanes::F16& slope, u64* const target[16]) {
    using namespace lanes;
    const F16 p1 = both(same(Constants<Base>::kModulus));
    const F16 square = multiply<Base>(slope, slope);
    const F16 x = canonical<Base>(add(sub(sub(square, px), other), both(same(Constants<Base>::kFour))));
    const F16 run = carried(shifted<2>(add(sub(px, x), p1)));  // < 8
    const F16 y = canonical<Base>(add(sub(multiply<Base>(slope, run), py), p1));
    store(target, 0, x);
    store(target, 4, y);
  }

  using Base = BaseModulus;
  static constexpr std::size_t kGroup = 16, kWords = 80;  // pairs at once, and the words of their field elements

  void reserve_groups() {
    if (!groups_) groups_ = std::make_unique<Buffer<u64>>(kBatch / kGroup * kWords * 5);
  }

  // 1 in the lanes' form.
  static GRAMERCY_LANES lanes::Words8 ones() {
    constexpr Limbs one = detail::power_of_two(Base::value, 260);
    return {lanes::same(one[0]), lanes::same(one[1]), lanes::same(one[2]), lanes::same(one[3])};
  }

  static GRAMERCY_LANES __mmask8 zero_words(const lanes::Words8& w) {
    const __m512i any = _mm512_or_si512(_mm512_or_si512(w.w0, w.w1), _mm512_or_si512(w.w2, w.w3));
    return _mm512_testn_epi64_mask(any, any);
  }

  static GRAMERCY_LANES lanes::F16 negated(const lanes::F16& y, u32 where) {
    const lanes::F8 p1 = lanes::same(lanes::Constants<Base>::kModulus);
    return {lanes::blend(static_cast<__mmask8>(where), y.a, lanes::sub(p1, y.a)),
            lanes::blend(static_cast<__mmask8>(where >> 8), y.b, lanes::sub(p1, y.b))};
  }

  // The summands of group g and which to negate; lanes beyond the count get two fixed points with different x.
  static GRAMERCY_INLINE void sources(const Additions& s, std::size_t g, const u64* left[], const u64* right[],
                                      u32& minus_left, u32& minus_right) {
    static const Affine kFiller[2] = {generator(), {Fp::one().doubled(), Fp::one()}};
    const std::size_t first = kGroup * g, inside = std::min(kGroup, s.count - first);
    for (std::size_t k = 0; k < inside; ++k) {
      const u32 a = s.a[first + k], b = s.b[first + k];
      left[k] = reinterpret_cast<const u64*>(&s.left[a & ~kNegated]);
      right[k] = reinterpret_cast<const u64*>(&s.right[b & ~kNegated]);
      minus_left |= (a >> 31) << k;
      minus_right |= (b >> 31) << k;
    }
    for (std::size_t k = inside; k < kGroup; ++k) {
      left[k] = reinterpret_cast<const u64*>(&kFiller[0]);
      right[k] = reinterpret_cast<const u64*>(&kFiller[1]);
    }
  }

  // 1 / (4 product) in every lane; false if some lane is zero.
  static GRAMERCY_TARGET bool invert(const lanes::F16& product, lanes::F16& inverse) {
    Fp lane[kGroup], before[kGroup];
    u64* at[kGroup];
    for (std::size_t k = 0; k < kGroup; ++k) at[k] = lane[k].v.data();
    lanes::store(at, 0, lanes::canonical<Base>(product));
    Fp all = Fp::one();
    for (std::size_t k = 0; k < kGroup; ++k) {
      before[k] = all;
      all *= lane[k];
    }
    if (all.is_zero()) return false;
    // A lane's word is P * 2^260, read here as 16 P; 64 / (16 P) is 2^258 / P, in the lanes' form 1 / (4 P).
    all = all.inverse();
    for (int k = 0; k < 6; ++k) all = all.doubled();
    for (std::size_t k = kGroup; k-- > 0;) {
      const Fp here = all * before[k];
      all *= lane[k];
      lane[k] = here;
    }
    inverse = lanes::load16(at, 0);
    return true;
  }

  bool vectors_ = false;
  std::unique_ptr<Buffer<u64>> groups_;  // between the two passes: products, runs, rises, left x and y
#endif

  std::vector<Fp> prefix_;
  std::vector<Kind> kinds_;
};

}  // namespace gramercy
