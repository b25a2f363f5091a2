// Builds a kernel library by hand: a manifest with right digests around PTX text.
#pragma once

#include <algorithm>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <map>
#include <nlohmann/json.hpp>
#include <stdexcept>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "runtime/error.hpp"
#include "runtime/library.hpp"
#include "runtime/sha256.hpp"

namespace ptxmill::test {

/// The manifest as the generator prints it, with its own digest filled in.
inline std::string sealed(nlohmann::json manifest) {
  manifest["digest"] = "";
  const std::string unsealed = manifest.dump(2) + "\n";
  manifest["digest"] = rt::sha256({unsealed});
  return manifest.dump(2) + "\n";
}

/// A library under construction; `manifest` may be changed freely before it is written or opened.
class ManifestFixture {
 public:
  explicit ManifestFixture(const std::string& library = "fixture") {
    manifest = {{"digest", ""},
                {"format_version", 1},
                {"generator_version", "0.1.0"},
                {"kernels", nlohmann::json::array()},
                {"library", library},
                {"plans", nlohmann::json::array()},
                {"spec_digest", std::string(64, '0')}};
  }

  /// The parameter list's usual entries.
  static nlohmann::json tensor(const std::string& name, const std::string& kind,
                               const std::string& elements, const std::string& dtype = "f32") {
    return {{"name", name},         {"kind", kind},
            {"dtype", dtype},       {"align", dtype == "f32" ? 4 : 1},
            {"elements", elements}, {"optional", false}};
  }
  static nlohmann::json dim(const std::string& name) { return {{"name", name}, {"kind", "dim"}}; }
  static nlohmann::json scalar(const std::string& name, const std::string& dtype) {
    return {{"name", name}, {"kind", "scalar"}, {"dtype", dtype}};
  }
  static nlohmann::json launch(const std::string& grid_x, int block) {
    return {{"grid", {grid_x, "1", "1"}}, {"block", {block, 1, 1}},
            {"cluster", {1, 1, 1}},       {"shared_bytes", "0"},
            {"cooperative", false},       {"programmatic_dependent_launch", false}};
  }
  /// A kernel without variants.
  static nlohmann::json kernel(const std::string& name, const std::string& template_name,
                               nlohmann::json dims) {
    return {{"name", name},
            {"template", template_name},
            {"dtypes", {{"dtype", "f32"}}},
            {"dims", std::move(dims)},
            {"options", nlohmann::json::object()},
            {"targets", nlohmann::json::object()}};
  }

  /// Adds a form of `kernel` for `target`: `ptx` becomes its file.
  void add_form(nlohmann::json& kernel, const std::string& target, const std::string& ptx,
                nlohmann::json params, nlohmann::json launch_shape, const std::string& form = "") {
    const std::string entry = kernel["name"].get<std::string>() + (form.empty() ? "" : "__" + form);
    const std::string file = target + "/" + entry + ".ptx";
    files[file] = ptx;
    kernel["targets"][target]["forms"].push_back({{"form", form},
                                                  {"file", file},
                                                  {"sha256", rt::sha256({ptx})},
                                                  {"entry", entry},
                                                  {"target", target},
                                                  {"ptx_version", "7.0"},
                                                  {"driver", 11000},
                                                  {"when", nlohmann::json::object()},
                                                  {"requires", nlohmann::json::object()},
                                                  {"params", std::move(params)},
                                                  {"launch", std::move(launch_shape)}});
  }

  /// Adds a finished kernel, keeping the names in order.
  void add(nlohmann::json kernel) {
    nlohmann::json& kernels = manifest["kernels"];
    kernels.push_back(std::move(kernel));
    std::sort(kernels.begin(), kernels.end(), [](const auto& a, const auto& b) {
      return a["name"].template get<std::string>() < b["name"].template get<std::string>();
    });
  }

  nlohmann::json& kernel_named(const std::string& name) {
    for (nlohmann::json& kernel : manifest["kernels"])
      if (kernel["name"] == name) return kernel;
    throw std::out_of_range(name);
  }

  std::string text() const { return sealed(manifest); }

  /// Writes manifest.json and the files below `directory`.
  void write(const std::filesystem::path& directory) const {
    const auto put = [&](const std::string& path, std::string_view bytes) {
      std::filesystem::create_directories((directory / path).parent_path());
      std::ofstream(directory / path, std::ios::binary) << bytes;
    };
    put("manifest.json", text());
    for (const auto& [path, bytes] : files) put(path, bytes);
  }

  /// Opens it as an embedded library; this object must outlive it.
  rt::KernelLibrary open(const rt::Device& device) {
    embedded_text_ = text();
    embedded_files_.clear();
    for (const auto& [path, bytes] : files) embedded_files_.push_back({path, bytes});
    return rt::KernelLibrary::open(device, rt::Embedded{embedded_text_, embedded_files_});
  }

  nlohmann::json manifest;
  std::map<std::string, std::string> files;

 private:
  std::string embedded_text_;
  std::vector<rt::EmbeddedFile> embedded_files_;
};

/// A directory of its own below the system's temporary one, removed with the object.
class TemporaryDirectory {
 public:
  TemporaryDirectory() {
    std::string name = (std::filesystem::temp_directory_path() / "ptxmill-XXXXXX").string();
    if (mkdtemp(name.data()) == nullptr) throw std::runtime_error("mkdtemp failed: " + name);
    path_ = name;
  }
  ~TemporaryDirectory() {
    std::error_code ignored;
    std::filesystem::remove_all(path_, ignored);
  }
  TemporaryDirectory(const TemporaryDirectory&) = delete;
  TemporaryDirectory& operator=(const TemporaryDirectory&) = delete;

  const std::filesystem::path& path() const { return path_; }
  std::string file(const std::string& name) const { return (path_ / name).string(); }

 private:
  std::filesystem::path path_;
};

/// The code and the words of the Error that `work` throws.
struct Thrown {
  bool any = false;
  rt::ErrorCode code{};
  std::string what;

  bool says(std::string_view words) const { return what.find(words) != std::string::npos; }
};

template <class Work>
Thrown thrown_by(Work work) {
  try {
    work();
  } catch (const rt::Error& error) {
    return {true, error.code(), error.what()};
  }
  return {};
}

}  // namespace ptxmill::test
