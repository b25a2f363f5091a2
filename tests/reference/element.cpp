#include "tests/reference/element.hpp"

#include <algorithm>
#include <cmath>
#include <limits>

namespace ptxmill::reference {
namespace {

/// Bits of the significand with the leading one, and the exponents of the least normal and of the
/// largest value's leading bit.
struct Format {
  int significand, least_exponent, largest_exponent;
};

Format format_of(Element element) {
  switch (element) {
    case Element::f32: return {24, -126, 127};
    case Element::f16: return {11, -14, 15};
    case Element::bf16: return {8, -126, 127};
  }
  return {};
}

/// The exponent of the spacing of the type's values around `value`.
int spacing_exponent(const Format& format, double value) {
  int exponent = 0;
  std::frexp(value, &exponent);  // value = m 2^exponent, m from 1/2 to 1
  const int leading = value == 0 ? format.least_exponent : exponent - 1;
  return std::max(leading, format.least_exponent) - (format.significand - 1);
}

}  // namespace

const char* name_of(Element element) {
  switch (element) {
    case Element::f32: return "f32";
    case Element::f16: return "f16";
    case Element::bf16: return "bf16";
  }
  return "?";
}

float round_to(Element element, double value) {
  if (value == 0 || !std::isfinite(value)) return static_cast<float>(value);
  const Format format = format_of(element);
  const int spacing = spacing_exponent(format, value);
  // Scaling by powers of two is exact, and nearbyint rounds ties to even.
  const double rounded = std::ldexp(std::nearbyint(std::ldexp(value, -spacing)), spacing);
  if (std::abs(rounded) >= std::ldexp(1.0, format.largest_exponent + 1))
    return std::copysign(std::numeric_limits<float>::infinity(), static_cast<float>(value));
  return static_cast<float>(rounded);
}

std::vector<float> round_to(Element element, std::span<const float> values) {
  std::vector<float> rounded;
  rounded.reserve(values.size());
  for (const float v : values) rounded.push_back(round_to(element, v));
  return rounded;
}

double rounding_error(Element element, double value) {
  return std::ldexp(0.5, spacing_exponent(format_of(element), value));
}

Expected stored_as(Element element, Expected expected, double roundings) {
  if (element == Element::f32) return expected;
  for (std::size_t i = 0; i < expected.value.size(); ++i) {
    double& value = expected.value[i];
    if (std::isinf(round_to(element, value)))
      value = round_to(element, value);
    else
      expected.bound[i] += roundings * rounding_error(element, value);
  }
  return expected;
}

Expected exactly_as(Element element, Expected expected) {
  for (double& value : expected.value) value = round_to(element, value);
  return exactly(std::move(expected));
}

}  // namespace ptxmill::reference
