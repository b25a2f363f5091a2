// Reads a spec file into the kernels and blocks it asks for.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "generator/cli/tuning.hpp"
#include "generator/spec/document.hpp"
#include "templates/block.hpp"
#include "templates/template.hpp"

namespace ptxmill::cli {

/// A kernel of the library: an entry of the spec, or a step of a block's plan.
struct KernelEntry {
  std::string name;
  std::string family;
  std::string place;  ///< for the header: kernels[log_probs], blocks[encoder].attention
  std::unique_ptr<kernels::Template> declared;
  /// The declaration for one target.
  struct Variant {
    ptx::Target target;
    std::unique_ptr<kernels::Template> declared;
    bool tuned = false;  ///< measured choices apply to fields that the spec leaves open
  };
  std::vector<Variant> variants;

  /// What is generated for a target.
  const kernels::Template& on(const ptx::Target& target) const;
};

struct BlockEntry {
  std::string name;
  std::string family;
  std::unique_ptr<kernels::Block> declared;
  std::vector<std::pair<ptx::Target, kernels::PlanBuilder>> plans;
};

/// What one spec file asks for.
struct Library {
  std::string name;
  std::string spec_file;  ///< base name
  std::vector<ptx::Target> targets;
  std::vector<KernelEntry> kernels;  ///< sorted by name
  std::vector<BlockEntry> blocks;    ///< sorted by name
};

/// Reads `text`; `problems` knows the file's name. `targets` replaces the spec's, where not empty.
/// Nullopt where `problems` is not empty afterwards.
std::optional<Library> read_spec(std::string_view text, const std::vector<ptx::Target>& targets,
                                 spec::Problems& problems,
                                 const Tuning& tuning = Tuning::shipped());

}  // namespace ptxmill::cli
