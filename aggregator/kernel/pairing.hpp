// The optimal ate pairing of BN254, as a check that a product of pairings is one (EIP-197).
//
// Vercauteren, "Optimal pairings" (2010); Beuchat et al., "High-speed software implementation of the optimal ate
// pairing over Barreto-Naehrig curves" (2010). The final exponentiation's addition chain: Scott, Benger, Charlemagne,
// Dominguez Perez and Kachisa, "On the final exponentiation for calculating pairings on ordinary elliptic curves"
// (2009).
#pragma once

#include "errors.hpp"
#include "tower.hpp"

namespace gramercy {

// Of the twist y^2 = x^3 + 3 / xi over F_p2. Infinity has no place here: it is refused before.
struct TwistPoint {
  Fp2 x, y;
};

namespace detail {

constexpr u64 kCurveParameter = 0x44e992b44a6909f1;  // x, with p = 36 x^4 + 36 x^3 + 24 x^2 + 6 x + 1

inline const Frobenius& frobenius() {
  static const Frobenius map;
  return map;
}

inline bool on_twist(const TwistPoint& q) {
  const Fp2 three{Fp::one().doubled() + Fp::one(), Fp::zero()};
  return (q.y.squared() - q.x.squared() * q.x).times_xi() == three;
}

// p + q with the slope of their line; the slope is of no use where the sum is infinite, and false is returned.
inline bool add(TwistPoint& p, const TwistPoint& q, Fp2& slope) {
  if (p.x == q.x) {
    if (!(p.y == q.y) || p.y.is_zero()) return false;
    const Fp2 square = p.x.squared();
    slope = (square.doubled() + square) * p.y.doubled().inverse();
  } else {
    slope = (q.y - p.y) * (q.x - p.x).inverse();
  }
  const Fp2 x = slope.squared() - p.x - q.x;
  p = {x, slope * (p.x - x) - p.y};
  return true;
}

// Whether r * q is infinity.
inline bool in_subgroup(const TwistPoint& q) {
  TwistPoint sum = q;
  bool infinite = true;
  Fp2 slope;
  for (int i = 253; i >= 0; --i) {
    if (!infinite) {
      const TwistPoint twice = sum;
      infinite = !add(sum, twice, slope);
    }
    if ((Fr::kModulus[i / 64] >> (i % 64)) & 1) {
      if (infinite) {
        sum = q;
        infinite = false;
      } else {
        infinite = !add(sum, q, slope);
      }
    }
  }
  return infinite;
}

// One pair of a product, on its way through Miller's loop.
struct MillerPair {
  Affine p;
  TwistPoint q, t;

  // t + s, and f times the line through them at p. s generates a group of order r, so that no line is vertical.
  void step(const TwistPoint& s, Fp12& f) {
    const TwistPoint before = t;
    Fp2 slope = Fp2::zero();
    add(t, s, slope);
    f = f.times_line(p.y, -(slope * p.x), slope * before.x - before.y);
  }
};

inline TwistPoint frobenius_of(const TwistPoint& q) {
  return {q.x.conjugate() * frobenius().factor[2], q.y.conjugate() * frobenius().factor[3]};
}

inline Fp12 miller(std::vector<MillerPair>& pairs) {
  const u128 loop = static_cast<u128>(kCurveParameter) * 6 + 2;  // 65 bits
  Fp12 f = Fp12::one();
  for (int i = 63; i >= 0; --i) {
    f = f.squared();
    for (MillerPair& pair : pairs) {
      pair.step(TwistPoint(pair.t), f);
      if ((loop >> i) & 1) pair.step(pair.q, f);
    }
  }
  for (MillerPair& pair : pairs) {
    const TwistPoint first = frobenius_of(pair.q), second = frobenius_of(first);
    pair.step(first, f);
    pair.step({second.x, -second.y}, f);
  }
  return f;
}

inline Fp12 to_parameter(const Fp12& f) {
  Fp12 result = f;
  for (int i = 61; i >= 0; --i) {
    result = result.squared();
    if ((kCurveParameter >> i) & 1) result = result * f;
  }
  return result;
}

// f^((p^12 - 1) / r)
inline Fp12 final_exponentiation(const Fp12& value) {
  const Frobenius& map = frobenius();
  Fp12 f = value.conjugate() * value.inverse();
  f = map(map(f)) * f;
  const Fp12 fx = to_parameter(f), fx2 = to_parameter(fx), fx3 = to_parameter(fx2);
  const Fp12 fp = map(f), fp2 = map(fp);
  const Fp12 y0 = fp * fp2 * map(fp2), y1 = f.conjugate(), y2 = map(map(fx2)), y3 = map(fx).conjugate();
  const Fp12 y4 = (fx * map(fx2)).conjugate(), y5 = fx2.conjugate(), y6 = (fx3 * map(fx3)).conjugate();
  Fp12 t0 = y6.squared() * y4 * y5;
  Fp12 t1 = y3 * y5 * t0;
  t0 = t0 * y2;
  t1 = (t1.squared() * t0).squared();
  t0 = t1 * y1;
  t1 = t1 * y0;
  return t0.squared() * t1;
}

}  // namespace detail

// Whether the product of e(points[i], twists[i]) is one. Coordinates of the twist's points come as plain integers,
// x and y, each real part first. Points of the twist must generate a group of order r, whatever they are paired with.
inline bool pairing_check(const Affine* points, const Limbs* twists, std::size_t count) {
  std::vector<detail::MillerPair> pairs;
  for (std::size_t i = 0; i < count; ++i) {
    const Limbs* const c = twists + 4 * i;
    for (int k = 0; k < 4; ++k) {
      if (!Fp::canonical(c[k])) throw BadPoint{i, BadPoint::Why::kNotCanonical};
    }
    const TwistPoint q{{Fp::from(c[0]), Fp::from(c[1])}, {Fp::from(c[2]), Fp::from(c[3])}};
    if (!detail::on_twist(q)) throw BadPoint{i, BadPoint::Why::kNotOnTwist};
    if (!detail::in_subgroup(q)) throw BadPoint{i, BadPoint::Why::kNotInSubgroup};
    if (!points[i].is_infinity()) pairs.push_back({points[i], q, q});
  }
  return detail::final_exponentiation(detail::miller(pairs)) == Fp12::one();
}

}  // namespace gramercy
