#include "templates/lib/ring.hpp"

namespace ptxmill::kernels {

Ring::Ring(Emitter& k, int stages, int producers, int releases)
    : k_(k),
      stages_(stages),
      producers_(producers),
      releases_(releases),
      full_(k.shared<ptx::b64>("full", stages, 8)),
      free_(k.shared<ptx::b64>("free", stages, 8)) {}

void Ring::init() const {
  for (int stage : unroll(stages_)) {
    k_.mbarrier_init(full(stage), producers_);
    k_.mbarrier_init(free(stage), releases_);
  }
}

ptx::Mbarrier Ring::full(const In<ptx::u32>& stage) const { return full_ + stage; }

ptx::Mbarrier Ring::free(const In<ptx::u32>& stage) const { return free_ + stage; }

RingCursor::RingCursor(Emitter& k, const std::string& name, const Ring& ring, Side side,
                       Level level)
    : k_(k),
      stages_(ring.stages()),
      stage_(k.var<ptx::u32>(name + "_stage", 0, level)),
      parity_(k.var<ptx::u32>(name + "_parity", side == Side::producer ? 1 : 0, level)) {}

void RingCursor::advance() {
  const U32 next = stage_ + 1;
  const Pred wraps = next == static_cast<std::uint32_t>(stages_);
  stage_ = k_.selp(0u, next, wraps);
  parity_ = k_.selp(k_.xor_(parity_, 1u), k_.present(parity_), wraps);
}

void RingCursor::skip(const Extent& count) {
  const U32 at = stage_ + count;
  const U32 rounds = at / static_cast<std::uint32_t>(stages_);
  stage_ = at - rounds * stages_;
  parity_ = k_.xor_(parity_, rounds % 2);
}

}  // namespace ptxmill::kernels
