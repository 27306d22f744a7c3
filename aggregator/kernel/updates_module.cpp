// The Python module aggregator._updates: sums over the coordinates of updates, without the interpreter's lock.
//
// Rows come in as they are, contiguous arrays of one length, and are held for the call; results are new arrays.
#include <nanobind/nanobind.h>
#include <nanobind/ndarray.h>
#include <nanobind/stl/string.h>
#include <nanobind/stl/vector.h>

#include "coordinatewise.hpp"
#include "gram.hpp"
#include "weighted_sum.hpp"

namespace nb = nanobind;
using namespace nb::literals;

namespace {

using namespace gramercy;

struct BadArgument {  // a caller other than Python's side of this module
  const char* what;
};

using AnyRow = nb::ndarray<nb::ro, nb::ndim<1>, nb::c_contig, nb::device::cpu>;

// Rows of int8 and int16, of one length.
struct Rows {
  std::vector<AnyRow> held;
  std::vector<UpdateRow> views;

  explicit Rows(const nb::list& rows) {
    for (const nb::handle row : rows) {
      held.push_back(nb::cast<AnyRow>(row, false));
      const AnyRow& a = held.back();
      if (a.dtype() != nb::dtype<std::int8_t>() && a.dtype() != nb::dtype<std::int16_t>()) {
        throw BadArgument{"rows are int8 or int16"};
      }
      if (a.shape(0) != held.front().shape(0)) throw BadArgument{"rows have one length"};
      views.push_back({static_cast<const unsigned char*>(a.data()), a.dtype().bits / 8U});
    }
    if (views.empty()) throw BadArgument{"no rows"};
  }

  std::size_t count() const { return held.front().shape(0); }
};

template <class T, class... Shape>
nb::ndarray<nb::numpy, T> result(Buffer<T>&& buffer, Shape... shape) {
  T* data = buffer.data();
  nb::capsule owner(data, [](void* p) noexcept { std::free(p); });
  buffer.release();
  return nb::ndarray<nb::numpy, T>(data, {shape...}, owner);
}

nb::ndarray<nb::numpy, std::int64_t> gram_of(const nb::list& list, long threads, long level) {
  const Rows rows(list);
  const std::size_t n = rows.views.size();
  Buffer<std::int64_t> out(n * n);
  {
    const nb::gil_scoped_release unlocked;
    gram(rows.views, rows.count(), out.data(), thread_count(threads), level_of(level));
  }
  return result(std::move(out), n, n);
}

nb::ndarray<nb::numpy, std::int64_t> cross_products_of(const nb::list& left_list, const nb::list& right_list,
                                                       long threads, long level) {
  const Rows left(left_list), right(right_list);
  if (left.count() != right.count()) throw BadArgument{"rows have one length"};
  Buffer<std::int64_t> out(left.views.size() * right.views.size());
  {
    const nb::gil_scoped_release unlocked;
    cross_products(left.views, right.views, left.count(), out.data(), thread_count(threads), level_of(level));
  }
  return result(std::move(out), left.views.size(), right.views.size());
}

nb::ndarray<nb::numpy, std::int64_t> weighted_sum_of(const nb::list& list, const std::vector<std::int64_t>& weights,
                                                     long threads, long level) {
  constexpr std::int64_t kMost = std::int64_t{1} << 37;
  const Rows rows(list);
  if (weights.size() != rows.views.size()) throw BadArgument{"as many weights as rows"};
  std::int64_t sum = 0;
  for (const std::int64_t weight : weights) {
    if (weight > kMost || weight < -kMost) throw BadArgument{"weights sum to 2^37 at most"};
    sum += weight < 0 ? -weight : weight;
    if (sum > kMost) throw BadArgument{"weights sum to 2^37 at most"};
  }
  Buffer<std::int64_t> out(rows.count());
  {
    const nb::gil_scoped_release unlocked;
    weighted_sum(rows.views, weights, rows.count(), out.data(), thread_count(threads), level_of(level));
  }
  return result(std::move(out), rows.count());
}

// None if an entry is not finite.
nb::object coordinatewise_of(const nb::list& list, std::size_t first, std::size_t last, std::size_t nearest,
                             long threads, long level) {
  std::vector<AnyRow> held;
  std::vector<const unsigned char*> rows;
  for (const nb::handle row : list) {
    held.push_back(nb::cast<AnyRow>(row, false));
    const AnyRow& a = held.back();
    if (a.dtype() != held.front().dtype()) throw BadArgument{"rows have one type"};
    if (a.shape(0) != held.front().shape(0)) throw BadArgument{"rows have one length"};
    rows.push_back(static_cast<const unsigned char*>(a.data()));
  }
  if (rows.size() > std::size_t{1} << 16) throw BadArgument{"too many rows"};
  if (first >= last || last > rows.size() || nearest > last - first) throw BadArgument{"no such places"};
  const nb::dlpack::dtype type = held.front().dtype();
  const std::size_t count = held.front().shape(0);
  const bool bytes = type == nb::dtype<std::int8_t>(), words = type == nb::dtype<std::int16_t>();
  if (!bytes && !words && type != nb::dtype<float>()) throw BadArgument{"rows are int8, int16 or float32"};
  const auto run = bytes ? coordinatewise<std::int8_t> : words ? coordinatewise<std::int16_t> : coordinatewise<float>;
  Buffer<float> out(count);
  bool finite;
  {
    const nb::gil_scoped_release unlocked;
    finite = run(rows, count, {first, last, nearest}, out.data(), thread_count(threads), level_of(level));
  }
  return finite ? nb::cast(result(std::move(out), count)) : nb::none();
}

std::vector<std::string> levels() {
  std::vector<std::string> names = {"portable", "AVX2", "AVX-512 VNNI"};
  names.resize(static_cast<std::size_t>(best_level()) + 1);
  return names;
}

void translate(const std::exception_ptr& pending, void*) {
  try {
    std::rethrow_exception(pending);
  } catch (const BadArgument& bad) {
    const nb::object error = nb::module_::import_("aggregator.errors").attr("WrongShape");
    PyErr_SetObject(error.ptr(), error(bad.what).ptr());
  }
}

}  // namespace

NB_MODULE(_updates, m) {
  nb::register_exception_translator(translate);
  m.doc() = "Sums over the coordinates of updates; aggregator.gram and aggregator.coordinatewise are the interface.";
  m.attr("LEVELS") = levels();
  m.def("gram", gram_of, "rows"_a, "threads"_a, "level"_a);
  m.def("cross_products", cross_products_of, "left"_a, "right"_a, "threads"_a, "level"_a);
  m.def("coordinatewise", coordinatewise_of, "rows"_a, "first"_a, "last"_a, "nearest"_a, "threads"_a, "level"_a);
  m.def("weighted_sum", weighted_sum_of, "rows"_a, "weights"_a, "threads"_a, "level"_a);
}
