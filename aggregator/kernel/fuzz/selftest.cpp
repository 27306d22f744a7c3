// Checks the kernel against definitions, on inputs that an adversary would pick; a libFuzzer target with Clang.
//
// selftest [SEED [ROUNDS]] runs so many random inputs; as fuzz_kernel, files named on the command line are inputs.
#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <iterator>
#include <limits>
#include <random>
#include <string>

#include "msm.hpp"
#include "multiples.hpp"
#include "ntt.hpp"
#include "pairing.hpp"
#include "points.hpp"
#include "vectors.hpp"

#include "fuzz/updates.hpp"

namespace {

using namespace gramercy;

// Choices come from the input until it is used up, then from a generator that it seeds.
class Source {
 public:
  Source(const std::uint8_t* data, std::size_t size) : data_(data), left_(size), random_(size) {
    for (std::size_t i = 0; i < size; ++i) random_.seed(random_() ^ data[i]);
  }

  u64 below(u64 bound) { return word() % bound; }

  u64 word() {
    if (left_ == 0) return random_();
    u64 x = 0;
    for (int i = 0; i < 8 && left_ > 0; ++i, --left_) x = x << 8 | *data_++;
    return x;
  }

  // Mostly the scalars where carries, signs and cancellations are.
  Limbs scalar() {
    const u64 small = below(5);
    Limbs x{small, 0, 0, 0};
    switch (below(6)) {
      case 0: return x;
      case 1: {
        Limbs negative = Fr::kModulus;
        sub_from(negative, Limbs{small + 1, 0, 0, 0});
        return negative;
      }
      case 2: {  // a power of two, or one less
        x = Limbs{};
        const u64 bit = below(253);
        x[bit / 64] = u64{1} << (bit % 64);
        if (small % 2 == 1) sub_from(x, Limbs{1, 0, 0, 0});
        return x;
      }
      default:
        do {
          for (u64& limb : x) limb = word();
          x[3] >>= 2;
        } while (!Fr::canonical(x));
        return x;
    }
  }

 private:
  const std::uint8_t* data_;
  std::size_t left_;
  std::mt19937_64 random_;
};

void require(bool holds, const char* what) {
  if (holds) return;
  std::fprintf(stderr, "wrong: %s\n", what);
  std::abort();
}

bool same(const Affine& a, const Projective& b) {
  const Affine c = b.affine();
  return a.x == c.x && a.y == c.y;
}

Limbs residue_of(std::int64_t x) { return gramercy::detail::residue(gramercy::detail::from_signed(x)); }

// Points with repetitions, opposites and infinity.
std::vector<Affine> adversarial_points(Source& source, std::size_t count) {
  std::vector<Affine> points;
  for (std::size_t i = 0; i < count; ++i) {
    const u64 kind = i == 0 ? 7 : source.below(8);
    const Affine other = i == 0 ? generator() : points[source.below(i)];
    if (kind == 0) {
      points.push_back(Affine::infinity());
    } else if (kind == 1) {
      points.push_back(other);
    } else if (kind == 2) {
      points.push_back(-other);
    } else {
      points.push_back(multiply(Projective::from(generator()), source.scalar()).affine());
    }
  }
  return points;
}

Projective sum_of(const std::vector<Affine>& points, const std::vector<Limbs>& scalars) {
  Projective sum = Projective::infinity();
  for (std::size_t i = 0; i < scalars.size(); ++i) sum = sum + multiply(Projective::from(points[i]), scalars[i]);
  return sum;
}

MsmOptions options(Source& source) {
  MsmOptions o;
  o.threads = 1 + static_cast<unsigned>(source.below(3));
  o.vectors = source.below(2) == 0;
  o.block = source.below(2) == 0 ? 0 : 1 + source.below(40);
  return o;
}

template <class Integer>
void check_integers(Source& source, const std::vector<Affine>& points) {
  const std::size_t count = source.below(points.size() + 1);
  std::vector<Integer> values(count);
  std::vector<Limbs> scalars;
  const unsigned shift = static_cast<unsigned>(source.below(8 * sizeof(Integer)));
  for (Integer& value : values) {
    switch (source.below(5)) {
      case 0: value = std::numeric_limits<Integer>::min(); break;
      case 1: value = std::numeric_limits<Integer>::max(); break;
      case 2: value = static_cast<Integer>(-1); break;
      default: value = static_cast<Integer>(static_cast<Integer>(source.word()) >> shift);
    }
    scalars.push_back(residue_of(value));
  }
  require(same(msm(points.data(), values.data(), count, options(source)), sum_of(points, scalars)), "msm of integers");
  std::vector<Limbs> converted(count);
  from_integers(values.data(), count, converted.data(), 1);
  require(converted == scalars, "from_integers");
}

void check_points_of(Source& source) {
  const std::vector<Affine> points = adversarial_points(source, 1 + source.below(70));
  std::vector<Limbs> scalars(source.below(points.size() + 1));
  const Limbs repeated = source.scalar();
  const bool equal = source.below(4) == 0;
  for (Limbs& s : scalars) s = equal ? repeated : source.scalar();
  require(same(msm(points.data(), scalars.data(), scalars.size(), options(source)), sum_of(points, scalars)), "msm");
  switch (source.below(4)) {
    case 0: check_integers<std::int8_t>(source, points); break;
    case 1: check_integers<std::int16_t>(source, points); break;
    case 2: check_integers<std::int32_t>(source, points); break;
    default: check_integers<std::int64_t>(source, points);
  }
  const MsmOptions o = options(source);
  std::vector<Affine> multiples(scalars.size());
  scale(points.data(), scalars.data(), scalars.size(), multiples.data(), o.threads, o.vectors);
  for (std::size_t i = 0; i < scalars.size(); ++i) {
    require(same(multiples[i], multiply(Projective::from(points[i]), scalars[i])), "scale");
  }
  fixed_base(points[0], scalars.data(), scalars.size(), multiples.data(), o.threads, o.vectors);
  for (std::size_t i = 0; i < scalars.size(); ++i) {
    require(same(multiples[i], multiply(Projective::from(points[0]), scalars[i])), "fixed_base");
  }
  std::vector<std::uint8_t> bytes(64 * points.size());
  std::vector<Affine> decoded(points.size());
  encode_points(points.data(), points.size(), bytes.data(), o.threads);
  decode_points(bytes.data(), points.size(), decoded.data(), o.threads);
  require(std::memcmp(decoded.data(), points.data(), 64 * points.size()) == 0, "encoding");
}

void check_polynomials(Source& source) {
  const bool vectors = source.below(2) == 0;
  const unsigned threads = 1 + static_cast<unsigned>(source.below(2));
  std::vector<Limbs> a(1 + source.below(300)), b(1 + source.below(60));
  for (Limbs& x : a) x = source.scalar();
  for (Limbs& x : b) x = source.scalar();
  Limbs constant;
  std::vector<Limbs> lags(a.size());
  correlate(a.data(), a.size(), constant, lags.data(), threads, vectors);
  for (std::size_t k = 0; k < a.size(); ++k) {
    require((k == 0 ? constant : lags[k - 1]) == gramercy::detail::lag_product(a.data(), a.size(), k).v, "correlate");
  }
  std::vector<Limbs> product(a.size() + b.size() - 1);
  multiply(a.data(), a.size(), b.data(), b.size(), product.data(), threads, vectors);
  const Fr z = Fr::from(source.scalar());
  const Fr left = evaluate(a.data(), a.size(), z, threads), right = evaluate(b.data(), b.size(), z, threads);
  require(evaluate(product.data(), product.size(), z, threads) == Fr::from(left.v) * right, "multiply");
  std::vector<Limbs> quotient(a.size());
  divide(a.data(), a.size(), z, quotient.data(), threads);
  const Fr x = Fr::from(source.scalar());
  const Fr at = evaluate(quotient.data(), a.size() - 1, x, threads);
  require(at * (x - z) == evaluate(a.data(), a.size(), x, threads) - left, "divide");
}

#if !defined(GRAMERCY_LIBFUZZER)
// Every length of transform, against its definition at a few points; beyond the shortest it runs on strips.
void check_transforms(unsigned most) {
  std::mt19937_64 random(28);
  for (unsigned log = 0; log <= most; ++log) {
    for (const bool vectors : {false, true}) {
      std::vector<Fr> values(std::size_t{1} << log);
      for (Fr& x : values) x = Fr{Limbs{random(), random(), random(), random() >> 3}};
      const std::vector<Fr> before = values;
      Transform transform(log, 2, vectors);
      transform.forward(values.data());
      for (const u64 k : {u64{0}, u64{1}, random() >> (64 - log - 1) >> 1}) {
        if (k >> log) continue;
        const Fr w = root_of_unity(log).power(k);
        Fr value = Fr::zero();
        for (std::size_t j = before.size(); j-- > 0;) value = value * w + before[j];
        require(values[reversed(k, log)] == value, "transform");
      }
      transform.inverse(values.data(), Fr::one());
      require(values == before, "inverse transform");
    }
  }
}

#endif

void check_combination(Source& source) {
  const std::size_t count = source.below(40), rows = 1 + source.below(70);
  std::vector<std::vector<std::int16_t>> entries(rows, std::vector<std::int16_t>(count));
  std::vector<Row> views;
  std::vector<u128> weights;
  for (auto& row : entries) {
    for (std::int16_t& x : row) x = source.below(3) ? static_cast<std::int16_t>(source.word()) : std::int16_t{-32768};
    views.push_back({row.data(), 2});
    weights.push_back(source.below(3) ? static_cast<u128>(source.word()) << 64 | source.word() : ~u128{0});
  }
  std::vector<Limbs> out(count);
  combine(views, weights, count, out.data(), 2);
  for (std::size_t k = 0; k < count; ++k) {
    Fr sum = Fr::zero();
    for (std::size_t i = 0; i < rows; ++i) {
      const Fr weight = Fr::from(Limbs{static_cast<u64>(weights[i]), static_cast<u64>(weights[i] >> 64), 0, 0});
      sum += weight * Fr{residue_of(entries[i][k])};
    }
    require(sum.v == out[k], "combine");
  }
}

// Bilinear in its first argument, and not constant.
void check_pairing(Source& source) {
  // The generator of EIP-197.
  const Limbs twist[4] = {{0x46debd5cd992f6ed, 0x674322d4f75edadd, 0x426a00665e5c4479, 0x1800deef121f1e76},
                          {0x97e485b7aef312c2, 0xf1aa493335a9e712, 0x7260bfb731fb5d25, 0x198e9393920d483a},
                          {0x4ce6cc0166fa7daa, 0xe3d1e7690c43d37b, 0x4aab71808dcb408f, 0x12c85ea5db8c6deb},
                          {0x55acdadcd122975b, 0xbc4b313370b38ef3, 0xec9e99ad690c3395, 0x090689d0585ff075}};
  const Fr a{source.scalar()}, b{source.scalar()};
  std::vector<Affine> points;
  for (const Fr& x : {a, b, -(a + b)}) points.push_back(multiply(Projective::from(generator()), x.v).affine());
  std::vector<Limbs> twists;
  for (int i = 0; i < 3; ++i) twists.insert(twists.end(), twist, twist + 4);
  require(pairing_check(points.data(), twists.data(), 3), "product of pairings that is one");
  points[0] = (Projective::from(points[0]) + generator()).affine();
  require(!pairing_check(points.data(), twists.data(), 3), "product of pairings that is not one");
}

template <class F>
void check_field(Source& source) {
  const auto element = [&] {
    Limbs x = source.scalar();
    return F{F::canonical(x) ? x : Limbs{}};
  };
  const F a = element(), b = element(), c = element();
  require(a * b == F::multiply_portable(a, b), "product");
  require((a + b) * c == a * c + b * c && (a - b) + b == a && a + (-a) == F::zero(), "field laws");
  require(a.is_zero() ? a.inverse().is_zero() : a * a.inverse() == F::one(), "inverse");
  require(F::from(a.integer()) == a && F::canonical((a * b).v) && F::canonical((a - b).v), "canonical");
}

void check_all(const std::uint8_t* data, std::size_t size) {
  Source source(data, size);
  check_field<Fp>(source);
  check_field<Fr>(source);
  check_points_of(source);
  check_polynomials(source);
  check_combination(source);
  testing::check_updates(source, require);
  if (source.below(8) == 0) check_pairing(source);
}

}  // namespace

#if defined(GRAMERCY_LIBFUZZER)

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  check_all(data, size);
  return 0;
}

#else

int main(int count, char** arguments) {
  if (count > 1 && std::ifstream(arguments[1])) {
    for (int i = 1; i < count; ++i) {
      std::ifstream file(arguments[i], std::ios::binary);
      const std::vector<char> bytes{std::istreambuf_iterator<char>(file), {}};
      check_all(reinterpret_cast<const std::uint8_t*>(bytes.data()), bytes.size());
    }
    return 0;
  }
  const u64 seed = count > 1 ? std::strtoull(arguments[1], nullptr, 10) : 1;
  const int rounds = count > 2 ? std::atoi(arguments[2]) : 40;
  check_transforms(13);
  std::mt19937_64 random(seed);
  for (int round = 0; round < rounds; ++round) {
    std::uint8_t bytes[64];
    for (std::uint8_t& byte : bytes) byte = static_cast<std::uint8_t>(random());
    check_all(bytes, sizeof bytes);
  }
  std::printf("%d rounds with seed %llu: right\n", rounds, static_cast<unsigned long long>(seed));
}

#endif
