// Running block plans: a block is data in the manifest, and this interprets it.
#pragma once

#include <cstddef>
#include <map>
#include <memory>
#include <span>
#include <string>
#include <string_view>

#include "runtime/library.hpp"

namespace ptxmill::rt {

struct PlanInfo;
struct BlockState;

/// Tensors by name, as a checkpoint has them.
using Tensors = std::map<std::string, Tensor, std::less<>>;

/// A tensor for an input or an output of a block.
struct NamedTensor {
  std::string_view name;
  const Tensor& tensor;
};

/// A block of a library: several kernels in a fixed order over one set of weights. `prepare` packs
/// the weights and takes the workspace once; after that `forward` allocates nothing, moves nothing
/// between host and device, does not synchronise, and can be recorded into a graph.
///
/// One object serves one forward pass at a time, because its workspace is one; order passes on
/// several streams with events, or open a block for each. PTXMILL_TRACE=1 prints the mean, standard
/// deviation, minimum and maximum of every weight and intermediate to stderr, and synchronises.
class Block {
 public:
  /// Resolves the plan's kernels in the best target that the device can run. Throws `not_found`
  /// with the nearest names, `incompatible`, or `corrupt` where the plan contradicts its kernels.
  static Block open(const KernelLibrary& library, std::string_view name);

  Block(Block&&) noexcept;
  Block& operator=(Block&&) noexcept;
  ~Block();

  /// Loads the kernels, packs the weights on `stream`, and takes the workspace that `max_dims`
  /// (every dimension of the plan) need. Weights that steps use as they are stay referenced; the
  /// others may be released. Throws `invalid_argument` naming a weight that is missing, unexpected
  /// (with the nearest name), or of another dtype or shape; then the block stays as it was.
  void prepare(const Stream& stream, const Tensors& weights, std::span<const Dim> max_dims);
  void prepare(const Stream& stream, const Tensors& weights, std::initializer_list<Dim> max_dims) {
    prepare(stream, weights, std::span<const Dim>(max_dims.begin(), max_dims.size()));
  }

  /// Computes the outputs from the inputs. `dims` names every dimension of the plan. Every input
  /// and output is contiguous and has exactly the shape that the plan says; an output overlaps no
  /// other tensor of the call. Throws `invalid_argument` before anything is launched.
  void forward(const Stream& stream, std::span<const Dim> dims, std::span<const NamedTensor> inputs,
               std::span<const NamedTensor> outputs);
  void forward(const Stream& stream, std::initializer_list<Dim> dims,
               std::initializer_list<NamedTensor> inputs,
               std::initializer_list<NamedTensor> outputs) {
    forward(stream, std::span<const Dim>(dims.begin(), dims.size()),
            std::span<const NamedTensor>(inputs.begin(), inputs.size()),
            std::span<const NamedTensor>(outputs.begin(), outputs.size()));
  }

  const PlanInfo& info() const;
  /// The target whose plan was chosen, as `sm_90a`.
  const std::string& target() const;
  const KernelLibrary& library() const;
  /// The shape of the input or output `name` at these dimensions.
  Shape shape_of(std::string_view name, std::span<const Dim> dims) const;
  /// Bytes of workspace taken by prepare(), the kernels' own included.
  std::size_t workspace_bytes() const;

 private:
  explicit Block(std::unique_ptr<BlockState> state);
  std::unique_ptr<BlockState> state_;
};

}  // namespace ptxmill::rt
