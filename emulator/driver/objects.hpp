// What the handles of the API stand for.
#pragma once

#include <array>
#include <chrono>
#include <cstdint>
#include <deque>
#include <map>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "emulator/driver/api.hpp"
#include "emulator/driver/operation.hpp"
#include "emulator/driver/ordering.hpp"
#include "emulator/program.hpp"

namespace ptxmill::emu::driver {

struct Stream;

/// A context. The primary one keeps its object and handle from one activation to the next.
struct Context {
  api::CUcontext handle = nullptr;
  unsigned flags = 0;
  bool primary = false;
  bool alive = false;
  /// By CUlimit: remembered, no more. A thread's stack may have 512 KiB whatever is set.
  std::array<std::size_t, 3> limits{1024, 1 << 20, 8 << 20};
  std::shared_ptr<Stream> legacy;                                 ///< the NULL stream
  std::map<std::thread::id, std::shared_ptr<Stream>> per_thread;  ///< CU_STREAM_PER_THREAD
  Moment past;                                                    ///< what has run in its streams
  Moment blocking_past;  ///< what has run in those that the NULL stream waits for
};

struct GraphNode {
  std::shared_ptr<const Operation> operation;
  std::vector<std::size_t> dependencies;  ///< indices of earlier nodes of the graph
};

/// A graph; its nodes stand in the order of capture, which is a topological one.
struct Graph {
  api::CUgraph handle = nullptr;
  std::vector<GraphNode> nodes;
  /// The opaque handle of a node: unique, and not to be followed.
  api::CUgraphNode node_handle(std::size_t index) const {
    return reinterpret_cast<api::CUgraphNode>(reinterpret_cast<std::uintptr_t>(handle) +
                                              (std::uintptr_t{index + 1} << 48));
  }
};

struct GraphExec {
  api::CUgraphExec handle = nullptr;
  std::vector<std::shared_ptr<const Operation>> operations;
  std::shared_ptr<const GraphRun::Dependencies> dependencies;  ///< of `operations`
};

/// A capture in progress. Streams and events that take part point to it.
struct Capture {
  std::uint64_t id = 0;
  api::CUstreamCaptureMode mode = api::CU_STREAM_CAPTURE_MODE_GLOBAL;
  std::thread::id thread;          ///< the one that began it
  const Stream* origin = nullptr;  ///< the stream that it began in
  bool invalidated = false;
  bool ended = false;
  std::shared_ptr<Graph> graph;
};

struct QueuedOperation {
  std::shared_ptr<const Operation> operation;
  std::uint64_t order = 0;          ///< of submission, over all streams
  Moment submitted;                 ///< what the host had waited for then
  std::shared_ptr<GraphRun> graph;  ///< null where it was not submitted by a graph
};

struct Stream {
  api::CUstream handle = nullptr;
  std::shared_ptr<Context> context;
  unsigned flags = 0;
  int priority = 0;
  bool legacy = false;
  std::deque<QueuedOperation> queue;  ///< the front one may be running
  bool running = false;
  Chain chain;                        ///< of the operations that have begun
  std::deque<Chain> sides;            ///< of further branches of graphs that run in the stream
  std::shared_ptr<Capture> capture;   ///< null where the stream does not capture
  std::vector<std::size_t> frontier;  ///< the nodes that the next captured operation depends on
  std::vector<api::CUgraphNode> shown_frontier;  ///< what cuStreamGetCaptureInfo handed out

  /// Whether the stream and the NULL stream wait for each other's earlier work.
  bool blocking() const { return (flags & api::CU_STREAM_NON_BLOCKING) == 0; }
};

/// One recording of an event.
struct Marker {
  bool done = false;
  std::chrono::steady_clock::time_point time;
  Moment moment;  ///< what has ended when it is done
};

struct Event {
  api::CUevent handle = nullptr;
  std::shared_ptr<Context> context;
  unsigned flags = 0;
  std::shared_ptr<Marker> marker;     ///< of the latest recording; null where there is none
  std::shared_ptr<Capture> capture;   ///< where the latest recording was in a capturing stream
  std::vector<std::size_t> frontier;  ///< the nodes that it stands after
};

struct Function;

struct Module {
  api::CUmodule handle = nullptr;
  std::shared_ptr<Context> context;
  std::shared_ptr<const Program> program;
  int target = 0;  ///< 80 for .target sm_80
  /// Addresses in the order of Program::variables().
  std::shared_ptr<const std::vector<DeviceAddress>> variables;
  std::map<std::string, std::shared_ptr<Function>, std::less<>> functions;
};

struct Function {
  api::CUfunction handle = nullptr;
  std::shared_ptr<Context> context;
  api::CUmodule module = nullptr;
  std::shared_ptr<const Program> program;
  std::shared_ptr<const std::vector<DeviceAddress>> variables;
  const EntryInfo* entry = nullptr;  ///< owned by `program`
  int target = 0;
  int max_dynamic_shared = 0;
  int carveout = -1;
  bool non_portable_cluster = false;
  int cluster_scheduling_policy = 0;
  std::uint32_t required_cluster[3] = {0, 0, 0};
  api::CUfunc_cache cache_config = api::CU_FUNC_CACHE_PREFER_NONE;
};

}  // namespace ptxmill::emu::driver
