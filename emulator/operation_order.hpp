// What a launch knows of the work that ran before it: which operations it is ordered after, and who
// touched the memory that it touches. The driver implements both; a launch without them is alone.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>

#include "emulator/memory.hpp"

namespace ptxmill::emu {

/// An operation of a stream: a kernel, a copy, ... Numbered in the order in which they ran; 0 is
/// none.
using OperationId = std::uint64_t;

class OperationOrder {
 public:
  virtual ~OperationOrder() = default;
  /// Whether `a` had to end before `b` began: by the order of a stream, an event, a wait of the
  /// host, or an edge of a graph. Operations of long ago count as ordered.
  virtual bool ordered_before(OperationId a, OperationId b) const = 0;
  /// Whether both are of one stream, or of one branch of a graph.
  virtual bool same_chain(OperationId a, OperationId b) const = 0;
};

enum class AccessKind : std::uint8_t {
  read,
  write,
  atomic,    ///< also volatile, relaxed, acquire and release accesses: they do not race one another
  allocate,  ///< in the order of a stream
  free,
};

/// Takes note of the bytes of global memory that an operation touches. Threads may share it.
class AccessWatch {
 public:
  virtual ~AccessWatch() = default;
  /// The current operation touches these bytes. Returns what is wrong with that: an operation that
  /// is not ordered with it touched them as well. Empty where nothing is, or it was said already.
  /// `early`: a launch that overlaps those ahead of it has not waited for them.
  virtual std::string touch(DeviceAddress address, std::size_t bytes, AccessKind kind,
                            bool early) = 0;
  /// Whether touch() would find something wrong.
  virtual bool objects(DeviceAddress address, std::size_t bytes, AccessKind kind) = 0;
};

}  // namespace ptxmill::emu
