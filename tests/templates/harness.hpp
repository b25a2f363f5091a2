// Generates kernels in the test's own process and opens them: a test says the spec entry, and gets
// the kernel.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "runtime/library.hpp"
#include "tests/reference/element.hpp"

namespace ptxmill::test {

/// A library made from spec text by the same code as `ptxmill gen`. Keep it while its kernels are
/// used.
class GeneratedLibrary {
 public:
  /// `kernels` and `blocks` are the entries of the spec's lists, as JSON text without the brackets.
  /// Fails the test case where the spec is refused.
  explicit GeneratedLibrary(const rt::Device& device, const std::string& kernels,
                            const std::string& blocks = "");
  ~GeneratedLibrary();
  GeneratedLibrary(GeneratedLibrary&&) noexcept;
  GeneratedLibrary& operator=(GeneratedLibrary&&) = delete;

  const rt::KernelLibrary& library() const;
  rt::Kernel kernel(const std::string& name) const { return library().kernel(name); }
  /// The PTX of an entry, for tests of what is emitted.
  const std::string& ptx(const std::string& entry) const;
  bool has_ptx(const std::string& entry) const;

 private:
  struct State;
  std::unique_ptr<State> state_;
};

/// The element type for this run of the test case, which runs once for each. Called first.
reference::Element each_element();
rt::DType dtype_of(reference::Element element);
reference::Element element_of(rt::DType dtype);

/// What the reader says of a spec with these kernels: empty where it accepts them. The file is
/// called test.json, and the entries begin at line 2, column 1.
std::string problems_of(const std::string& kernels, const std::string& blocks = "");

}  // namespace ptxmill::test
