// The two prime fields of BN254 in Montgomery form: four 64-bit limbs, R = 2^256.
//
// Multiplication: coarsely integrated operand scanning (Koç, Acar and Kaliski, "Analyzing and comparing Montgomery
// multiplication algorithms", 1996). Both moduli leave the top bits of the top limb free, so that no fifth limb of
// carry is needed. On x86-64 the carries run through the two flag chains of ADX when the processor has them.
// Times depend on the data: nothing here keeps a secret from whoever can measure this process.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <cstring>

#include "inverse.hpp"

namespace gramercy {

using u64 = std::uint64_t;
using u128 = unsigned __int128;
using Limbs = std::array<u64, 4>;

#if defined(__GNUC__)
#define GRAMERCY_INLINE inline __attribute__((always_inline))
#define GRAMERCY_NOINLINE __attribute__((noinline))
#else
#error "GCC or Clang is needed: 128-bit integers"
#endif

#if defined(__x86_64__)
// MULX and ADX: Intel since Broadwell (2014), AMD since Zen (2017).
inline const bool kHasAdx = (__builtin_cpu_init(), __builtin_cpu_supports("bmi2") && __builtin_cpu_supports("adx"));
#endif

// ---- plain 256-bit integers --------------------------------------------------------------------------------------

constexpr bool less(const Limbs& a, const Limbs& b) {
  for (int i = 3; i >= 0; --i) {
    if (a[i] != b[i]) return a[i] < b[i];
  }
  return false;
}

constexpr bool is_zero(const Limbs& a) { return (a[0] | a[1] | a[2] | a[3]) == 0; }

// a += b; the carry out.
constexpr u64 add_to(Limbs& a, const Limbs& b) {
  u128 carry = 0;
  for (int i = 0; i < 4; ++i) {
    carry += static_cast<u128>(a[i]) + b[i];
    a[i] = static_cast<u64>(carry);
    carry >>= 64;
  }
  return static_cast<u64>(carry);
}

// a -= b; the borrow out.
constexpr u64 sub_from(Limbs& a, const Limbs& b) {
  u64 borrow = 0;
  for (int i = 0; i < 4; ++i) {
    const u128 t = static_cast<u128>(a[i]) - b[i] - borrow;
    a[i] = static_cast<u64>(t);
    borrow = static_cast<u64>(t >> 64) & 1;
  }
  return borrow;
}

namespace detail {

// 2^count mod m, by doubling.
constexpr Limbs power_of_two(const Limbs& m, int count) {
  Limbs x{1, 0, 0, 0};
  for (int i = 0; i < count; ++i) {
    const Limbs copy = x;
    add_to(x, copy);  // m < 2^255
    if (!less(x, m)) sub_from(x, m);
  }
  return x;
}

// -1/m mod 2^64, by Newton's iteration.
constexpr u64 negated_inverse(u64 m) {
  u64 x = 1;
  for (int i = 0; i < 6; ++i) x *= 2 - m * x;
  return ~x + 1;
}

}  // namespace detail

struct BaseModulus {
  static constexpr Limbs value{0x3c208c16d87cfd47, 0x97816a916871ca8d, 0xb85045b68181585d, 0x30644e72e131a029};
};

struct ScalarModulus {
  static constexpr Limbs value{0x43e1f593f0000001, 0x2833e84879b97091, 0xb85045b68181585d, 0x30644e72e131a029};
};

// ---- field elements ----------------------------------------------------------------------------------------------

template <class Modulus>
struct Field {
  static constexpr Limbs kModulus = Modulus::value;
  static constexpr u64 kInverse = detail::negated_inverse(kModulus[0]);
  static constexpr Limbs kOne = detail::power_of_two(kModulus, 256);
  static constexpr Limbs kSquare = detail::power_of_two(kModulus, 512);

  Limbs v;  // value * 2^256, below the modulus

  static constexpr Field zero() { return {Limbs{0, 0, 0, 0}}; }
  static constexpr Field one() { return {kOne}; }
  static constexpr bool canonical(const Limbs& x) { return less(x, kModulus); }

  // The element of a canonical integer, and back.
  static Field from(const Limbs& x) { return Field{x} * Field{kSquare}; }
  static Field from(u64 x) { return from(Limbs{x, 0, 0, 0}); }
  Limbs integer() const { return (*this * Field{Limbs{1, 0, 0, 0}}).v; }

  bool is_zero() const { return gramercy::is_zero(v); }
  bool operator==(const Field& o) const { return v == o.v; }
  bool operator!=(const Field& o) const { return !(v == o.v); }

  friend GRAMERCY_INLINE Field operator+(const Field& a, const Field& b) { return add(a, b); }
  friend GRAMERCY_INLINE Field operator-(const Field& a, const Field& b) { return subtract(a, b); }
  friend GRAMERCY_INLINE Field operator*(const Field& a, const Field& b) { return multiply(a, b); }
  Field& operator+=(const Field& o) { return *this = *this + o; }
  Field& operator-=(const Field& o) { return *this = *this - o; }
  Field& operator*=(const Field& o) { return *this = *this * o; }
  Field operator-() const { return zero() - *this; }
  Field squared() const { return *this * *this; }
  Field doubled() const { return *this + *this; }

  Field power(const Limbs& exponent) const {
    Field result = one();
    for (int i = 255; i >= 0; --i) {
      result = result.squared();
      if ((exponent[i / 64] >> (i % 64)) & 1) result *= *this;
    }
    return result;
  }

  Field power(u64 exponent) const { return power(Limbs{exponent, 0, 0, 0}); }

  // 1/x, and 0 for 0.
  Field inverse() const;

 private:
#if defined(__x86_64__)
  static GRAMERCY_INLINE Field add(const Field& a, const Field& b) {
    u64 t0 = a.v[0], t1 = a.v[1], t2 = a.v[2], t3 = a.v[3], s0, s1, s2, s3;
    asm("addq %[b0], %[t0]\n\tadcq %[b1], %[t1]\n\tadcq %[b2], %[t2]\n\tadcq %[b3], %[t3]\n\t"
        "movq %[t0], %[s0]\n\tmovq %[t1], %[s1]\n\tmovq %[t2], %[s2]\n\tmovq %[t3], %[s3]\n\t"
        "subq %[m0], %[s0]\n\tsbbq %[m1], %[s1]\n\tsbbq %[m2], %[s2]\n\tsbbq %[m3], %[s3]\n\t"
        "cmovncq %[s0], %[t0]\n\tcmovncq %[s1], %[t1]\n\tcmovncq %[s2], %[t2]\n\tcmovncq %[s3], %[t3]\n\t"
        : [t0] "+&r"(t0), [t1] "+&r"(t1), [t2] "+&r"(t2), [t3] "+&r"(t3), [s0] "=&r"(s0), [s1] "=&r"(s1),
          [s2] "=&r"(s2), [s3] "=&r"(s3)
        : [b0] "m"(b.v[0]), [b1] "m"(b.v[1]), [b2] "m"(b.v[2]), [b3] "m"(b.v[3]), [m0] "m"(kModulus[0]),
          [m1] "m"(kModulus[1]), [m2] "m"(kModulus[2]), [m3] "m"(kModulus[3])
        : "cc");
    return {{t0, t1, t2, t3}};
  }

  static GRAMERCY_INLINE Field subtract(const Field& a, const Field& b) {
    u64 t0 = a.v[0], t1 = a.v[1], t2 = a.v[2], t3 = a.v[3], s0, s1, s2, s3;
    asm("xorl %k[s3], %k[s3]\n\t"
        "subq %[b0], %[t0]\n\tsbbq %[b1], %[t1]\n\tsbbq %[b2], %[t2]\n\tsbbq %[b3], %[t3]\n\t"
        "movq %[m0], %[s0]\n\tmovq %[m1], %[s1]\n\tmovq %[m2], %[s2]\n\t"
        "cmovncq %[s3], %[s0]\n\tcmovncq %[s3], %[s1]\n\tcmovncq %[s3], %[s2]\n\tcmovcq %[m3], %[s3]\n\t"
        "addq %[s0], %[t0]\n\tadcq %[s1], %[t1]\n\tadcq %[s2], %[t2]\n\tadcq %[s3], %[t3]\n\t"
        : [t0] "+&r"(t0), [t1] "+&r"(t1), [t2] "+&r"(t2), [t3] "+&r"(t3), [s0] "=&r"(s0), [s1] "=&r"(s1),
          [s2] "=&r"(s2), [s3] "=&r"(s3)
        : [b0] "m"(b.v[0]), [b1] "m"(b.v[1]), [b2] "m"(b.v[2]), [b3] "m"(b.v[3]), [m0] "m"(kModulus[0]),
          [m1] "m"(kModulus[1]), [m2] "m"(kModulus[2]), [m3] "m"(kModulus[3])
        : "cc");
    return {{t0, t1, t2, t3}};
  }

  static GRAMERCY_INLINE Field multiply(const Field& a, const Field& b) {
    if (__builtin_expect(!kHasAdx, 0)) return multiply_portable(a, b);
    u64 t0, t1, t2, t3, top, lo, hi;
    const u64* x = a.v.data();
    const u64* y = b.v.data();
// t += x * y_i: low halves along OF, high halves along CF.
#define GRAMERCY_ROW(offset)                                                       \
  "movq " offset                                                                   \
  "(%[y]), %%rdx\n\txorl %k[lo], %k[lo]\n\t"                                       \
  "mulxq (%[x]), %[lo], %[top]\n\tadoxq %[lo], %[t0]\n\t"                          \
  "adcxq %[top], %[t1]\n\tmulxq 8(%[x]), %[lo], %[top]\n\tadoxq %[lo], %[t1]\n\t"  \
  "adcxq %[top], %[t2]\n\tmulxq 16(%[x]), %[lo], %[top]\n\tadoxq %[lo], %[t2]\n\t" \
  "adcxq %[top], %[t3]\n\tmulxq 24(%[x]), %[lo], %[top]\n\tadoxq %[lo], %[t3]\n\t" \
  "movl $0, %k[lo]\n\tadcxq %[lo], %[top]\n\tadoxq %[lo], %[top]\n\t"
// t = (t + q * modulus) / 2^64 with q chosen so that the lowest limb vanishes.
#define GRAMERCY_REDUCE                                                       \
  "movq %[inv], %%rdx\n\timulq %[t0], %%rdx\n\txorl %k[lo], %k[lo]\n\t"       \
  "mulxq %[m0], %[lo], %[hi]\n\tadcxq %[t0], %[lo]\n\tmovq %[hi], %[t0]\n\t"  \
  "adcxq %[t1], %[t0]\n\tmulxq %[m1], %[lo], %[t1]\n\tadoxq %[lo], %[t0]\n\t" \
  "adcxq %[t2], %[t1]\n\tmulxq %[m2], %[lo], %[t2]\n\tadoxq %[lo], %[t1]\n\t" \
  "adcxq %[t3], %[t2]\n\tmulxq %[m3], %[lo], %[t3]\n\tadoxq %[lo], %[t2]\n\t" \
  "movl $0, %k[lo]\n\tadcxq %[lo], %[t3]\n\tadoxq %[top], %[t3]\n\t"
    asm("movq (%[y]), %%rdx\n\t"
        "mulxq (%[x]), %[t0], %[t1]\n\t"
        "mulxq 8(%[x]), %[lo], %[t2]\n\taddq %[lo], %[t1]\n\t"
        "mulxq 16(%[x]), %[lo], %[t3]\n\tadcq %[lo], %[t2]\n\t"
        "mulxq 24(%[x]), %[lo], %[top]\n\tadcq %[lo], %[t3]\n\tadcq $0, %[top]\n\t"  //
        GRAMERCY_REDUCE GRAMERCY_ROW("8") GRAMERCY_REDUCE GRAMERCY_ROW("16") GRAMERCY_REDUCE GRAMERCY_ROW("24")
            GRAMERCY_REDUCE
        "movq %[t0], %[lo]\n\tsubq %[m0], %[lo]\n\tmovq %[t1], %[hi]\n\tsbbq %[m1], %[hi]\n\t"
        "movq %[t2], %[top]\n\tsbbq %[m2], %[top]\n\tmovq %[t3], %%rdx\n\tsbbq %[m3], %%rdx\n\t"
        "cmovncq %[lo], %[t0]\n\tcmovncq %[hi], %[t1]\n\tcmovncq %[top], %[t2]\n\tcmovncq %%rdx, %[t3]\n\t"
        :
        [t0] "=&r"(t0), [t1] "=&r"(t1), [t2] "=&r"(t2), [t3] "=&r"(t3), [top] "=&r"(top), [lo] "=&r"(lo), [hi] "=&r"(hi)
        : [x] "r"(x), [y] "r"(y), "m"(a.v), "m"(b.v), [m0] "m"(kModulus[0]), [m1] "m"(kModulus[1]),
          [m2] "m"(kModulus[2]), [m3] "m"(kModulus[3]), [inv] "m"(kInverse)
        : "rdx", "cc");
#undef GRAMERCY_ROW
#undef GRAMERCY_REDUCE
    return {{t0, t1, t2, t3}};
  }
#else
  static GRAMERCY_INLINE Field add(const Field& a, const Field& b) {
    Limbs t = a.v;
    add_to(t, b.v);
    if (!less(t, kModulus)) sub_from(t, kModulus);
    return {t};
  }

  static GRAMERCY_INLINE Field subtract(const Field& a, const Field& b) {
    Limbs t = a.v;
    if (sub_from(t, b.v)) add_to(t, kModulus);
    return {t};
  }

  static GRAMERCY_INLINE Field multiply(const Field& a, const Field& b) { return multiply_portable(a, b); }
#endif

 public:
  // a * b / 2^256 without assembly; public so that the self-test can compare the two.
  static GRAMERCY_NOINLINE Field multiply_portable(const Field& a, const Field& b) {
    u64 t0 = 0, t1 = 0, t2 = 0, t3 = 0;
    for (int i = 0; i < 4; ++i) {
      const u64 y = b.v[i];
      u128 low = static_cast<u128>(a.v[0]) * y + t0;
      const u64 q = static_cast<u64>(low) * kInverse;
      u128 reduced = static_cast<u128>(q) * kModulus[0] + static_cast<u64>(low);
      low = static_cast<u128>(a.v[1]) * y + t1 + static_cast<u64>(low >> 64);
      reduced = static_cast<u128>(q) * kModulus[1] + static_cast<u64>(low) + static_cast<u64>(reduced >> 64);
      t0 = static_cast<u64>(reduced);
      low = static_cast<u128>(a.v[2]) * y + t2 + static_cast<u64>(low >> 64);
      reduced = static_cast<u128>(q) * kModulus[2] + static_cast<u64>(low) + static_cast<u64>(reduced >> 64);
      t1 = static_cast<u64>(reduced);
      low = static_cast<u128>(a.v[3]) * y + t3 + static_cast<u64>(low >> 64);
      reduced = static_cast<u128>(q) * kModulus[3] + static_cast<u64>(low) + static_cast<u64>(reduced >> 64);
      t2 = static_cast<u64>(reduced);
      t3 = static_cast<u64>(low >> 64) + static_cast<u64>(reduced >> 64);
    }
    Limbs t{t0, t1, t2, t3};
    if (!less(t, kModulus)) sub_from(t, kModulus);
    return {t};
  }
};

using Fp = Field<BaseModulus>;
using Fr = Field<ScalarModulus>;

template <class Modulus>
Field<Modulus> Field<Modulus>::inverse() const {
  static constexpr detail::Inverter kInverter(kModulus, kInverse);
  static constexpr Field kCube{detail::power_of_two(kModulus, 768)};
  return Field{kInverter(v)} * kCube;  // 1 / (x 2^256), times 2^512
}

}  // namespace gramercy
