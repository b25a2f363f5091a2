#pragma once

#include <span>
#include <vector>

#include "tests/reference/expected.hpp"

namespace ptxmill::reference {

/// The element types of tensors that kernels read and write; they compute in f32.
enum class Element { f32, f16, bf16 };

const char* name_of(Element element);

/// The nearest value of the type, ties to even; subnormals count, and what is too large becomes
/// infinite.
float round_to(Element element, double value);
std::vector<float> round_to(Element element, std::span<const float> values);

/// The largest error of rounding `value` to the type.
double rounding_error(Element element, double value);

/// What a kernel should store in elements of the type, where `expected` is for f32: its bound grows
/// by `roundings` of the type's.
Expected stored_as(Element element, Expected expected, double roundings);

/// The same for results that are exact in f32: rounded, and to be met bit for bit.
Expected exactly_as(Element element, Expected expected);

}  // namespace ptxmill::reference
