// A ring of stages in shared memory between threads that fill it by asynchronous copies and threads
// that use what lies there. Each stage has two mbarriers: one ends its phase when the stage is
// full, the other when it is free again.
#pragma once

#include <string>

#include "templates/emitter.hpp"

namespace ptxmill::kernels {

/// The barriers of a ring. The producer walks it with a cursor, and so does each consumer.
class Ring {
 public:
  /// A stage is full after one arrival of each of the `producers` and the bytes that they announce,
  /// and free after `releases` arrivals.
  Ring(Emitter& k, int stages, int producers, int releases);

  int stages() const { return stages_; }
  /// By one thread, before anyone uses the ring.
  void init() const;
  ptx::Mbarrier full(const In<ptx::u32>& stage) const;
  ptx::Mbarrier free(const In<ptx::u32>& stage) const;

 private:
  Emitter& k_;
  int stages_, producers_, releases_;
  ptx::Mbarrier full_, free_;
};

/// Where a warpgroup is in a ring: the stage, and the parity of the phase that it waits for.
class RingCursor {
 public:
  /// The producer's waits for free stages fall through in the first round.
  enum class Side : std::uint8_t { producer, consumer };
  RingCursor(Emitter& k, const std::string& name, const Ring& ring, Side side, Level level);

  U32 stage() const { return k_.present(stage_); }
  U32 parity() const { return k_.present(parity_); }
  /// On to the next stage.
  void advance();
  /// Past stages that others use.
  void skip(const Extent& count);

 private:
  Emitter& k_;
  int stages_;
  Var<ptx::u32> stage_, parity_;
};

}  // namespace ptxmill::kernels
