#include "runtime/encoder_block.hpp"

#include <algorithm>
#include <array>

#include "runtime/error.hpp"
#include "runtime/manifest.hpp"
#include "runtime/text.hpp"

namespace ptxmill::rt {
namespace {

const PlanDim& find_dim(const PlanInfo& plan, std::string_view name) {
  const auto found = std::find_if(plan.dims.begin(), plan.dims.end(),
                                  [&](const PlanDim& dim) { return dim.name == name; });
  if (found != plan.dims.end()) return *found;
  throw Error(ErrorCode::corrupt,
              concat("block '", plan.name, "' is an encoder without the dimension ", name));
}

}  // namespace

EncoderBlock EncoderBlock::open(const KernelLibrary& library, std::string_view name) {
  Block block = Block::open(library, name);
  const PlanInfo& plan = block.info();
  if (plan.block != "encoder")
    throw Error(ErrorCode::invalid_argument, concat("block '", plan.name, "' is of the family '",
                                                    plan.block, "', not an encoder"));
  find_dim(plan, "batch");
  find_dim(plan, "seq_len");
  const Shape one = block.shape_of("x", std::array{Dim{"batch", 1}, Dim{"seq_len", 1}});
  const std::int64_t d_model = one.rank() == 3 ? one[2] : 0;
  return EncoderBlock(std::move(block), d_model);
}

void EncoderBlock::prepare(const Stream& stream, const Tensors& weights, std::int64_t max_batch,
                           std::int64_t max_seq_len) {
  if (max_seq_len == 0) max_seq_len = find_dim(block_.info(), "seq_len").max;
  block_.prepare(stream, weights, {{"batch", max_batch}, {"seq_len", max_seq_len}});
}

void EncoderBlock::require_input(const Tensor& x) const {
  if (!x.valid() || x.shape().rank() != 3 || x.shape()[2] != d_model_)
    throw Error(ErrorCode::invalid_argument,
                concat("block '", block_.info().name, "': the input 'x' is ", x.text(),
                       ", and must be [batch, seq_len, ", d_model_, "]"));
}

void EncoderBlock::forward(const Stream& stream, const Tensor& x, const Tensor& out) {
  require_input(x);
  block_.forward(stream, {{"batch", x.shape()[0]}, {"seq_len", x.shape()[1]}}, {{"x", x}},
                 {{"out", out}});
}

Tensor EncoderBlock::forward(const Stream& stream, const Tensor& x) {
  require_input(x);
  Tensor out = Tensor::empty(stream, x.dtype(), x.shape());
  forward(stream, x, out);
  return out;
}

}  // namespace ptxmill::rt
