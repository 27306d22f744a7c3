// Many affine additions at once: one field inversion for a batch (Montgomery's trick), six products an addition.
//
// Every pair is allowed: equal points, opposite points, infinity on either side. The vector path handles pairs in
// general position only; a batch that has anything else is done again by the scalar path, which looks at each pair.
#pragma once

#include <algorithm>
#include <vector>

#include "curve.hpp"
#include "lanes.hpp"

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
  const Affine& p = points[index & ~kNegated];
  return index & kNegated ? -p : p;
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
  static constexpr std::size_t kAhead = 16;  // pairs between a prefetch and its use

  enum class Kind : std::uint8_t { kSum, kDouble, kLeft, kRight, kInfinity };

  static Kind kind_of(const Affine& p, const Affine& q) {
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
      const Affine p = signed_point(s.left, s.a[i]), q = signed_point(s.right, s.b[i]);
      const Kind kind = kind_of(p, q);
      kinds_[i] = kind;
      prefix_[i] = product;
      if (kind == Kind::kSum) product *= q.x - p.x;
      if (kind == Kind::kDouble) product *= p.y.doubled();
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
    reserve8();
    const std::size_t groups = (s.count + 7) / 8;
    const F8 p1 = same(Constants<BaseModulus>::kModulus);
    F8 product = from_words(ones());
    __mmask8 infinite = 0;
    for (std::size_t g = 0; g < groups; ++g) {
      for (std::size_t i = 8 * g + 2 * kAhead; i < 8 * g + 2 * kAhead + 8; ++i) prefetch(s, i);
      const u64 *left[8], *right[8];
      sources(s, g, left, right);
      const Words8 wl = load_words(left, 0), wr = load_words(right, 0);
      infinite |= zero_words(wl) | zero_words(wr);
      const F8 difference = carried(add(sub(from_words(wr), from_words(wl)), p1));
      keep(differences_, g, difference);
      keep(products_, g, product);
      product = multiply<BaseModulus>(product, difference);
    }
    if (infinite) return false;
    F8 inverse;
    if (!invert(product, inverse)) return false;
    for (std::size_t g = groups; g-- > 0;) {
      const u64 *left[8], *right[8];
      sources(s, g, left, right);
      Affine trash;
      u64* target[8];
      __mmask8 minus_left = 0, minus_right = 0;
      for (std::size_t k = 0; k < 8; ++k) {
        const std::size_t i = 8 * g + k;
        target[k] = reinterpret_cast<u64*>(i < s.count ? &s.out[s.target[i]] : &trash);
        if (i < s.count) {
          minus_left |= static_cast<__mmask8>((s.a[i] >> 31) << k);
          minus_right |= static_cast<__mmask8>((s.b[i] >> 31) << k);
        }
      }
      const F8 each = multiply<BaseModulus>(inverse, fetch(products_, g));
      inverse = multiply<BaseModulus>(inverse, fetch(differences_, g));
      const F8 lx = load(left, 0), rx = load(right, 0);
      F8 ly = load(left, 4), ry = load(right, 4);
      ly = blend(minus_left, ly, sub(p1, ly));
      ry = blend(minus_right, ry, sub(p1, ry));
      chord8(lx, ly, rx, multiply<BaseModulus>(carried(add(sub(ry, ly), p1)), each), target);
    }
    return true;
  }

  // `slope` is a quarter of the line's; all < 2.
  static GRAMERCY_LANES void chord8(const lanes::F8& px, const lanes::F8& py, const lanes::F8& other,
                                    const lanes::F8& slope, u64* const target[8]) {
    using namespace lanes;
    const F8 p1 = same(Constants<BaseModulus>::kModulus);
    const F8 square = multiply<BaseModulus>(slope, slope);
    const F8 x = canonical<BaseModulus>(add(sub(sub(square, px), other), add(p1, p1)));
    const F8 run = carried(shifted<2>(add(sub(px, x), p1)));  // < 8
    const F8 y = canonical<BaseModulus>(add(sub(multiply<BaseModulus>(slope, run), py), p1));
    store(target, 0, x);
    store(target, 4, y);
  }

  // False, and nothing written, if some point is infinite.
  GRAMERCY_TARGET bool twice_finite(Affine* points, std::size_t count) {
    using namespace lanes;
    reserve8();
    const std::size_t groups = (count + 7) / 8;
    Affine filler[8];
    for (Affine& p : filler) p = generator();
    u64* at[8];
    const auto locate = [&](std::size_t g) {
      for (std::size_t k = 0; k < 8; ++k) {
        at[k] = reinterpret_cast<u64*>(8 * g + k < count ? &points[8 * g + k] : &filler[k]);
      }
    };
    F8 product = from_words(ones());
    for (std::size_t g = 0; g < groups; ++g) {
      locate(g);
      keep(products_, g, product);
      product = multiply<BaseModulus>(product, load(at, 4));
    }
    F8 inverse;
    if (!invert(product, inverse)) return false;
    for (std::size_t g = groups; g-- > 0;) {
      locate(g);
      const F8 x = load(at, 0), y = load(at, 4);
      const F8 each = multiply<BaseModulus>(inverse, fetch(products_, g));  // 1 / (4 y / 16)
      inverse = multiply<BaseModulus>(inverse, y);
      // slope / 4 = 3 x^2 / (8 y) = 24 (x / 16)^2 / (4 y / 16)
      const F8 square = multiply<BaseModulus>(x, x);
      const F8 rise = carried(add(shifted<4>(square), shifted<3>(square)));  // < 25
      chord8(x, y, x, multiply<BaseModulus>(rise, each), at);
    }
    return true;
  }

  void reserve8() {
    if (products_.empty()) {
      products_.resize(kBatch / 8 * kWords);
      differences_.resize(kBatch / 8 * kWords);
    }
  }

  static constexpr std::size_t kWords = 40;  // five limbs of eight lanes

  // 1 in the lanes' form.
  static GRAMERCY_LANES lanes::Words8 ones() {
    const Limbs one = detail::power_of_two(BaseModulus::value, 260);
    return {lanes::same(one[0]), lanes::same(one[1]), lanes::same(one[2]), lanes::same(one[3])};
  }

  static GRAMERCY_LANES __mmask8 zero_words(const lanes::Words8& w) {
    const __m512i any = _mm512_or_si512(_mm512_or_si512(w.w0, w.w1), _mm512_or_si512(w.w2, w.w3));
    return _mm512_testn_epi64_mask(any, any);
  }

  static GRAMERCY_LANES void keep(std::vector<u64>& store, std::size_t g, const lanes::F8& x) {
    u64* p = store.data() + g * kWords;
    _mm512_storeu_si512(p, x.l0);
    _mm512_storeu_si512(p + 8, x.l1);
    _mm512_storeu_si512(p + 16, x.l2);
    _mm512_storeu_si512(p + 24, x.l3);
    _mm512_storeu_si512(p + 32, x.l4);
  }

  static GRAMERCY_LANES lanes::F8 fetch(const std::vector<u64>& store, std::size_t g) {
    const u64* p = store.data() + g * kWords;
    return {_mm512_loadu_si512(p), _mm512_loadu_si512(p + 8), _mm512_loadu_si512(p + 16), _mm512_loadu_si512(p + 24),
            _mm512_loadu_si512(p + 32)};
  }

  // The summands of group g; lanes beyond the count get two fixed points with different x.
  static GRAMERCY_INLINE void sources(const Additions& s, std::size_t g, const u64* left[8], const u64* right[8]) {
    static const Affine kFiller[2] = {generator(), {Fp::one().doubled(), Fp::one()}};
    for (std::size_t k = 0; k < 8; ++k) {
      const std::size_t i = 8 * g + k;
      const bool inside = i < s.count;
      left[k] = reinterpret_cast<const u64*>(inside ? &s.left[s.a[i] & ~kNegated] : &kFiller[0]);
      right[k] = reinterpret_cast<const u64*>(inside ? &s.right[s.b[i] & ~kNegated] : &kFiller[1]);
    }
  }

  // 1 / (4 product) in every lane; false if some lane is zero.
  static GRAMERCY_TARGET bool invert(const lanes::F8& product, lanes::F8& inverse) {
    Fp lane[8], before[8];
    u64* target[8];
    for (int k = 0; k < 8; ++k) target[k] = lane[k].v.data();
    lanes::store(target, 0, lanes::canonical<BaseModulus>(product));
    Fp all = Fp::one();
    for (int k = 0; k < 8; ++k) {
      before[k] = all;
      all *= lane[k];
    }
    if (all.is_zero()) return false;
    // A lane's word is P * 2^260, read here as 16 P; 64 / (16 P) is 2^258 / P, in the lanes' form 1 / (4 P).
    all = all.inverse();
    for (int k = 0; k < 6; ++k) all = all.doubled();
    const u64* source[8];
    for (int k = 8; k-- > 0;) {
      const Fp here = all * before[k];
      all *= lane[k];
      lane[k] = here;
      source[k] = lane[k].v.data();
    }
    inverse = lanes::load(source, 0);
    return true;
  }

  bool vectors_ = false;
  std::vector<u64> products_, differences_;
#endif

  std::vector<Fp> prefix_;
  std::vector<Kind> kinds_;
};

}  // namespace gramercy
