// A ring in shared memory of which each thread fills its own places by asynchronous copies of 16
// bytes, and reads them itself: to wait for its copies is enough, and no barrier stands in the
// loop. ptxas moves plain loads to where their values are used, until few are in flight.
#pragma once

#include <optional>

#include "templates/emitter.hpp"

namespace ptxmill::kernels {

class ThreadRing {
 public:
  using Place = SharedPtr<ptx::b32>;
  static constexpr int words = 4;  ///< of a place

  /// Of `stages` stages, in each of which a thread has `pieces` places; `tid` numbers `threads`.
  ThreadRing(Emitter& k, int threads, int pieces, int stages, const U32& tid);

  /// All of it: stages() * stage_words().
  const Place& memory() const { return memory_; }
  int stage_words() const { return pieces_ * threads_ * words; }
  /// The thread's first place of a stage.
  Place stage(int i) const { return own_ + i * stage_words(); }
  /// Another place of that stage. Neighbouring threads' lie side by side.
  Place piece(const Place& stage, int i) const { return stage + i * threads_ * words; }

  // ---- the stage that is to be read next
  /// Before the loop that turns from one stage to the next.
  void begin();
  Place present() const;
  /// `wraps`: whether more stages are read than there are.
  void advance(bool wraps);

 private:
  Emitter& k_;
  int threads_, pieces_, stages_;
  Place memory_, own_;
  std::optional<Var<ptx::u32>> slot_;  ///< words from the first stage to the present one
};

}  // namespace ptxmill::kernels
