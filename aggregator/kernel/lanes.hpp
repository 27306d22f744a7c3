// Eight field elements at once with AVX-512 IFMA: five 52-bit limbs, one vector each; products divided by 2^260.
//
// Montgomery multiplication word by word, carries left in the 64-bit lanes until the end, as in Gueron and Krasnov,
// "Accelerating big integer arithmetic using Intel IFMA extensions" (2016). 2^260 is more than 84 times either
// modulus, so sums and differences stay unreduced over many operations: every comment "< k" bounds a value in moduli.
#pragma once

#include "field.hpp"

#if defined(__x86_64__)
#define GRAMERCY_IFMA 1
#include <immintrin.h>

#define GRAMERCY_TARGET __attribute__((target("avx512f,avx512dq,avx512bw,avx512vl,avx512ifma,avx512vbmi2")))
#define GRAMERCY_LANES GRAMERCY_TARGET inline __attribute__((always_inline))

namespace gramercy {

inline const bool kHasIfma =
    (__builtin_cpu_init(), __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512dq") &&
                               __builtin_cpu_supports("avx512bw") && __builtin_cpu_supports("avx512vl") &&
                               __builtin_cpu_supports("avx512ifma") && __builtin_cpu_supports("avx512vbmi2"));

namespace lanes {

constexpr u64 kMask52 = (u64{1} << 52) - 1;
using Limbs52 = std::array<u64, 5>;

constexpr Limbs52 split(const Limbs& x) {
  return {x[0] & kMask52, (x[0] >> 52 | x[1] << 12) & kMask52, (x[1] >> 40 | x[2] << 24) & kMask52,
          (x[2] >> 28 | x[3] << 36) & kMask52, x[3] >> 16};
}

constexpr Limbs52 times(const Limbs52& x, u64 factor) {  // factor small
  Limbs52 result{};
  u64 carry = 0;
  for (int i = 0; i < 5; ++i) {
    carry += x[i] * factor;
    result[i] = carry & kMask52;
    carry >>= 52;
  }
  return result;
}

constexpr Limbs52 complement(const Limbs52& x) {  // 2^260 - x
  Limbs52 result{};
  u64 carry = 1;
  for (int i = 0; i < 5; ++i) {
    carry += x[i] ^ kMask52;
    result[i] = carry & kMask52;
    carry >>= 52;
  }
  return result;
}

constexpr u64 scaled_reciprocal(const Limbs& m) {  // floor(2^305 / m)
  Limbs rest{1, 0, 0, 0};
  u64 quotient = 0;
  for (int i = 0; i < 305; ++i) {
    const Limbs copy = rest;
    add_to(rest, copy);
    quotient <<= 1;
    if (!less(rest, m)) {
      sub_from(rest, m);
      quotient |= 1;
    }
  }
  return quotient;
}

template <class Modulus>
struct Constants {
  static constexpr Limbs52 kModulus = split(Modulus::value);
  static constexpr Limbs52 kFour = times(kModulus, 4);
  static constexpr Limbs52 kComplement = complement(kModulus);
  static constexpr u64 kInverse = detail::negated_inverse(Modulus::value[0]) & kMask52;
  static constexpr u64 kReciprocal = scaled_reciprocal(Modulus::value);
};

struct F8 {
  __m512i l0, l1, l2, l3, l4;
};

GRAMERCY_LANES __m512i same(u64 x) { return _mm512_set1_epi64(static_cast<long long>(x)); }
GRAMERCY_LANES F8 same(const Limbs52& x) { return {same(x[0]), same(x[1]), same(x[2]), same(x[3]), same(x[4])}; }

GRAMERCY_LANES F8 add(const F8& a, const F8& b) {
  return {_mm512_add_epi64(a.l0, b.l0), _mm512_add_epi64(a.l1, b.l1), _mm512_add_epi64(a.l2, b.l2),
          _mm512_add_epi64(a.l3, b.l3), _mm512_add_epi64(a.l4, b.l4)};
}

GRAMERCY_LANES F8 sub(const F8& a, const F8& b) {
  return {_mm512_sub_epi64(a.l0, b.l0), _mm512_sub_epi64(a.l1, b.l1), _mm512_sub_epi64(a.l2, b.l2),
          _mm512_sub_epi64(a.l3, b.l3), _mm512_sub_epi64(a.l4, b.l4)};
}

template <int kBits>
GRAMERCY_LANES F8 shifted(const F8& a) {
  return {_mm512_slli_epi64(a.l0, kBits), _mm512_slli_epi64(a.l1, kBits), _mm512_slli_epi64(a.l2, kBits),
          _mm512_slli_epi64(a.l3, kBits), _mm512_slli_epi64(a.l4, kBits)};
}

// where ? b : a
GRAMERCY_LANES F8 blend(__mmask8 where, const F8& a, const F8& b) {
  return {_mm512_mask_mov_epi64(a.l0, where, b.l0), _mm512_mask_mov_epi64(a.l1, where, b.l1),
          _mm512_mask_mov_epi64(a.l2, where, b.l2), _mm512_mask_mov_epi64(a.l3, where, b.l3),
          _mm512_mask_mov_epi64(a.l4, where, b.l4)};
}

// Limbs back to 52 bits, signed carries; the value must not be negative.
GRAMERCY_LANES F8 carried(const F8& a) {
  const __m512i mask = same(kMask52);
  const __m512i t1 = _mm512_add_epi64(a.l1, _mm512_srai_epi64(a.l0, 52));
  const __m512i t2 = _mm512_add_epi64(a.l2, _mm512_srai_epi64(t1, 52));
  const __m512i t3 = _mm512_add_epi64(a.l3, _mm512_srai_epi64(t2, 52));
  const __m512i t4 = _mm512_add_epi64(a.l4, _mm512_srai_epi64(t3, 52));
  return {_mm512_and_si512(a.l0, mask), _mm512_and_si512(t1, mask), _mm512_and_si512(t2, mask),
          _mm512_and_si512(t3, mask), t4};
}

// One word of a Montgomery multiplication: t = (t + a * y + q * modulus) / 2^52, with q such that the division is
// exact. q * modulus clears the low limb of t0; that product is not computed: what it carries rounds t0 / 2^52 up.
template <class Modulus>
GRAMERCY_LANES void multiply_word(F8& t, const F8& a, const __m512i y) {
  using C = Constants<Modulus>;
  const __m512i zero = _mm512_setzero_si512();
  const __m512i m0 = same(C::kModulus[0]), m1 = same(C::kModulus[1]), m2 = same(C::kModulus[2]),
                m3 = same(C::kModulus[3]), m4 = same(C::kModulus[4]);
  t.l0 = _mm512_madd52lo_epu64(t.l0, a.l0, y);
  const __m512i q = _mm512_madd52lo_epu64(zero, t.l0, same(C::kInverse));
  __m512i t1 = _mm512_madd52lo_epu64(t.l1, a.l1, y);
  __m512i t2 = _mm512_madd52lo_epu64(t.l2, a.l2, y);
  __m512i t3 = _mm512_madd52lo_epu64(t.l3, a.l3, y);
  __m512i t4 = _mm512_madd52lo_epu64(t.l4, a.l4, y);
  __m512i t5 = _mm512_madd52hi_epu64(zero, a.l4, y);
  t1 = _mm512_madd52hi_epu64(t1, a.l0, y);
  t2 = _mm512_madd52hi_epu64(t2, a.l1, y);
  t3 = _mm512_madd52hi_epu64(t3, a.l2, y);
  t4 = _mm512_madd52hi_epu64(t4, a.l3, y);
  t1 = _mm512_add_epi64(t1, _mm512_srli_epi64(_mm512_add_epi64(t.l0, same(kMask52)), 52));
  t1 = _mm512_madd52lo_epu64(t1, q, m1);
  t2 = _mm512_madd52lo_epu64(t2, q, m2);
  t3 = _mm512_madd52lo_epu64(t3, q, m3);
  t4 = _mm512_madd52lo_epu64(t4, q, m4);
  t.l0 = _mm512_madd52hi_epu64(t1, q, m0);
  t.l1 = _mm512_madd52hi_epu64(t2, q, m1);
  t.l2 = _mm512_madd52hi_epu64(t3, q, m2);
  t.l3 = _mm512_madd52hi_epu64(t4, q, m3);
  t.l4 = _mm512_madd52hi_epu64(t5, q, m4);
}

// a * b / 2^260 for carried a < j and b < k with j * k <= 84: the result is carried and < 1 + j k / 84.
template <class Modulus>
GRAMERCY_LANES F8 multiply(const F8& a, const F8& b) {
  const __m512i zero = _mm512_setzero_si512();
  F8 t{zero, zero, zero, zero, zero};
  multiply_word<Modulus>(t, a, b.l0);
  multiply_word<Modulus>(t, a, b.l1);
  multiply_word<Modulus>(t, a, b.l2);
  multiply_word<Modulus>(t, a, b.l3);
  multiply_word<Modulus>(t, a, b.l4);
  return carried(t);
}

struct F16 {
  F8 a, b;
};

// Two products at once: a single one is a chain of dependent steps too long for the processor to overlap by itself.
template <class Modulus>
GRAMERCY_LANES F16 multiply(const F16& x, const F16& y) {
  const __m512i zero = _mm512_setzero_si512();
  F8 t{zero, zero, zero, zero, zero}, u{zero, zero, zero, zero, zero};
  multiply_word<Modulus>(t, x.a, y.a.l0);
  multiply_word<Modulus>(u, x.b, y.b.l0);
  multiply_word<Modulus>(t, x.a, y.a.l1);
  multiply_word<Modulus>(u, x.b, y.b.l1);
  multiply_word<Modulus>(t, x.a, y.a.l2);
  multiply_word<Modulus>(u, x.b, y.b.l2);
  multiply_word<Modulus>(t, x.a, y.a.l3);
  multiply_word<Modulus>(u, x.b, y.b.l3);
  multiply_word<Modulus>(t, x.a, y.a.l4);
  multiply_word<Modulus>(u, x.b, y.b.l4);
  return {carried(t), carried(u)};
}

// The canonical representative of a value < 80 whose limbs need not be carried.
template <class Modulus>
GRAMERCY_LANES F8 canonical(const F8& a) {
  using C = Constants<Modulus>;
  const __m512i zero = _mm512_setzero_si512();
  // The quotient by the modulus from the top limb, made a little too small rather than too large.
  const __m512i top =
      _mm512_max_epi64(_mm512_sub_epi64(_mm512_add_epi64(a.l4, _mm512_srai_epi64(a.l3, 52)), same(8)), zero);
  const __m512i q = _mm512_srli_epi64(_mm512_madd52hi_epu64(zero, top, same(C::kReciprocal)), 45);
  const F8 n = same(C::kComplement);
  F8 t = a;
  t.l0 = _mm512_madd52lo_epu64(t.l0, q, n.l0);
  t.l1 = _mm512_madd52lo_epu64(_mm512_madd52hi_epu64(t.l1, q, n.l0), q, n.l1);
  t.l2 = _mm512_madd52lo_epu64(_mm512_madd52hi_epu64(t.l2, q, n.l1), q, n.l2);
  t.l3 = _mm512_madd52lo_epu64(_mm512_madd52hi_epu64(t.l3, q, n.l2), q, n.l3);
  t.l4 = _mm512_madd52lo_epu64(_mm512_madd52hi_epu64(t.l4, q, n.l3), q, n.l4);
  t = carried(t);
  t.l4 = _mm512_and_si512(t.l4, same(kMask52));
  // Now below 1 + 2^-40: at or above 1 only if the top limb says so, which is rare.
  if (__builtin_expect(_mm512_cmpge_epu64_mask(t.l4, same(C::kModulus[4])), 0)) {
    const F8 less = carried(sub(t, same(C::kModulus)));
    t = blend(_mm512_cmpge_epi64_mask(less.l4, zero), t, less);
  }
  return t;
}

// ---- memory: four 64-bit words an element ------------------------------------------------------------------------

struct Words8 {
  __m512i w0, w1, w2, w3;
};

GRAMERCY_LANES __m512i pair_of(const u64* low, const u64* high) {
  return _mm512_inserti64x4(_mm512_castsi256_si512(_mm256_loadu_si256(reinterpret_cast<const __m256i*>(low))),
                            _mm256_loadu_si256(reinterpret_cast<const __m256i*>(high)), 1);
}

// Word i of the eight elements, in lane order 0..7.
GRAMERCY_LANES Words8 load_words(const u64* const source[8], std::size_t offset) {
  const __m512i a = pair_of(source[0] + offset, source[4] + offset),
                b = pair_of(source[1] + offset, source[5] + offset);
  const __m512i c = pair_of(source[2] + offset, source[6] + offset),
                d = pair_of(source[3] + offset, source[7] + offset);
  const __m512i ab02 = _mm512_unpacklo_epi64(a, b), ab13 = _mm512_unpackhi_epi64(a, b);
  const __m512i cd02 = _mm512_unpacklo_epi64(c, d), cd13 = _mm512_unpackhi_epi64(c, d);
  const __m512i first = _mm512_setr_epi64(0, 1, 8, 9, 4, 5, 12, 13),
                second = _mm512_setr_epi64(2, 3, 10, 11, 6, 7, 14, 15);
  return {_mm512_permutex2var_epi64(ab02, first, cd02), _mm512_permutex2var_epi64(ab13, first, cd13),
          _mm512_permutex2var_epi64(ab02, second, cd02), _mm512_permutex2var_epi64(ab13, second, cd13)};
}

GRAMERCY_LANES void store_pair(u64* low, u64* high, __m512i x) {
  _mm256_storeu_si256(reinterpret_cast<__m256i*>(low), _mm512_castsi512_si256(x));
  _mm256_storeu_si256(reinterpret_cast<__m256i*>(high), _mm512_extracti64x4_epi64(x, 1));
}

GRAMERCY_LANES void store_words(u64* const target[8], std::size_t offset, const Words8& w) {
  const __m512i first = _mm512_setr_epi64(0, 1, 8, 9, 4, 5, 12, 13),
                second = _mm512_setr_epi64(2, 3, 10, 11, 6, 7, 14, 15);
  const __m512i ab02 = _mm512_permutex2var_epi64(w.w0, first, w.w2),
                cd02 = _mm512_permutex2var_epi64(w.w0, second, w.w2);
  const __m512i ab13 = _mm512_permutex2var_epi64(w.w1, first, w.w3),
                cd13 = _mm512_permutex2var_epi64(w.w1, second, w.w3);
  store_pair(target[0] + offset, target[4] + offset, _mm512_unpacklo_epi64(ab02, ab13));
  store_pair(target[1] + offset, target[5] + offset, _mm512_unpackhi_epi64(ab02, ab13));
  store_pair(target[2] + offset, target[6] + offset, _mm512_unpacklo_epi64(cd02, cd13));
  store_pair(target[3] + offset, target[7] + offset, _mm512_unpackhi_epi64(cd02, cd13));
}

GRAMERCY_LANES F8 from_words(const Words8& w) {
  const __m512i mask = same(kMask52);
  return {_mm512_and_si512(w.w0, mask), _mm512_and_si512(_mm512_shrdi_epi64(w.w0, w.w1, 52), mask),
          _mm512_and_si512(_mm512_shrdi_epi64(w.w1, w.w2, 40), mask),
          _mm512_and_si512(_mm512_shrdi_epi64(w.w2, w.w3, 28), mask), _mm512_srli_epi64(w.w3, 16)};
}

// Carried limbs of a value below 2^256.
GRAMERCY_LANES Words8 to_words(const F8& a) {
  return {_mm512_or_si512(a.l0, _mm512_slli_epi64(a.l1, 52)),
          _mm512_or_si512(_mm512_srli_epi64(a.l1, 12), _mm512_slli_epi64(a.l2, 40)),
          _mm512_or_si512(_mm512_srli_epi64(a.l2, 24), _mm512_slli_epi64(a.l3, 28)),
          _mm512_or_si512(_mm512_srli_epi64(a.l3, 36), _mm512_slli_epi64(a.l4, 16))};
}

GRAMERCY_LANES F8 load(const u64* const source[8], std::size_t offset) {
  return from_words(load_words(source, offset));
}

GRAMERCY_LANES void store(u64* const target[8], std::size_t offset, const F8& a) {
  store_words(target, offset, to_words(a));
}

// ---- the same, sixteen elements ----------------------------------------------------------------------------------

GRAMERCY_LANES F16 both(const F8& x) { return {x, x}; }
GRAMERCY_LANES F16 add(const F16& a, const F16& b) { return {add(a.a, b.a), add(a.b, b.b)}; }
GRAMERCY_LANES F16 sub(const F16& a, const F16& b) { return {sub(a.a, b.a), sub(a.b, b.b)}; }
GRAMERCY_LANES F16 carried(const F16& a) { return {carried(a.a), carried(a.b)}; }

template <int kBits>
GRAMERCY_LANES F16 shifted(const F16& a) {
  return {shifted<kBits>(a.a), shifted<kBits>(a.b)};
}

template <class Modulus>
GRAMERCY_LANES F16 canonical(const F16& a) {
  return {canonical<Modulus>(a.a), canonical<Modulus>(a.b)};
}

GRAMERCY_LANES F16 load16(const u64* const source[16], std::size_t offset) {
  return {load(source, offset), load(source + 8, offset)};
}

GRAMERCY_LANES void store(u64* const target[16], std::size_t offset, const F16& a) {
  store(target, offset, a.a);
  store(target + 8, offset, a.b);
}

// Whole vectors, aligned.
GRAMERCY_LANES F8 get(const u64* p) {
  return {_mm512_load_si512(p), _mm512_load_si512(p + 8), _mm512_load_si512(p + 16), _mm512_load_si512(p + 24),
          _mm512_load_si512(p + 32)};
}

GRAMERCY_LANES void put(u64* p, const F8& x) {
  _mm512_store_si512(p, x.l0);
  _mm512_store_si512(p + 8, x.l1);
  _mm512_store_si512(p + 16, x.l2);
  _mm512_store_si512(p + 24, x.l3);
  _mm512_store_si512(p + 32, x.l4);
}

GRAMERCY_LANES F16 get16(const u64* p) { return {get(p), get(p + 40)}; }

GRAMERCY_LANES void put(u64* p, const F16& x) {
  put(p, x.a);
  put(p + 40, x.b);
}

}  // namespace lanes
}  // namespace gramercy

#else
#define GRAMERCY_IFMA 0
#endif
