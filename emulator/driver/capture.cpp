#include "emulator/driver/capture.hpp"

#include <algorithm>

#include "emulator/driver/streams.hpp"

namespace ptxmill::emu::driver {

using namespace api;

namespace {

/// Every stream of the driver that captures.
std::vector<std::shared_ptr<Stream>> capturing_streams(const Driver& driver) {
  std::vector<std::shared_ptr<Stream>> result;
  const auto add = [&](const std::shared_ptr<Stream>& s) {
    if (s && s->capture) result.push_back(s);
  };
  for (const auto& stream : driver.streams.all()) add(stream);
  for (const auto& context : driver.contexts.all()) {
    for (const auto& [thread, stream] : context->per_thread) add(stream);
  }
  return result;
}

template <class Predicate>
bool invalidate_where(const Driver& driver, Predicate&& concerns) {
  bool any = false;
  for (const auto& stream : capturing_streams(driver)) {
    if (!concerns(*stream)) continue;
    stream->capture->invalidated = true;
    any = true;
  }
  return any;
}

}  // namespace

CUresult refuse_unsafe_call(Driver& driver) {
  bool refused = false;
  for (const auto& capture : driver.captures) {
    const bool own = capture->thread == std::this_thread::get_id();
    if (capture->mode == CU_STREAM_CAPTURE_MODE_GLOBAL ||
        (own && capture->mode == CU_STREAM_CAPTURE_MODE_THREAD_LOCAL)) {
      capture->invalidated = true;
      refused = true;
    }
  }
  return refused ? CUDA_ERROR_STREAM_CAPTURE_UNSUPPORTED : CUDA_SUCCESS;
}

bool invalidate_captures_of(Driver& driver, const Context& context) {
  return invalidate_where(driver, [&](const Stream& s) { return s.context.get() == &context; });
}

bool conflicts_with_capture(const Driver& driver, const Stream& stream) {
  if (!stream.legacy) return false;
  const auto streams = capturing_streams(driver);
  return std::any_of(streams.begin(), streams.end(),
                     [&](const auto& s) { return s->context == stream.context && s->blocking(); });
}

bool invalidate_conflicting_captures(Driver& driver, const Stream& stream) {
  return stream.legacy && invalidate_where(driver, [&](const Stream& s) {
           return s.context == stream.context && s.blocking();
         });
}

void record_node(Stream& stream, std::shared_ptr<const Operation> operation) {
  auto& nodes = stream.capture->graph->nodes;
  nodes.push_back({std::move(operation), stream.frontier});
  stream.frontier = {nodes.size() - 1};
}

void end_capture(Driver& driver, const std::shared_ptr<Capture>& capture) {
  for (const auto& stream : capturing_streams(driver)) {
    if (stream->capture != capture) continue;
    stream->capture = nullptr;
    stream->frontier.clear();
  }
  capture->ended = true;
  std::erase(driver.captures, capture);
}

namespace {

/// Whether every node of the capture comes before the frontier of the stream that it began in.
bool is_joined(const Stream& origin) {
  const auto& nodes = origin.capture->graph->nodes;
  std::vector<bool> covered(nodes.size(), false);
  for (const std::size_t node : origin.frontier) covered[node] = true;
  for (std::size_t i = nodes.size(); i-- > 0;) {
    if (!covered[i]) return false;  // its successors, which come later, would have covered it
    for (const std::size_t node : nodes[i].dependencies) covered[node] = true;
  }
  return true;
}

CUresult begin(Session& s, CUstream handle, CUstreamCaptureMode mode) {
  if (mode > CU_STREAM_CAPTURE_MODE_RELAXED) return CUDA_ERROR_INVALID_VALUE;
  std::shared_ptr<Stream> stream;
  if (const CUresult code = resolve_stream(s, handle, &stream); code != CUDA_SUCCESS) return code;
  if (stream->legacy) return CUDA_ERROR_STREAM_CAPTURE_UNSUPPORTED;
  if (stream->capture) return CUDA_ERROR_ILLEGAL_STATE;
  auto capture = std::make_shared<Capture>();
  capture->id = ++s.driver.capture_count;
  capture->mode = mode;
  capture->thread = std::this_thread::get_id();
  capture->origin = stream.get();
  capture->graph = std::make_shared<Graph>();
  s.driver.graphs.add(capture->graph);
  s.driver.captures.push_back(capture);
  stream->capture = capture;
  stream->frontier.clear();
  return CUDA_SUCCESS;
}

CUresult end(Session& s, CUstream handle, CUgraph* graph) {
  if (graph != nullptr) *graph = nullptr;
  std::shared_ptr<Stream> stream;
  if (const CUresult code = resolve_stream(s, handle, &stream); code != CUDA_SUCCESS) return code;
  const std::shared_ptr<Capture> capture = stream->capture;
  if (!capture) return CUDA_ERROR_ILLEGAL_STATE;
  if (capture->origin != stream.get()) {
    capture->invalidated = true;
    return CUDA_ERROR_STREAM_CAPTURE_UNMATCHED;
  }
  CUresult code = CUDA_SUCCESS;
  if (capture->thread != std::this_thread::get_id() &&
      capture->mode != CU_STREAM_CAPTURE_MODE_RELAXED) {
    code = CUDA_ERROR_STREAM_CAPTURE_WRONG_THREAD;
  } else if (capture->invalidated) {
    code = CUDA_ERROR_STREAM_CAPTURE_INVALIDATED;
  } else if (!is_joined(*stream)) {
    code = CUDA_ERROR_STREAM_CAPTURE_UNJOINED;
  }
  end_capture(s.driver, capture);
  if (code != CUDA_SUCCESS || graph == nullptr) {
    s.driver.graphs.erase(capture->graph->handle);
  } else {
    *graph = capture->graph->handle;
  }
  return code;
}

CUstreamCaptureStatus status_of(const Stream& stream) {
  if (!stream.capture) return CU_STREAM_CAPTURE_STATUS_NONE;
  return stream.capture->invalidated ? CU_STREAM_CAPTURE_STATUS_INVALIDATED
                                     : CU_STREAM_CAPTURE_STATUS_ACTIVE;
}

/// Where cuStreamGetCaptureInfo puts its answers; all but the status may be null.
struct CaptureInfo {
  CUstreamCaptureStatus* status;
  cuuint64_t* id = nullptr;
  CUgraph* graph = nullptr;
  const CUgraphNode** dependencies = nullptr;
  std::size_t* dependency_count = nullptr;
};

CUresult get_info(Session& s, CUstream handle, const CaptureInfo& info) {
  if (info.status == nullptr) return CUDA_ERROR_INVALID_VALUE;
  std::shared_ptr<Stream> stream;
  if (const CUresult code = resolve_stream(s, handle, &stream); code != CUDA_SUCCESS) return code;
  if (conflicts_with_capture(s.driver, *stream)) return CUDA_ERROR_STREAM_CAPTURE_IMPLICIT;
  *info.status = status_of(*stream);
  if (*info.status != CU_STREAM_CAPTURE_STATUS_ACTIVE) return CUDA_SUCCESS;
  const Graph& graph = *stream->capture->graph;
  stream->shown_frontier.clear();
  for (const std::size_t node : stream->frontier) {
    stream->shown_frontier.push_back(graph.node_handle(node));
  }
  if (info.id != nullptr) *info.id = stream->capture->id;
  if (info.graph != nullptr) *info.graph = graph.handle;
  if (info.dependencies != nullptr) *info.dependencies = stream->shown_frontier.data();
  if (info.dependency_count != nullptr) *info.dependency_count = stream->shown_frontier.size();
  return CUDA_SUCCESS;
}

}  // namespace
}  // namespace ptxmill::emu::driver

namespace ptxmill::emu::api {

using namespace driver;

CUresult cuStreamBeginCapture_v2(CUstream stream, CUstreamCaptureMode mode) {
  return enter(Call::cuStreamBeginCapture_v2, Needs::live,
               [&](Session& s) { return begin(s, stream, mode); });
}

CUresult cuStreamEndCapture(CUstream stream, CUgraph* graph) {
  return enter(Call::cuStreamEndCapture, Needs::live,
               [&](Session& s) { return end(s, stream, graph); });
}

CUresult cuStreamIsCapturing(CUstream stream, CUstreamCaptureStatus* status) {
  return enter(Call::cuStreamIsCapturing, Needs::live,
               [&](Session& s) { return get_info(s, stream, {status}); });
}

CUresult cuStreamGetCaptureInfo_v2(CUstream stream, CUstreamCaptureStatus* status, cuuint64_t* id,
                                   CUgraph* graph, const CUgraphNode** dependencies,
                                   std::size_t* dependency_count) {
  return enter(Call::cuStreamGetCaptureInfo_v2, Needs::live, [&](Session& s) {
    return get_info(s, stream, {status, id, graph, dependencies, dependency_count});
  });
}

CUresult cuStreamGetCaptureInfo_v3(CUstream stream, CUstreamCaptureStatus* status, cuuint64_t* id,
                                   CUgraph* graph, const CUgraphNode** dependencies,
                                   const CUgraphEdgeData** edges, std::size_t* dependency_count) {
  return enter(Call::cuStreamGetCaptureInfo_v3, Needs::live, [&](Session& s) {
    if (edges != nullptr) *edges = nullptr;  // no edge carries data here
    return get_info(s, stream, {status, id, graph, dependencies, dependency_count});
  });
}

}  // namespace ptxmill::emu::api
