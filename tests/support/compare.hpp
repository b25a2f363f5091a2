#pragma once

#include <cstddef>
#include <cstdint>
#include <iosfwd>
#include <span>
#include <string>
#include <vector>

namespace ptxmill::test {

/// The outcome of a comparison over a whole output. `CHECK(compare(...))` prints the report.
struct Comparison {
  std::size_t elements = 0;
  std::size_t failures = 0;
  std::size_t worst = 0;       ///< index of the element with the largest error / bound
  double worst_ratio = 0.0;    ///< its error / bound; infinite for a NaN or a wrong infinity
  double largest_error = 0.0;  ///< largest |actual - expected| among finite elements
  std::string report;          ///< one or two lines naming the worst element

  explicit operator bool() const { return failures == 0; }
};

std::ostream& operator<<(std::ostream& out, const Comparison& comparison);

/// Every element must satisfy |actual - expected| <= bound. A NaN on either side fails; an infinity
/// must be the same infinity. `shape`, outermost extent first, only words the report's indices.
Comparison compare(std::span<const float> actual, std::span<const double> expected,
                   std::span<const double> bound, const std::vector<std::size_t>& shape = {});

/// Every element must have the same bits, so that NaN equals NaN and 0 differs from -0.
Comparison compare_bits(std::span<const float> actual, std::span<const float> expected,
                        const std::vector<std::size_t>& shape = {});

/// The same for elements of which only the bits matter.
Comparison compare_bits(std::span<const std::uint32_t> actual,
                        std::span<const std::uint32_t> expected,
                        const std::vector<std::size_t>& shape = {});
Comparison compare_bits(std::span<const std::uint16_t> actual,
                        std::span<const std::uint16_t> expected,
                        const std::vector<std::size_t>& shape = {});

}  // namespace ptxmill::test
