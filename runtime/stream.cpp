#include "runtime/stream.hpp"

#include <algorithm>

#include "runtime/counting.hpp"
#include "runtime/stream_state.hpp"
#include "runtime/text.hpp"

namespace ptxmill::rt {
namespace {

constexpr std::size_t least_workspace = std::size_t{1} << 16;

thread_local int recordings = 0;

cu::Stream create_stream(const Context& context) {
  context.check_alive();
  const ContextScope scope(context);
  cu::Stream stream = nullptr;
  cu::driver().stream_create(&stream, cu::stream_non_blocking);
  return stream;
}

}  // namespace

int recordings_on_this_thread() { return recordings; }

StreamState::StreamState(std::shared_ptr<Context> owner, cu::Stream stream, bool own)
    : context(std::move(owner)), handle(stream), owned(own) {}

StreamState::~StreamState() {
  for (const Workspace* workspace : {&plain_, &zeroed_})
    for (const cu::DevicePointer buffer : workspace->buffers) context->release(buffer, handle);
  if (!owned) return;
  const ContextScope scope(*context);
  cu::driver().stream_destroy.raw(handle);
}

bool StreamState::capturing() const {
  const ContextScope scope(*context);
  const cu::Driver& driver = cu::driver();
  cu::CaptureStatus status = cu::CaptureStatus::none;
  const cu::Result result = driver.stream_is_capturing.raw(handle, &status);
  // The answer for the default stream while a recording elsewhere forbids its use.
  if (result == cu::Result::stream_capture_implicit) return true;
  if (result != cu::Result::success) cu::fail(driver.stream_is_capturing.symbol(), result);
  return status != cu::CaptureStatus::none;
}

void StreamState::refuse_capture(std::string_view what, std::string_view remedy) const {
  if (capturing())
    throw Error(ErrorCode::invalid_argument,
                concat(what, " while the stream records a graph; ", remedy));
}

cu::DevicePointer StreamState::allocate(std::size_t bytes) const {
  if (bytes == 0) return 0;
  context->check_alive();
  refuse_capture("cannot allocate device memory", "allocate before the recording begins");
  return context->allocate(bytes, handle);
}

cu::DevicePointer StreamState::workspace(std::size_t bytes, bool zeroed) {
  if (bytes == 0) return 0;
  const std::lock_guard lock(mutex_);
  Workspace& held = zeroed ? zeroed_ : plain_;
  if (bytes > held.bytes) {
    refuse_capture("cannot enlarge the stream's workspace",
                   "run the work once before recording it");
    const std::size_t size = std::max({bytes, held.bytes * 2, least_workspace});
    held.buffers.reserve(held.buffers.size() + 1);
    const cu::DevicePointer buffer = allocate(size);
    if (zeroed) {
      const ContextScope scope(*context);
      const cu::Driver& driver = cu::driver();
      const cu::Result result = driver.memset_d8_async.raw(buffer, 0, size, handle);
      if (result != cu::Result::success) {
        context->release(buffer, handle);
        cu::fail(driver.memset_d8_async.symbol(), result, "zeroing the stream's workspace");
      }
    }
    held.buffers.push_back(buffer);
    held.bytes = size;
  }
  return held.buffers.back();
}

Stream::Stream(const Device& device)
    : state_(std::make_shared<StreamState>(device.context(), create_stream(*device.context()),
                                           true)) {}

Stream Stream::wrap(const Device& device, cu::Stream stream) {
  return Stream(std::make_shared<StreamState>(device.context(), stream, false));
}

cu::Stream Stream::handle() const { return state_->handle; }

const std::shared_ptr<Context>& Stream::context() const { return state_->context; }

void Stream::synchronize() const {
  Context& context = *state_->context;
  context.check_alive();
  const ContextScope scope(context);
  cu::driver().stream_synchronize(state_->handle);
  context.note_settled(state_->handle);
}

bool Stream::idle() const {
  Context& context = *state_->context;
  context.check_alive();
  const ContextScope scope(context);
  const cu::Driver& driver = cu::driver();
  const cu::Result result = driver.stream_query.raw(state_->handle);
  if (result == cu::Result::not_ready) return false;
  if (result != cu::Result::success) cu::fail(driver.stream_query.symbol(), result);
  context.note_settled(state_->handle);
  return true;
}

bool Stream::capturing() const {
  state_->context->check_alive();
  return state_->capturing();
}

void Stream::wait(const Event& event) const {
  state_->context->check_alive();
  const ContextScope scope(*state_->context);
  cu::driver().stream_wait_event(state_->handle, event.handle(), 0);
}

Event::Event(const Device& device, Timing timing) : context_(device.context()) {
  context_->check_alive();
  const ContextScope scope(*context_);
  cu::driver().event_create(&event_,
                            timing == Timing::on ? cu::event_default : cu::event_disable_timing);
}

Event::~Event() {
  if (event_ == nullptr) return;
  const ContextScope scope(*context_);
  cu::driver().event_destroy.raw(event_);
}

Event::Event(Event&& other) noexcept
    : context_(std::move(other.context_)), event_(std::exchange(other.event_, nullptr)) {}

Event& Event::operator=(Event&& other) noexcept {
  std::swap(context_, other.context_);
  std::swap(event_, other.event_);
  return *this;
}

void Event::record(const Stream& stream) {
  context_->check_alive();
  if (stream.context() != context_)
    throw Error(ErrorCode::invalid_argument, "Event::record: the stream is on another device");
  const ContextScope scope(*context_);
  cu::driver().event_record(event_, stream.handle());
}

void Event::synchronize() const {
  context_->check_alive();
  const ContextScope scope(*context_);
  cu::driver().event_synchronize(event_);
}

bool Event::done() const {
  context_->check_alive();
  const ContextScope scope(*context_);
  const cu::Driver& driver = cu::driver();
  const cu::Result result = driver.event_query.raw(event_);
  if (result == cu::Result::not_ready) return false;
  if (result != cu::Result::success) cu::fail(driver.event_query.symbol(), result);
  return true;
}

float Event::milliseconds_since(const Event& start) const {
  context_->check_alive();
  const ContextScope scope(*context_);
  float milliseconds = 0;
  cu::driver().event_elapsed_time(&milliseconds, start.event_, event_);
  return milliseconds;
}

namespace {

/// Ends the recording, also where the driver fails to at first.
cu::Result end_recording(const StreamState& stream, cu::Graph* graph) {
  const cu::Driver& driver = cu::driver();
  const cu::Result result = driver.stream_end_capture.raw(stream.handle, graph);
  if (result == cu::Result::success) return result;
  // What is freed in the order of a stream that still records would never be.
  cu::CaptureStatus status = cu::CaptureStatus::none;
  cu::Graph unwanted = nullptr;
  if (driver.stream_is_capturing.raw(stream.handle, &status) == cu::Result::success &&
      status != cu::CaptureStatus::none &&
      driver.stream_end_capture.raw(stream.handle, &unwanted) == cu::Result::success &&
      unwanted != nullptr)
    driver.graph_destroy.raw(unwanted);
  return result;
}

/// Records what `work` does. The recording is ended whatever happens.
cu::Graph record(const StreamState& stream, const std::function<void()>& work) {
  const cu::Driver& driver = cu::driver();
  driver.stream_begin_capture(stream.handle, cu::CaptureMode::thread_local_);
  ++recordings;
  cu::Graph graph = nullptr;
  try {
    work();
  } catch (...) {
    --recordings;
    if (end_recording(stream, &graph) == cu::Result::success && graph != nullptr)
      driver.graph_destroy.raw(graph);
    throw;
  }
  --recordings;
  if (const cu::Result result = end_recording(stream, &graph); result != cu::Result::success)
    cu::fail(driver.stream_end_capture.symbol(), result);
  return graph;
}

}  // namespace

Graph Graph::capture(const Stream& stream, const std::function<void()>& work) {
  Context& context = *stream.context();
  context.check_alive();
  stream.state()->refuse_capture("cannot begin a recording", "end the one under way first");
  const ContextScope scope(context);
  const cu::Driver& driver = cu::driver();
  const std::size_t mark = context.launch_mark();
  Graph result;
  result.recorded_on_ = stream.state();
  cu::Graph graph = nullptr;
  try {
    graph = record(*stream.state(), work);
  } catch (...) {
    context.take_launches(stream.handle(), mark);
    throw;
  }
  result.kernels_ = context.take_launches(stream.handle(), mark);
  if (driver.graph_get_nodes.raw(graph, nullptr, &result.nodes_) != cu::Result::success)
    result.nodes_ = result.kernels_.size();
  const cu::Result made = driver.graph_instantiate.raw(&result.exec_, graph, 0);
  driver.graph_destroy.raw(graph);
  if (made != cu::Result::success) {
    result.exec_ = nullptr;
    if (!driver.graph_instantiate) cu::fail_missing(driver.graph_instantiate.symbol());
    cu::fail(driver.graph_instantiate.symbol(), made);
  }
  return result;
}

Graph::~Graph() { destroy(); }

Graph::Graph(Graph&& other) noexcept
    : recorded_on_(std::move(other.recorded_on_)),
      exec_(std::exchange(other.exec_, nullptr)),
      nodes_(other.nodes_),
      kernels_(std::move(other.kernels_)) {}

Graph& Graph::operator=(Graph&& other) noexcept {
  if (this == &other) return *this;
  destroy();
  recorded_on_ = std::move(other.recorded_on_);
  exec_ = std::exchange(other.exec_, nullptr);
  nodes_ = other.nodes_;
  kernels_ = std::move(other.kernels_);
  return *this;
}

void Graph::destroy() noexcept {
  if (exec_ == nullptr) return;
  const ContextScope scope(*recorded_on_->context);
  cu::driver().graph_exec_destroy.raw(exec_);
  exec_ = nullptr;
}

void Graph::launch(const Stream& stream) const {
  Context& context = *recorded_on_->context;
  context.check_alive();
  if (stream.context() != recorded_on_->context)
    throw Error(ErrorCode::invalid_argument, "Graph::launch: the stream is on another device");
  const ContextScope scope(context);
  cu::driver().graph_launch(exec_, stream.handle());
  counting::add(counting::cells().graph_launches);
  for (const char* kernel : kernels_) context.note_launch(kernel, stream.handle());
  if (context.blocking() && !stream.capturing()) stream.synchronize();
}

}  // namespace ptxmill::rt
