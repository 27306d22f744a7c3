// Weighted sums of buckets, sum_b (b + 1) B_b, by running sums (Brickell, Gordon, McCurley and Wilson, 1992).
#pragma once

#include "curve.hpp"
#include "lanes.hpp"

namespace gramercy {

namespace detail {

// The sum and the weighted sum of a run of buckets, weights from 1.
struct RunningSums {
  Projective sum = Projective::infinity(), weighted = Projective::infinity();
};

inline RunningSums running_sums(const Affine* buckets, std::size_t count) {
  RunningSums s;
  for (std::size_t b = count; b-- > 0;) {
    s.sum = s.sum + buckets[b];
    s.weighted = s.weighted + s.sum;
  }
  return s;
}

inline Projective times_small(const Projective& p, std::size_t k) {
  Projective sum = Projective::infinity();
  for (int i = 63 - __builtin_clzll(k | 1); i >= 0; --i) {
    sum = doubled(sum);
    if ((k >> i) & 1) sum = sum + p;
  }
  return sum;
}

#if GRAMERCY_IFMA

struct Projective8 {
  lanes::F8 x, y, z;  // carried, < 4
};

using Base = BaseModulus;

GRAMERCY_LANES lanes::F8 plus(const lanes::F8& a, const lanes::F8& b) { return lanes::carried(lanes::add(a, b)); }

// a - b + kTimes moduli
template <u64 kTimes>
GRAMERCY_LANES lanes::F8 minus(const lanes::F8& a, const lanes::F8& b) {
  constexpr lanes::Limbs52 kMore = lanes::times(lanes::Constants<Base>::kModulus, kTimes);
  return lanes::carried(lanes::add(lanes::sub(a, b), lanes::same(kMore)));
}

GRAMERCY_LANES lanes::F8 times_nine(const lanes::F8& a) {
  return lanes::canonical<Base>(lanes::add(lanes::shifted<3>(a), a));
}

// The common end of algorithms 7 and 8; xy < 6, yz < 6, xz < 1, t0 < 4, t1 < 2, t2 < 1.
GRAMERCY_LANES Projective8 finish(const lanes::F8& xy, const lanes::F8& yz, const lanes::F8& xz, const lanes::F8& t0,
                                  const lanes::F8& t1, const lanes::F8& t2) {
  using lanes::multiply;
  const lanes::F8 sum = plus(t1, t2), difference = minus<1>(t1, t2);
  return {minus<2>(multiply<Base>(xy, difference), multiply<Base>(yz, xz)),
          plus(multiply<Base>(difference, sum), multiply<Base>(xz, t0)),
          plus(multiply<Base>(yz, sum), multiply<Base>(t0, xy))};
}

GRAMERCY_LANES Projective8 add(const Projective8& p, const Projective8& q) {
  using lanes::multiply;
  const lanes::F8 t0 = multiply<Base>(p.x, q.x), t1 = multiply<Base>(p.y, q.y), t2 = multiply<Base>(p.z, q.z);
  const lanes::F8 xy = minus<3>(multiply<Base>(plus(p.x, p.y), plus(q.x, q.y)), lanes::add(t0, t1));
  const lanes::F8 yz = minus<3>(multiply<Base>(plus(p.y, p.z), plus(q.y, q.z)), lanes::add(t1, t2));
  const lanes::F8 xz = minus<3>(multiply<Base>(plus(p.x, p.z), plus(q.x, q.z)), lanes::add(t0, t2));
  return finish(xy, yz, times_nine(xz), plus(lanes::add(t0, t0), t0), t1, times_nine(t2));
}

// q affine, < 1, not infinity.
GRAMERCY_LANES Projective8 add(const Projective8& p, const lanes::F8& qx, const lanes::F8& qy) {
  using lanes::multiply;
  const lanes::F8 t0 = multiply<Base>(p.x, qx), t1 = multiply<Base>(p.y, qy);
  const lanes::F8 xy = minus<3>(multiply<Base>(plus(p.x, p.y), plus(qx, qy)), lanes::add(t0, t1));
  const lanes::F8 yz = plus(multiply<Base>(qy, p.z), p.y);
  const lanes::F8 xz = plus(multiply<Base>(qx, p.z), p.x);
  return finish(xy, yz, times_nine(xz), plus(lanes::add(t0, t0), t0), t1, times_nine(p.z));
}

GRAMERCY_LANES Projective8 select(__mmask8 where, const Projective8& a, const Projective8& b) {
  return {lanes::blend(where, a.x, b.x), lanes::blend(where, a.y, b.y), lanes::blend(where, a.z, b.z)};
}

// Coordinates in another scale than `Projective` counts: the same points.
GRAMERCY_TARGET inline void unpack(const Projective8& p, Projective out[8]) {
  u64* target[8];
  for (int k = 0; k < 8; ++k) target[k] = out[k].x.v.data();
  lanes::store(target, 0, lanes::canonical<Base>(p.x));
  lanes::store(target, 4, lanes::canonical<Base>(p.y));
  lanes::store(target, 8, lanes::canonical<Base>(p.z));
}

// Eight runs of `length` buckets, one after the other.
GRAMERCY_TARGET inline void running_sums8(const Affine* buckets, std::size_t length, RunningSums runs[8]) {
  static_assert(sizeof(Projective) == 96, "coordinates follow each other");
  constexpr Limbs kOne = power_of_two(Base::value, 260);
  const lanes::F8 zero = lanes::same(lanes::Limbs52{}), one = lanes::same(lanes::split(kOne));
  Projective8 sum{zero, one, zero}, weighted = sum;
  for (std::size_t b = length; b-- > 0;) {
    const u64* source[8];
    for (std::size_t k = 0; k < 8; ++k) source[k] = buckets[k * length + b].x.v.data();
    const lanes::Words8 x = lanes::load_words(source, 0);
    const __m512i any = _mm512_or_si512(_mm512_or_si512(x.w0, x.w1), _mm512_or_si512(x.w2, x.w3));
    const __mmask8 finite = _mm512_test_epi64_mask(any, any);
    // From 2^256 to 2^260.
    const lanes::F8 qx = lanes::canonical<Base>(lanes::shifted<4>(lanes::from_words(x)));
    const lanes::F8 qy = lanes::canonical<Base>(lanes::shifted<4>(lanes::load(source, 4)));
    sum = select(finite, sum, add(sum, qx, qy));
    weighted = add(weighted, sum);
  }
  Projective sums[8], weights[8];
  unpack(sum, sums);
  unpack(weighted, weights);
  for (int k = 0; k < 8; ++k) runs[k] = {sums[k], weights[k]};
}

#endif

}  // namespace detail

// sum over first <= b < first + count of (b + 1) * buckets[b].
inline Projective weighted_sum(const Affine* buckets, std::size_t first, std::size_t count, bool vectors) {
  detail::RunningSums all;
#if GRAMERCY_IFMA
  if (vectors && kHasIfma && count >= 32 && count % 8 == 0) {
    detail::RunningSums runs[8];
    detail::running_sums8(buckets + first, count / 8, runs);
    Projective later = Projective::infinity();  // sum_k k * runs[k].sum
    for (int k = 7; k >= 0; --k) {
      all.weighted = all.weighted + runs[k].weighted;
      if (k > 0) {
        all.sum = all.sum + runs[k].sum;
        later = later + all.sum;
      }
    }
    all.sum = all.sum + runs[0].sum;
    all.weighted = all.weighted + detail::times_small(later, count / 8);
  } else
#endif
  {
    (void)vectors;
    all = detail::running_sums(buckets + first, count);
  }
  return first == 0 ? all.weighted : all.weighted + detail::times_small(all.sum, first);
}

}  // namespace gramercy
