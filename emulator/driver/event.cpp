// Events: recorded in streams, waited for by streams and the host, and the joints of captures.
#include <algorithm>

#include "emulator/driver/capture.hpp"
#include "emulator/driver/streams.hpp"

namespace ptxmill::emu::driver {
namespace {

using namespace api;

void complete(const Driver& driver, Marker& marker) {
  marker.done = true;
  marker.moment = driver.current_moment();
  marker.time = std::chrono::steady_clock::now();
}

/// Completes one recording of an event.
class Record final : public Operation {
 public:
  explicit Record(std::shared_ptr<Marker> marker) : marker_(std::move(marker)) {}
  CUresult run(Driver& driver, Lock&) const override {
    complete(driver, *marker_);
    return CUDA_SUCCESS;
  }

 private:
  std::shared_ptr<Marker> marker_;
};

/// Waits for one recording of an event.
class Wait final : public Operation {
 public:
  explicit Wait(std::shared_ptr<const Marker> marker) : marker_(std::move(marker)) {}
  bool ready() const override { return marker_->done; }
  CUresult run(Driver& driver, Lock&) const override {
    driver.current_waits_for(marker_->moment);
    return CUDA_SUCCESS;
  }

 private:
  std::shared_ptr<const Marker> marker_;
};

/// A graph's node that records an event anew at each launch.
class ExternalRecord final : public Operation {
 public:
  explicit ExternalRecord(std::shared_ptr<Event> event) : event_(std::move(event)) {}
  CUresult run(Driver& driver, Lock&) const override {
    event_->marker = std::make_shared<Marker>();
    complete(driver, *event_->marker);
    return CUDA_SUCCESS;
  }

 private:
  std::shared_ptr<Event> event_;
};

/// A graph's node that waits for the recording that is the latest when it is reached.
class ExternalWait final : public Operation {
 public:
  explicit ExternalWait(std::shared_ptr<const Event> event) : event_(std::move(event)) {}
  bool ready() const override { return !event_->marker || event_->marker->done; }
  CUresult run(Driver& driver, Lock&) const override {
    if (event_->marker) driver.current_waits_for(event_->marker->moment);
    return CUDA_SUCCESS;
  }

 private:
  std::shared_ptr<const Event> event_;
};

CUresult record(Call call, CUevent handle, CUstream stream_handle, unsigned flags) {
  return enter(call, Needs::live, [&](Session& s) {
    return enqueue(s, stream_handle, [&](Stream& stream, auto* operation) -> CUresult {
      const auto event = s.driver.events.find(handle);
      if (!event || event->context != stream.context) return CUDA_ERROR_INVALID_HANDLE;
      if (flags > CU_EVENT_RECORD_EXTERNAL) return CUDA_ERROR_INVALID_VALUE;
      if (stream.capture && flags == CU_EVENT_RECORD_EXTERNAL) {
        *operation = std::make_shared<ExternalRecord>(event);
      } else if (stream.capture) {
        event->capture = stream.capture;
        event->frontier = stream.frontier;
        event->marker = nullptr;
      } else {
        event->capture = nullptr;
        event->marker = std::make_shared<Marker>();
        *operation = std::make_shared<Record>(event->marker);
      }
      return CUDA_SUCCESS;
    });
  });
}

/// A wait for an event of a capture: the stream joins it, or waits for more of it.
CUresult join_capture(Stream& stream, const Event& event) {
  const auto& capture = event.capture;
  if (capture->ended) return CUDA_ERROR_INVALID_VALUE;
  if (capture->invalidated) return CUDA_ERROR_STREAM_CAPTURE_INVALIDATED;
  if (stream.legacy) {
    capture->invalidated = true;
    return CUDA_ERROR_STREAM_CAPTURE_IMPLICIT;
  }
  if (stream.capture && stream.capture != capture) {
    capture->invalidated = true;
    return CUDA_ERROR_STREAM_CAPTURE_MERGE;
  }
  if (!stream.capture) {
    stream.capture = capture;
    stream.frontier = event.frontier;
    return CUDA_SUCCESS;
  }
  for (const std::size_t node : event.frontier) {
    if (std::find(stream.frontier.begin(), stream.frontier.end(), node) == stream.frontier.end()) {
      stream.frontier.push_back(node);
    }
  }
  return CUDA_SUCCESS;
}

CUresult stream_wait(Session& s, CUstream stream_handle, CUevent handle, unsigned flags) {
  return enqueue(s, stream_handle, [&](Stream& stream, auto* operation) -> CUresult {
    const auto event = s.driver.events.find(handle);
    if (!event) return CUDA_ERROR_INVALID_HANDLE;
    if (flags > CU_EVENT_WAIT_EXTERNAL) return CUDA_ERROR_INVALID_VALUE;
    if (stream.capture && flags == CU_EVENT_WAIT_EXTERNAL) {
      *operation = std::make_shared<ExternalWait>(event);
      return CUDA_SUCCESS;
    }
    if (event->capture) return join_capture(stream, *event);
    if (!event->marker) return CUDA_SUCCESS;  // never recorded: nothing to wait for
    if (stream.capture) return CUDA_ERROR_STREAM_CAPTURE_ISOLATION;
    *operation = std::make_shared<Wait>(event->marker);
    return CUDA_SUCCESS;
  });
}

/// The event of a call by which the host looks at its progress.
CUresult resolve_for_host(Session& s, CUevent handle, std::shared_ptr<Event>* event) {
  *event = s.driver.events.find(handle);
  if (!*event) return CUDA_ERROR_INVALID_HANDLE;
  if (const auto& capture = (*event)->capture) {
    if (capture->ended) return CUDA_ERROR_INVALID_VALUE;
    capture->invalidated = true;
    return CUDA_ERROR_CAPTURED_EVENT;
  }
  return refuse_unsafe_call(s.driver);
}

CUresult elapsed_time(Call call, float* milliseconds, CUevent start_handle, CUevent end_handle) {
  return enter(call, Needs::live, [&](Session& s) -> CUresult {
    const auto start = s.driver.events.find(start_handle);
    const auto end = s.driver.events.find(end_handle);
    if (milliseconds == nullptr || !start || !end) return CUDA_ERROR_INVALID_HANDLE;
    if (((start->flags | end->flags) & CU_EVENT_DISABLE_TIMING) != 0) {
      return CUDA_ERROR_INVALID_HANDLE;
    }
    if (start->capture || end->capture) return CUDA_ERROR_CAPTURED_EVENT;
    if (!start->marker || !end->marker) return CUDA_ERROR_INVALID_HANDLE;
    if (!start->marker->done || !end->marker->done) return CUDA_ERROR_NOT_READY;
    *milliseconds =
        std::chrono::duration<float, std::milli>(end->marker->time - start->marker->time).count();
    return CUDA_SUCCESS;
  });
}

}  // namespace
}  // namespace ptxmill::emu::driver

namespace ptxmill::emu::api {

using namespace driver;

CUresult cuEventCreate(CUevent* event, unsigned flags) {
  return enter(Call::cuEventCreate, Needs::context, [&](Session& s) -> CUresult {
    constexpr unsigned known =
        CU_EVENT_BLOCKING_SYNC | CU_EVENT_DISABLE_TIMING | CU_EVENT_INTERPROCESS;
    const bool untimed = (flags & CU_EVENT_DISABLE_TIMING) != 0;
    if (event == nullptr || (flags & ~known) != 0 ||
        ((flags & CU_EVENT_INTERPROCESS) != 0 && !untimed)) {
      return CUDA_ERROR_INVALID_VALUE;
    }
    auto made = std::make_shared<Event>();
    made->context = s.context;
    made->flags = flags;
    *event = s.driver.events.add(made);
    return CUDA_SUCCESS;
  });
}

CUresult cuEventDestroy_v2(CUevent event) {
  return enter(Call::cuEventDestroy_v2, Needs::live, [&](Session& s) {
    return s.driver.events.erase(event) ? CUDA_SUCCESS : CUDA_ERROR_INVALID_HANDLE;
  });
}

CUresult cuEventRecord(CUevent event, CUstream stream) {
  return record(Call::cuEventRecord, event, stream, CU_EVENT_RECORD_DEFAULT);
}

CUresult cuEventRecordWithFlags(CUevent event, CUstream stream, unsigned flags) {
  return record(Call::cuEventRecordWithFlags, event, stream, flags);
}

CUresult cuStreamWaitEvent(CUstream stream, CUevent event, unsigned flags) {
  return enter(Call::cuStreamWaitEvent, Needs::live,
               [&](Session& s) { return stream_wait(s, stream, event, flags); });
}

CUresult cuEventQuery(CUevent handle) {
  return enter(Call::cuEventQuery, Needs::live, [&](Session& s) -> CUresult {
    std::shared_ptr<Event> event;
    if (const CUresult code = resolve_for_host(s, handle, &event); code != CUDA_SUCCESS)
      return code;
    if (!event->marker) return CUDA_SUCCESS;
    if (!event->marker->done) return CUDA_ERROR_NOT_READY;
    s.driver.ordering.host_waited(event->marker->moment);
    return CUDA_SUCCESS;
  });
}

CUresult cuEventSynchronize(CUevent handle) {
  return enter(Call::cuEventSynchronize, Needs::live, [&](Session& s) -> CUresult {
    std::shared_ptr<Event> event;
    if (const CUresult code = resolve_for_host(s, handle, &event); code != CUDA_SUCCESS)
      return code;
    const auto marker = event->marker;
    if (!marker) return CUDA_SUCCESS;
    const CUresult code = s.driver.wait(s.lock, [&] { return marker->done; });
    if (code == CUDA_SUCCESS) s.driver.ordering.host_waited(marker->moment);
    return code;
  });
}

CUresult cuEventElapsedTime(float* milliseconds, CUevent start, CUevent end) {
  return elapsed_time(Call::cuEventElapsedTime, milliseconds, start, end);
}

CUresult cuEventElapsedTime_v2(float* milliseconds, CUevent start, CUevent end) {
  return elapsed_time(Call::cuEventElapsedTime_v2, milliseconds, start, end);
}

}  // namespace ptxmill::emu::api
