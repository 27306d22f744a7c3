// The Python module aggregator.bn254._native: flat functions over NumPy arrays, without the interpreter's lock.
//
// Arrays come in as they are (dtype, shape and layout are part of the signatures, nothing is converted) and are held
// for the call; results are new arrays. A refusal is raised as the error of aggregator.errors that names it.
#include <nanobind/nanobind.h>
#include <nanobind/ndarray.h>
#include <nanobind/stl/string.h>
#include <nanobind/stl/vector.h>

#include "msm.hpp"
#include "multiples.hpp"
#include "ntt.hpp"
#include "pairing.hpp"
#include "points.hpp"
#include "vectors.hpp"

namespace nb = nanobind;
using namespace nb::literals;

namespace {

using namespace gramercy;

static_assert(sizeof(Limbs) == 32 && sizeof(Fr) == 32, "a scalar is four limbs");

template <class T, class... Layout>
using Array = nb::ndarray<const T, nb::c_contig, nb::device::cpu, Layout...>;
using PointArray = Array<u64, nb::shape<-1, 8>>;
using ScalarArray = Array<u64, nb::shape<-1, 4>>;
using TwistArray = Array<u64, nb::shape<-1, 16>>;
using ByteArray = Array<std::uint8_t, nb::shape<-1, 64>>;
template <class T>
using Result = nb::ndarray<nb::numpy, T, nb::ndim<2>>;

struct BadArgument {  // a caller other than native.py
  const char* what;
};

const Affine* points_of(const PointArray& a) { return reinterpret_cast<const Affine*>(a.data()); }
const Limbs* scalars_of(const ScalarArray& a) { return reinterpret_cast<const Limbs*>(a.data()); }

// Hands an array over to Python.
template <class T, class Element>
Result<T> result(Buffer<Element>&& buffer) {
  const std::size_t rows = buffer.size(), columns = sizeof(Element) / sizeof(T);
  T* data = reinterpret_cast<T*>(buffer.data());
  nb::capsule owner(data, [](void* p) noexcept { std::free(p); });
  buffer.release();
  return Result<T>(data, {rows, columns}, owner);
}

struct EncodedPoint {
  std::uint8_t bytes[64];
};

Limbs element(const nb::bytes& data) {
  if (data.size() != 32) throw BadArgument{"a scalar is 32 bytes"};
  Limbs x;
  std::memcpy(x.data(), data.c_str(), 32);
  if (!Fr::canonical(x)) throw NotBelowOrder{0};
  return x;
}

nb::bytes bytes_of(const Affine& p) {
  std::uint8_t out[64];
  gramercy::detail::write_big_endian(p.x.integer(), out);
  gramercy::detail::write_big_endian(p.y.integer(), out + 32);
  return nb::bytes(out, sizeof out);
}

nb::bytes bytes_of(const Limbs& x) { return nb::bytes(x.data(), 32); }

template <class Scalar>
nb::bytes msm_of(const PointArray& points, const Scalar* scalars, std::size_t count, long threads, bool vectors) {
  if (points.shape(0) < count) throw BadArgument{"fewer points than scalars"};
  Affine sum;
  {
    const nb::gil_scoped_release unlocked;
    sum = msm(points_of(points), scalars, count, {thread_count(threads), vectors, 0});
  }
  return bytes_of(sum);
}

template <class Integer>
void define_integers(nb::module_& m) {
  using Integers = Array<Integer, nb::ndim<1>>;
  m.def(
      "msm_integers",
      [](const PointArray& points, const Integers& scalars, long threads, bool vectors) {
        return msm_of(points, scalars.data(), scalars.shape(0), threads, vectors);
      },
      "points"_a.noconvert(), "scalars"_a.noconvert(), "threads"_a, "vectors"_a);
  m.def(
      "from_integers",
      [](const Integers& values) {
        Buffer<Limbs> out(values.shape(0));
        {
          const nb::gil_scoped_release unlocked;
          from_integers(values.data(), values.shape(0), out.data(), thread_count(0));
        }
        return result<u64>(std::move(out));
      },
      "values"_a.noconvert());
}

Result<u64> combine_rows(const nb::list& rows, const nb::bytes& weights, const ScalarArray& tail) {
  using AnyRow = nb::ndarray<nb::ro, nb::ndim<1>, nb::c_contig, nb::device::cpu>;
  std::vector<AnyRow> held;
  std::vector<Row> views;
  for (const nb::handle row : rows) {
    held.push_back(nb::cast<AnyRow>(row, false));
    const AnyRow& a = held.back();
    if (a.dtype() != nb::dtype<std::int8_t>() && a.dtype() != nb::dtype<std::int16_t>()) {
      throw BadArgument{"rows are int8 or int16"};
    }
    if (a.shape(0) != held.front().shape(0)) throw BadArgument{"rows have one length"};
    views.push_back({a.data(), a.dtype().bits / 8U});
  }
  if (views.empty() || weights.size() != 16 * views.size()) throw BadArgument{"as many weights as rows"};
  std::vector<u128> factors(views.size());
  for (std::size_t i = 0; i < factors.size(); ++i) {
    u64 limbs[2];
    std::memcpy(limbs, weights.c_str() + 16 * i, 16);
    factors[i] = static_cast<u128>(limbs[1]) << 64 | limbs[0];
  }
  const std::size_t count = held.front().shape(0), more = tail.shape(0);
  Buffer<Limbs> out(count + more);
  {
    const nb::gil_scoped_release unlocked;
    require_scalars(scalars_of(tail), more, 1);
    combine(views, factors, count, out.data(), thread_count(0));
    std::copy_n(scalars_of(tail), more, out.data() + count);
  }
  return result<u64>(std::move(out));
}

nb::tuple correlate_with_itself(const ScalarArray& a, bool vectors) {
  const std::size_t count = a.shape(0);
  if (count == 0) throw BadArgument{"no coefficients"};
  Buffer<Limbs> lags(std::max<std::size_t>(count, 2) - 1);
  Limbs constant;
  {
    const nb::gil_scoped_release unlocked;
    lags[0] = Limbs{};
    correlate(scalars_of(a), count, constant, lags.data(), thread_count(0), vectors);
  }
  return nb::make_tuple(bytes_of(constant), result<u64>(std::move(lags)));
}

Result<u64> multiply_polynomials(const ScalarArray& a, const ScalarArray& b, bool vectors) {
  const std::size_t na = a.shape(0), nb_ = b.shape(0);
  Buffer<Limbs> product(na && nb_ ? na + nb_ - 1 : 0);
  {
    const nb::gil_scoped_release unlocked;
    if (product.size()) {
      multiply(scalars_of(a), na, scalars_of(b), nb_, product.data(), thread_count(0), vectors);
    } else {
      require_scalars(scalars_of(a), na, 1);
      require_scalars(scalars_of(b), nb_, 1);
    }
  }
  return result<u64>(std::move(product));
}

Result<u64> divide_by_root(const ScalarArray& a, const nb::bytes& z) {
  if (a.shape(0) == 0) throw BadArgument{"no coefficients"};
  const Fr at = Fr::from(element(z));
  Buffer<Limbs> out(a.shape(0) - 1);
  {
    const nb::gil_scoped_release unlocked;
    divide(scalars_of(a), a.shape(0), at, out.data(), thread_count(0));
  }
  return result<u64>(std::move(out));
}

const char* accelerations() {
#if GRAMERCY_IFMA
  if (kHasIfma) return "AVX-512 IFMA";
#endif
#if defined(__x86_64__)
  if (kHasAdx) return "ADX";
#endif
  return "";
}

// The error of aggregator.errors of that name, with the position of the offender where there is one.
void raise(const char* name, const std::string& message, const std::size_t* index) {
  const nb::object error = nb::module_::import_("aggregator.errors").attr(name);
  const nb::object value = index ? error(message, "index"_a = *index) : error(message);
  PyErr_SetObject(error.ptr(), value.ptr());
}

void translate(const std::exception_ptr& pending, void*) {
  try {
    std::rethrow_exception(pending);
  } catch (const BadPoint& bad) {
    const std::string point = "point " + std::to_string(bad.index);
    switch (bad.why) {
      case BadPoint::Why::kNotCanonical:
        return raise("InvalidPoint", "a coordinate of " + point + " is not below the order of the base field",
                     &bad.index);
      case BadPoint::Why::kNotOnCurve: return raise("InvalidPoint", point + " is not on the curve", &bad.index);
      case BadPoint::Why::kNotOnTwist:
        return raise("InvalidPoint", "G2 " + point + " is not on the twist of the curve", &bad.index);
      case BadPoint::Why::kNotInSubgroup:
        return raise("InvalidPoint", "G2 " + point + " is not in the subgroup of order R", &bad.index);
      case BadPoint::Why::kInfinity: return raise("InvalidPoint", point + " is the point at infinity", &bad.index);
    }
  } catch (const NotBelowOrder& bad) {
    raise("OutOfRange", "scalar " + std::to_string(bad.index) + " is not below the order of the scalar field",
          &bad.index);
  } catch (const TooLong&) {
    raise("OutOfRange", "the product has more than 2^28 coefficients", nullptr);
  } catch (const BadArgument& bad) {
    raise("WrongShape", bad.what, nullptr);
  }
}

}  // namespace

NB_MODULE(_native, m) {
  nb::register_exception_translator(translate);
  m.doc() = "The native kernel of BN254; aggregator.bn254.native gives it its Python interface.";
  m.attr("ACCELERATIONS") = accelerations();
  define_integers<std::int8_t>(m);
  define_integers<std::int16_t>(m);
  define_integers<std::int32_t>(m);
  define_integers<std::int64_t>(m);
  m.def(
      "msm",
      [](const PointArray& points, const ScalarArray& scalars, long threads, bool vectors) {
        return msm_of(points, scalars_of(scalars), scalars.shape(0), threads, vectors);
      },
      "points"_a.noconvert(), "scalars"_a.noconvert(), "threads"_a, "vectors"_a);
  m.def("combine", combine_rows, "rows"_a, "weights"_a, "tail"_a.noconvert());
  m.def("correlate", correlate_with_itself, "a"_a.noconvert(), "vectors"_a);
  m.def("multiply", multiply_polynomials, "a"_a.noconvert(), "b"_a.noconvert(), "vectors"_a);
  m.def("divide", divide_by_root, "a"_a.noconvert(), "z"_a);
  m.def(
      "evaluate",
      [](const ScalarArray& a, const nb::bytes& z) {
        const Fr at = Fr::from(element(z));
        Fr value;
        {
          const nb::gil_scoped_release unlocked;
          value = evaluate(scalars_of(a), a.shape(0), at, thread_count(0));
        }
        return bytes_of(value.v);
      },
      "a"_a.noconvert(), "z"_a);
  m.def(
      "add_scaled",
      [](const ScalarArray& a, const ScalarArray& b, const nb::bytes& factor) {
        const Fr by = Fr::from(element(factor));
        Buffer<Limbs> out(std::max(a.shape(0), b.shape(0)));
        {
          const nb::gil_scoped_release unlocked;
          add_scaled(scalars_of(a), a.shape(0), scalars_of(b), b.shape(0), by, out.data(), thread_count(0));
        }
        return result<u64>(std::move(out));
      },
      "a"_a.noconvert(), "b"_a.noconvert(), "factor"_a);
  m.def(
      "geometric",
      [](const nb::bytes& first, const nb::bytes& ratio, std::size_t count) {
        const Limbs start = element(first);
        const Fr by = Fr::from(element(ratio));
        Buffer<Limbs> out(count);
        {
          const nb::gil_scoped_release unlocked;
          geometric(start, by, count, out.data(), thread_count(0));
        }
        return result<u64>(std::move(out));
      },
      "first"_a, "ratio"_a, "count"_a);
  m.def(
      "fixed_base",
      [](const PointArray& base, const ScalarArray& scalars, bool vectors) {
        if (base.shape(0) != 1) throw BadArgument{"one base"};
        Buffer<Affine> out(scalars.shape(0));
        {
          const nb::gil_scoped_release unlocked;
          require_points(points_of(base), 1, true, 1);
          fixed_base(*points_of(base), scalars_of(scalars), scalars.shape(0), out.data(), thread_count(0), vectors);
        }
        return result<u64>(std::move(out));
      },
      "base"_a.noconvert(), "scalars"_a.noconvert(), "vectors"_a);
  m.def(
      "scale",
      [](const PointArray& points, const ScalarArray& scalars, bool vectors) {
        if (points.shape(0) != scalars.shape(0)) throw BadArgument{"as many scalars as points"};
        Buffer<Affine> out(scalars.shape(0));
        {
          const nb::gil_scoped_release unlocked;
          scale(points_of(points), scalars_of(scalars), scalars.shape(0), out.data(), thread_count(0), vectors);
        }
        return result<u64>(std::move(out));
      },
      "points"_a.noconvert(), "scalars"_a.noconvert(), "vectors"_a);
  m.def(
      "check_points",
      [](const PointArray& points) {
        const nb::gil_scoped_release unlocked;
        require_points(points_of(points), points.shape(0), false, thread_count(0));
      },
      "points"_a.noconvert());
  m.def(
      "encode_points",
      [](const PointArray& points) {
        Buffer<EncodedPoint> out(points.shape(0));
        {
          const nb::gil_scoped_release unlocked;
          encode_points(points_of(points), points.shape(0), out.data()->bytes, thread_count(0));
        }
        return result<std::uint8_t>(std::move(out));
      },
      "points"_a.noconvert());
  m.def(
      "decode_points",
      [](const ByteArray& data) {
        Buffer<Affine> out(data.shape(0));
        {
          const nb::gil_scoped_release unlocked;
          decode_points(data.data(), data.shape(0), out.data(), thread_count(0));
        }
        return result<u64>(std::move(out));
      },
      "data"_a.noconvert());
  m.def(
      "pairing_check",
      [](const PointArray& points, const TwistArray& twists) {
        const std::size_t count = points.shape(0);
        if (count == 0 || count != twists.shape(0)) throw BadArgument{"as many points of G2 as of G1, and some"};
        const nb::gil_scoped_release unlocked;
        require_points(points_of(points), count, true, 1);
        return pairing_check(points_of(points), reinterpret_cast<const Limbs*>(twists.data()), count);
      },
      "points"_a.noconvert(), "twists"_a.noconvert());
}
