#include "tests/templates/harness.hpp"

#include <doctest/doctest.h>

#include "generator/cli/generate.hpp"

namespace ptxmill::test {
namespace {

std::string spec_text(const std::string& kernels, const std::string& blocks) {
  return R"({"schema_version": 1, "library": "test", "targets": ["sm_80"], "kernels": [)"
         "\n" +
         kernels + "\n], \"blocks\": [" + blocks + "]}\n";
}

}  // namespace

struct GeneratedLibrary::State {
  cli::Files files;
  std::vector<std::string> paths;
  std::vector<rt::EmbeddedFile> embedded;
  std::unique_ptr<rt::KernelLibrary> library;
};

GeneratedLibrary::GeneratedLibrary(const rt::Device& device, const std::string& kernels,
                                   const std::string& blocks)
    : state_(std::make_unique<State>()) {
  spec::Problems problems("test.json");
  const auto declared = cli::read_spec(spec_text(kernels, blocks), {}, problems);
  REQUIRE_MESSAGE(declared.has_value(), problems.text());
  state_->files = cli::generate(*declared);
  const std::string root = "test/";
  state_->paths.reserve(state_->files.size());
  for (const auto& [path, bytes] : state_->files) {
    state_->paths.push_back(path.substr(root.size()));
    state_->embedded.push_back({state_->paths.back(), bytes});
  }
  const rt::Embedded embedded{state_->files.at("test/manifest.json"), state_->embedded};
  state_->library = std::make_unique<rt::KernelLibrary>(rt::KernelLibrary::open(device, embedded));
}

GeneratedLibrary::~GeneratedLibrary() = default;
GeneratedLibrary::GeneratedLibrary(GeneratedLibrary&&) noexcept = default;

const rt::KernelLibrary& GeneratedLibrary::library() const { return *state_->library; }

const std::string& GeneratedLibrary::ptx(const std::string& entry) const {
  return state_->files.at("test/sm_80/" + entry + ".ptx");
}

bool GeneratedLibrary::has_ptx(const std::string& entry) const {
  return state_->files.count("test/sm_80/" + entry + ".ptx") == 1;
}

reference::Element each_element() {
  reference::Element chosen = reference::Element::f32;
  SUBCASE("f32") {}
  SUBCASE("f16") { chosen = reference::Element::f16; }
  SUBCASE("bf16") { chosen = reference::Element::bf16; }
  return chosen;
}

rt::DType dtype_of(reference::Element element) {
  return rt::dtype_named(reference::name_of(element)).value();
}

reference::Element element_of(rt::DType dtype) {
  return dtype == rt::DType::f32   ? reference::Element::f32
         : dtype == rt::DType::f16 ? reference::Element::f16
                                   : reference::Element::bf16;
}

std::string problems_of(const std::string& kernels, const std::string& blocks) {
  spec::Problems problems("test.json");
  cli::read_spec(spec_text(kernels, blocks), {}, problems);
  return problems.text();
}

}  // namespace ptxmill::test
