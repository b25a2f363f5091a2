#include "templates/lib/thread_ring.hpp"

namespace ptxmill::kernels {

ThreadRing::ThreadRing(Emitter& k, int threads, int pieces, int stages, const U32& tid)
    : k_(k),
      threads_(threads),
      pieces_(pieces),
      stages_(stages),
      memory_(k.shared<ptx::b32>("ring", std::int64_t{threads} * pieces * stages * words)),
      own_(k.let("own_ring", memory_ + tid * words)) {}

void ThreadRing::begin() { slot_.emplace(k_.var<ptx::u32>("slot", 0)); }

ThreadRing::Place ThreadRing::present() const {
  return own_ + k_.assume_multiple(k_.present(*slot_), words);
}

void ThreadRing::advance(bool wraps) {
  const U32 next = k_.present(*slot_) + stage_words();
  *slot_ = wraps ? k_.select(next < stage_words() * stages_, next, 0) : next;
}

}  // namespace ptxmill::kernels
