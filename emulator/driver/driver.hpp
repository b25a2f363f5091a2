// The state of the emulated driver. One mutex guards all of it; operations run under that mutex,
// host functions without it.
#pragma once

#include <condition_variable>
#include <cstdint>
#include <functional>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "emulator/driver/handles.hpp"
#include "emulator/driver/ledger.hpp"
#include "emulator/driver/limits.hpp"
#include "emulator/driver/objects.hpp"
#include "emulator/driver/settings.hpp"
#include "emulator/driver/stream_watch.hpp"
#include "emulator/driver/tally.hpp"

namespace ptxmill::emu::driver {

/// Attributes of the device's one memory pool that are only remembered.
struct PoolSettings {
  int reuse_follow_event_dependencies = 1;
  int reuse_allow_opportunistic = 1;
  int reuse_allow_internal_dependencies = 1;
  std::uint64_t release_threshold = 0;
};

struct Driver {
  /// The process's driver. Never destroyed, so that calls from exit handlers find it.
  static Driver& instance();

  std::mutex mutex;
  std::condition_variable changed;  ///< a queue advanced, or the driver was lost

  bool initialised = false;
  std::uint64_t epoch = 0;  ///< counts resets: what a thread remembers from an earlier one is void
  Settings settings;
  const Limits* limits = nullptr;
  std::unique_ptr<Ledger> ledger;
  PoolSettings pool;
  /// What every call returns once a kernel has faulted. As on hardware the whole process is
  /// affected, not only the context (CUDA Driver API, CUresult: "the process must be terminated").
  api::CUresult lost = api::CUDA_SUCCESS;

  Registry<Context, api::CUcontext, 0x51> contexts;
  Registry<Stream, api::CUstream, 0x52> streams;
  Registry<Event, api::CUevent, 0x53> events;
  Registry<Module, api::CUmodule, 0x54> modules;
  Registry<Function, api::CUfunction, 0x55> functions;
  Registry<Graph, api::CUgraph, 0x56> graphs;
  Registry<GraphExec, api::CUgraphExec, 0x57> execs;

  std::shared_ptr<Context> primary;  ///< null until it is first retained
  unsigned primary_references = 0;
  std::vector<std::shared_ptr<Capture>> captures;  ///< those that did not end yet
  std::uint64_t capture_count = 0;
  std::uint64_t launch_count = 0;
  std::uint64_t stream_count = 0;  ///< made so far, without the NULL streams

  /// The order of the operations that have begun.
  Ordering ordering;

  /// The machine that the settings describe; before cuInit, what they would describe now.
  Machine machine() const;
  /// Reads the settings and builds the device. CUDA_ERROR_INVALID_VALUE where a setting is
  /// malformed; stderr says which.
  api::CUresult initialise();
  /// Back to the state before cuInit. Waits for host functions that run.
  void reset(Lock& lock);

  /// The code that PTXMILL_EMU_FAIL_CALL gives this call, the call being counted.
  api::CUresult injected_failure(Call call);

  /// Appends operations to the stream's queue, nothing of other threads between them, and runs what
  /// can run. Does nothing once the driver is lost.
  void submit(Lock& lock, const std::shared_ptr<Stream>& stream,
              const std::vector<std::shared_ptr<const Operation>>& operations,
              const std::shared_ptr<GraphRun>& graph = nullptr);
  /// Waits until `done` holds, or the driver is lost: then returns that error.
  api::CUresult wait(Lock& lock, const std::function<bool()>& done);
  /// Waits until no stream for which `concerns` holds has work.
  api::CUresult wait_for_streams(Lock& lock, const std::function<bool(const Stream&)>& concerns);
  /// Declares the driver lost and drops the queued work.
  void lose(api::CUresult code);

  /// Makes a stream that is in no registry yet.
  static std::shared_ptr<Stream> make_stream(const std::shared_ptr<Context>& context,
                                             unsigned flags, int priority);
  void activate(const std::shared_ptr<Context>& context);
  /// Waits for the context's work and destroys what belongs to it.
  void deactivate(Lock& lock, const std::shared_ptr<Context>& context);

  /// Writes a finding to where PTXMILL_EMU_REPORT says.
  void report(const std::string& text);
  /// The host has seen that what ran in the context so far has ended; null: in all of them.
  void host_waited_for(const Context* context);
  /// The host has seen that the stream's work has ended.
  void host_waited_for(const Stream& stream);

  // For the operation that runs now:
  /// What has ended when it ends.
  Moment current_moment() const { return Ordering::moment(*current_chain_); }
  /// What follows in its stream, or its branch of a graph, comes after `m` too.
  void current_waits_for(const Moment& m) { Ordering::wait(*current_chain_, m); }
  /// What is to be told of its accesses to memory; null where checks are off. Null too while
  /// there is the NULL stream only, unless the accesses are `whole` ranges, which are cheap.
  AccessWatch* watch(const Operation& operation, bool whole = false);
  /// It touches memory as a whole. Reports what is wrong with that, and returns its result.
  api::CUresult touch(const Operation& operation, DeviceAddress address, std::size_t bytes,
                      AccessKind kind);

  /// Adds a launch to the tally. stderr gets the launch by itself, a file all that was launched.
  void count(const std::shared_ptr<const Program>& program, const EntryInfo& entry,
             const LaunchCounts& counts);

 private:
  void drain(Lock& lock);
  Chain& begin_operation(Stream& stream, const QueuedOperation& queued);
  void end_operation(Stream& stream, Chain& chain, const Operation& operation, GraphRun* graph);
  std::shared_ptr<Stream> runnable() const;
  bool may_run(const Stream& stream) const;

  Tally tally_;
  StreamWatch stream_watch_{ordering};
  OperationId watched_ = 0;         ///< the latest that stream_watch_ was told of
  Chain* current_chain_ = nullptr;  ///< of the operation that began last
  const Stream* current_stream_ = nullptr;
  std::vector<std::shared_ptr<Stream>> busy_;  ///< streams with a queue that is not empty
  std::uint64_t submissions_ = 0;
};

/// Whether the calling thread is inside a cuLaunchHostFunc callback, where no call is permitted.
bool& in_host_function();

}  // namespace ptxmill::emu::driver
