// The group G1 of BN254, y^2 = x^3 + 3 over F_p: affine points in memory, projective points in registers.
//
// Projective formulas: Renes, Costello and Batina, "Complete addition formulas for prime order elliptic curves"
// (2016), algorithms 7, 8 and 9. They are right for every pair of points of the curve, equal, opposite or infinite.
#pragma once

#include "field.hpp"

namespace gramercy {

// Infinity is x = y = 0: no point of the curve has x = 0, because 3 is no square modulo p.
struct Affine {
  Fp x, y;

  static constexpr Affine infinity() { return {Fp::zero(), Fp::zero()}; }
  bool is_infinity() const { return x.is_zero() && y.is_zero(); }
  bool canonical() const { return Fp::canonical(x.v) && Fp::canonical(y.v); }
  Affine operator-() const { return {x, -y}; }
  bool on_curve() const {
    const Fp one = Fp::one();
    return y.squared() == x.squared() * x + one + one + one;
  }
};

static_assert(sizeof(Affine) == 64, "a point is eight limbs");

inline Affine generator() { return {Fp::one(), Fp::one().doubled()}; }

struct Projective {
  Fp x, y, z;

  static constexpr Projective infinity() { return {Fp::zero(), Fp::one(), Fp::zero()}; }
  static Projective from(const Affine& a) { return a.is_infinity() ? infinity() : Projective{a.x, a.y, Fp::one()}; }
  bool is_infinity() const { return z.is_zero(); }

  Affine affine() const {
    const Fp i = z.inverse();  // 0 for infinity, and so is the point
    return {x * i, y * i};
  }
};

namespace detail {

// 3b = 9
inline Fp times_nine(const Fp& x) { return x.doubled().doubled().doubled() + x; }

}  // namespace detail

inline Projective operator+(const Projective& p, const Projective& q) {
  Fp t0 = p.x * q.x, t1 = p.y * q.y, t2 = p.z * q.z;
  const Fp xy = (p.x + p.y) * (q.x + q.y) - t0 - t1;
  const Fp yz = (p.y + p.z) * (q.y + q.z) - t1 - t2;
  const Fp xz = detail::times_nine((p.x + p.z) * (q.x + q.z) - t0 - t2);
  t0 = t0.doubled() + t0;
  t2 = detail::times_nine(t2);
  const Fp sum = t1 + t2, difference = t1 - t2;
  return {xy * difference - yz * xz, difference * sum + xz * t0, yz * sum + t0 * xy};
}

inline Projective operator+(const Projective& p, const Affine& q) {
  if (q.is_infinity()) return p;
  Fp t0 = p.x * q.x;
  const Fp t1 = p.y * q.y;
  const Fp xy = (p.x + p.y) * (q.x + q.y) - t0 - t1;
  const Fp yz = q.y * p.z + p.y;
  const Fp xz = detail::times_nine(q.x * p.z + p.x);
  t0 = t0.doubled() + t0;
  const Fp t2 = detail::times_nine(p.z);
  const Fp sum = t1 + t2, difference = t1 - t2;
  return {xy * difference - yz * xz, difference * sum + xz * t0, yz * sum + t0 * xy};
}

inline Projective doubled(const Projective& p) {
  const Fp yy = p.y.squared();
  const Fp eight = yy.doubled().doubled().doubled();
  const Fp zz = detail::times_nine(p.z.squared());
  const Fp difference = yy - (zz.doubled() + zz);
  return {(difference * (p.x * p.y)).doubled(), difference * (yy + zz) + zz * eight, p.y * p.z * eight};
}

inline Projective operator-(const Projective& p) { return {p.x, -p.y, p.z}; }

// k * p for a plain integer k, bit by bit: for tests and single points.
inline Projective multiply(const Projective& p, const Limbs& k) {
  Projective sum = Projective::infinity();
  for (int i = 255; i >= 0; --i) {
    sum = doubled(sum);
    if ((k[i / 64] >> (i % 64)) & 1) sum = sum + p;
  }
  return sum;
}

}  // namespace gramercy
