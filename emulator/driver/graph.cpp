// Graphs: what a capture recorded, made executable and launched.
#include <algorithm>

#include "emulator/driver/capture.hpp"
#include "emulator/driver/streams.hpp"

namespace ptxmill::emu::driver {
namespace {

using namespace api;

/// The graph of that handle, once its capture has ended.
std::shared_ptr<Graph> find_complete(const Driver& driver, CUgraph handle) {
  const auto graph = driver.graphs.find(handle);
  const bool unfinished = std::any_of(driver.captures.begin(), driver.captures.end(),
                                      [&](const auto& c) { return c->graph == graph; });
  return unfinished ? nullptr : graph;
}

CUresult instantiate(Session& s, CUgraphExec* exec, CUgraph handle, unsigned long long flags) {
  constexpr unsigned long long known =
      CUDA_GRAPH_INSTANTIATE_FLAG_AUTO_FREE_ON_LAUNCH | CUDA_GRAPH_INSTANTIATE_FLAG_UPLOAD |
      CUDA_GRAPH_INSTANTIATE_FLAG_DEVICE_LAUNCH | CUDA_GRAPH_INSTANTIATE_FLAG_USE_NODE_PRIORITY;
  if (const CUresult code = refuse_unsafe_call(s.driver); code != CUDA_SUCCESS) return code;
  const auto graph = find_complete(s.driver, handle);
  if (exec == nullptr || !graph || (flags & ~known) != 0) return CUDA_ERROR_INVALID_VALUE;
  if ((flags & CUDA_GRAPH_INSTANTIATE_FLAG_DEVICE_LAUNCH) != 0) return CUDA_ERROR_NOT_SUPPORTED;
  auto made = std::make_shared<GraphExec>();
  GraphRun::Dependencies dependencies;
  for (const GraphNode& node : graph->nodes) {
    made->operations.push_back(node.operation);
    dependencies.push_back(node.dependencies);
  }
  made->dependencies = std::make_shared<const GraphRun::Dependencies>(std::move(dependencies));
  *exec = s.driver.execs.add(made);
  return CUDA_SUCCESS;
}

/// The nodes run one after another in the stream, in the order of their capture.
CUresult launch(Session& s, CUgraphExec handle, CUstream stream_handle) {
  std::shared_ptr<Stream> stream;
  if (const CUresult code = resolve_stream(s, stream_handle, &stream); code != CUDA_SUCCESS) {
    return code;
  }
  if (invalidate_conflicting_captures(s.driver, *stream)) {
    return CUDA_ERROR_STREAM_CAPTURE_IMPLICIT;
  }
  if (stream->capture) {
    stream->capture->invalidated = true;
    return CUDA_ERROR_STREAM_CAPTURE_UNSUPPORTED;
  }
  const auto exec = s.driver.execs.find(handle);
  if (!exec) return CUDA_ERROR_INVALID_VALUE;
  s.driver.submit(s.lock, stream, exec->operations, std::make_shared<GraphRun>(exec->dependencies));
  return CUDA_SUCCESS;
}

CUresult get_nodes(Session& s, CUgraph handle, CUgraphNode* nodes, std::size_t* count) {
  const auto graph = s.driver.graphs.find(handle);
  if (!graph || count == nullptr) return CUDA_ERROR_INVALID_VALUE;
  const std::size_t have = graph->nodes.size();
  if (nodes == nullptr) {
    *count = have;
    return CUDA_SUCCESS;
  }
  for (std::size_t i = 0; i < *count; ++i) nodes[i] = i < have ? graph->node_handle(i) : nullptr;
  *count = std::min(*count, have);
  return CUDA_SUCCESS;
}

}  // namespace
}  // namespace ptxmill::emu::driver

namespace ptxmill::emu::api {

using namespace driver;

CUresult cuGraphInstantiateWithFlags(CUgraphExec* exec, CUgraph graph, unsigned long long flags) {
  return enter(Call::cuGraphInstantiateWithFlags, Needs::context,
               [&](Session& s) { return instantiate(s, exec, graph, flags); });
}

CUresult cuGraphLaunch(CUgraphExec exec, CUstream stream) {
  return enter(Call::cuGraphLaunch, Needs::live,
               [&](Session& s) { return launch(s, exec, stream); });
}

CUresult cuGraphExecDestroy(CUgraphExec exec) {
  return enter(Call::cuGraphExecDestroy, Needs::initialised, [&](Session& s) -> CUresult {
    if (const CUresult code = refuse_unsafe_call(s.driver); code != CUDA_SUCCESS) return code;
    return s.driver.execs.erase(exec) ? CUDA_SUCCESS : CUDA_ERROR_INVALID_VALUE;
  });
}

CUresult cuGraphDestroy(CUgraph graph) {
  return enter(Call::cuGraphDestroy, Needs::initialised, [&](Session& s) -> CUresult {
    if (!find_complete(s.driver, graph)) return CUDA_ERROR_INVALID_VALUE;
    s.driver.graphs.erase(graph);
    return CUDA_SUCCESS;
  });
}

CUresult cuGraphGetNodes(CUgraph graph, CUgraphNode* nodes, std::size_t* count) {
  return enter(Call::cuGraphGetNodes, Needs::initialised,
               [&](Session& s) { return get_nodes(s, graph, nodes, count); });
}

}  // namespace ptxmill::emu::api
