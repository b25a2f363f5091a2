// The driver's part in the order of operations: what each comes after, and what it may touch.
#include "emulator/driver/driver.hpp"
#include "emulator/text.hpp"

namespace ptxmill::emu::driver {
namespace {

std::string name_of(const Stream& stream) {
  const auto number = reinterpret_cast<std::uintptr_t>(stream.handle);
  if (stream.legacy) return "the NULL stream";
  if (number == api::stream_per_thread) return "a thread's own stream";
  return text("stream 0x", hex(number));
}

}  // namespace

Chain& Driver::begin_operation(Stream& stream, const QueuedOperation& queued) {
  Ordering::wait(stream.chain, queued.submitted);
  // The NULL stream and the blocking streams of its context come after each other's earlier work.
  const Context& context = *stream.context;
  if (stream.legacy) {
    Ordering::wait(stream.chain, context.blocking_past);
  } else if (stream.blocking() && context.legacy) {
    Ordering::wait(stream.chain, Ordering::moment(context.legacy->chain));
  }
  Chain& chain = queued.graph ? queued.graph->begin_node(stream.chain, stream.sides) : stream.chain;
  ordering.begin(chain);
  current_chain_ = &chain;
  current_stream_ = &stream;
  return chain;
}

void Driver::end_operation(Stream& stream, Chain& chain, const Operation& operation,
                           GraphRun* graph) {
  // A host function may wait for the rest of the program, and the rest for it.
  if (operation.calls_host()) Ordering::wait(chain, ordering.host());
  const Moment now = Ordering::moment(chain);
  if (operation.calls_host()) ordering.host_waited(now);
  if (graph != nullptr) graph->end_node(stream.chain, chain);
  Context& context = *stream.context;
  context.past = join(context.past, now);
  if (!stream.legacy && stream.blocking()) context.blocking_past = join(context.blocking_past, now);
}

void Driver::host_waited_for(const Context* context) {
  for (const auto& c : contexts.all())
    if (context == nullptr || c.get() == context) ordering.host_waited(c->past);
}

void Driver::host_waited_for(const Stream& stream) {
  ordering.host_waited(Ordering::moment(stream.chain));
  if (stream.legacy) ordering.host_waited(stream.context->blocking_past);
}

AccessWatch* Driver::watch(const Operation& operation, bool whole) {
  if (settings.execute.check == Check::off) return nullptr;
  if (!whole && stream_count == 0) return nullptr;
  if (watched_ != ordering.current()) {
    watched_ = ordering.current();
    stream_watch_.forget([&](OperationId id) { return ordering.host_knows(id); });
    stream_watch_.begin(watched_, text(operation.name(), " in ", name_of(*current_stream_)),
                        operation.start());
  }
  return &stream_watch_;
}

api::CUresult Driver::touch(const Operation& operation, DeviceAddress address, std::size_t bytes,
                            AccessKind kind) {
  AccessWatch* const watch_here = watch(operation, true);
  if (watch_here == nullptr) return api::CUDA_SUCCESS;
  const std::string wrong = watch_here->touch(address, bytes, kind, false);
  if (wrong.empty()) return api::CUDA_SUCCESS;
  const bool fails = settings.execute.check == Check::fail;
  report(text("ptxmill emulator: ", fails ? "error" : "warning", ": ", wrong, "\n"));
  return fails ? api::CUDA_ERROR_LAUNCH_FAILED : api::CUDA_SUCCESS;
}

}  // namespace ptxmill::emu::driver
