#include "tests/support/compare.hpp"

#include <bit>
#include <cmath>
#include <cstdint>
#include <iomanip>
#include <limits>
#include <ostream>
#include <sstream>

namespace ptxmill::test {

namespace {

constexpr double kInfinity = std::numeric_limits<double>::infinity();

std::uint32_t bits(float value) { return std::bit_cast<std::uint32_t>(value); }
template <class Whole>
std::uint32_t bits(Whole value) {
  return value;
}

std::string index_text(std::size_t flat, const std::vector<std::size_t>& shape) {
  std::string text;
  for (auto extent = shape.rbegin(); extent != shape.rend() && *extent != 0; ++extent) {
    text = std::to_string(flat % *extent) + (text.empty() ? "" : ", ") + text;
    flat /= *extent;
  }
  return "[" + (text.empty() ? std::to_string(flat) : text) + "]";
}

Comparison size_mismatch(std::size_t actual, std::size_t expected) {
  Comparison result;
  result.elements = expected;
  result.failures = 1;
  result.worst_ratio = kInfinity;
  result.report = std::to_string(actual) + " elements, expected " + std::to_string(expected);
  return result;
}

/// 0 for an exact match, above 1 for a failure.
double error_ratio(double actual, double expected, double bound) {
  if (actual == expected) return 0.0;
  const double error = std::abs(actual - expected);
  if (!std::isfinite(error) || std::isnan(bound)) return kInfinity;
  if (error > bound) return bound > 0.0 ? error / bound : kInfinity;
  return bound == 0.0 ? 0.0 : error / bound;
}

}  // namespace

std::ostream& operator<<(std::ostream& out, const Comparison& comparison) {
  return out << comparison.report;
}

Comparison compare(std::span<const float> actual, std::span<const double> expected,
                   std::span<const double> bound, const std::vector<std::size_t>& shape) {
  if (actual.size() != expected.size()) return size_mismatch(actual.size(), expected.size());
  if (bound.size() != expected.size()) return size_mismatch(bound.size(), expected.size());
  Comparison result;
  result.elements = actual.size();
  for (std::size_t i = 0; i < actual.size(); ++i) {
    const double ratio = error_ratio(actual[i], expected[i], bound[i]);
    if (!(ratio <= 1.0)) ++result.failures;
    if (ratio > result.worst_ratio) {
      result.worst_ratio = ratio;
      result.worst = i;
    }
    const double error = std::abs(actual[i] - expected[i]);
    if (error > result.largest_error && error < kInfinity) result.largest_error = error;
  }
  std::ostringstream text;
  text << result.failures << " of " << result.elements << " elements out of bounds";
  if (!actual.empty()) {
    const std::size_t w = result.worst;
    text << "; worst at " << index_text(w, shape) << ": got " << std::setprecision(9) << actual[w]
         << ", expected " << std::setprecision(17) << expected[w] << std::setprecision(3)
         << ", error " << std::abs(actual[w] - expected[w]) << ", bound " << bound[w]
         << "; largest error anywhere " << result.largest_error;
  }
  result.report = text.str();
  return result;
}

namespace {

std::string text_of(float value) {
  std::ostringstream text;
  text << std::setprecision(9) << value << " (0x" << std::hex << bits(value) << ")";
  return text.str();
}

template <class Whole>
std::string text_of(Whole value) {
  std::ostringstream text;
  text << "0x" << std::hex << value;
  return text.str();
}

template <class T>
Comparison compare_each(std::span<const T> actual, std::span<const T> expected,
                        const std::vector<std::size_t>& shape) {
  if (actual.size() != expected.size()) return size_mismatch(actual.size(), expected.size());
  Comparison result;
  result.elements = actual.size();
  for (std::size_t i = 0; i < actual.size(); ++i) {
    if (bits(actual[i]) == bits(expected[i])) continue;
    if (result.failures++ == 0) result.worst = i;
    result.worst_ratio = kInfinity;
  }
  std::ostringstream text;
  text << result.failures << " of " << result.elements << " elements differ in their bits";
  if (result.failures != 0)
    text << "; first at " << index_text(result.worst, shape) << ": got "
         << text_of(actual[result.worst]) << ", expected " << text_of(expected[result.worst]);
  result.report = text.str();
  return result;
}

}  // namespace

Comparison compare_bits(std::span<const float> actual, std::span<const float> expected,
                        const std::vector<std::size_t>& shape) {
  return compare_each(actual, expected, shape);
}

Comparison compare_bits(std::span<const std::uint32_t> actual,
                        std::span<const std::uint32_t> expected,
                        const std::vector<std::size_t>& shape) {
  return compare_each(actual, expected, shape);
}

Comparison compare_bits(std::span<const std::uint16_t> actual,
                        std::span<const std::uint16_t> expected,
                        const std::vector<std::size_t>& shape) {
  return compare_each(actual, expected, shape);
}

}  // namespace ptxmill::test
