// Device memory, plain and stream-ordered, and page-locked host memory.
#include "emulator/driver/capture.hpp"
#include "emulator/driver/streams.hpp"

namespace ptxmill::emu::driver {
namespace {

using namespace api;

/// Releases an allocation in stream order.
class Free final : public Operation {
 public:
  Free(DeviceAddress base, std::size_t bytes) : base_(base), bytes_(bytes) {}
  std::string name() const override { return "cuMemFreeAsync"; }
  CUresult run(Driver& driver, Lock&) const override {
    const CUresult code = driver.touch(*this, base_, bytes_, AccessKind::free);
    driver.ledger->release(base_);
    return code;
  }

 private:
  DeviceAddress base_;
  std::size_t bytes_;
};

/// Where an allocation stands in the order of its stream; the memory is there already.
class Allocate final : public Operation {
 public:
  Allocate(DeviceAddress base, std::size_t bytes) : base_(base), bytes_(bytes) {}
  std::string name() const override { return "cuMemAllocAsync"; }
  CUresult run(Driver& driver, Lock&) const override {
    return driver.touch(*this, base_, bytes_, AccessKind::allocate);
  }

 private:
  DeviceAddress base_;
  std::size_t bytes_;
};

/// The block that starts at `pointer` and that the caller may free.
Block* freeable(Driver& driver, CUdeviceptr pointer) {
  const Place place = driver.ledger->locate(pointer, 1);
  const bool ok = place.block != nullptr && place.block->base == pointer &&
                  !place.block->free_queued &&
                  (place.block->kind == BlockKind::device || place.block->kind == BlockKind::pool);
  return ok ? place.block : nullptr;
}

CUresult wait_until_idle(Session& s) {
  const CUresult code = s.driver.wait_for_streams(s.lock, [](const Stream&) { return true; });
  if (code == CUDA_SUCCESS) s.driver.host_waited_for(nullptr);
  return code;
}

CUresult allocate_device(Session& s, CUdeviceptr* pointer, std::size_t bytes) {
  if (const CUresult code = refuse_unsafe_call(s.driver); code != CUDA_SUCCESS) return code;
  if (pointer == nullptr || bytes == 0) return CUDA_ERROR_INVALID_VALUE;
  const Block* block = s.driver.ledger->allocate(BlockKind::device, bytes, s.context->handle);
  if (block == nullptr) return CUDA_ERROR_OUT_OF_MEMORY;
  *pointer = block->base;
  return CUDA_SUCCESS;
}

CUresult free_device(Session& s, CUdeviceptr pointer) {
  if (const CUresult code = refuse_unsafe_call(s.driver); code != CUDA_SUCCESS) return code;
  if (pointer == 0) return CUDA_SUCCESS;
  if (freeable(s.driver, pointer) == nullptr) return CUDA_ERROR_INVALID_VALUE;
  if (const CUresult code = wait_until_idle(s); code != CUDA_SUCCESS) return code;
  if (freeable(s.driver, pointer) == nullptr) return CUDA_ERROR_INVALID_VALUE;  // freed meanwhile
  s.driver.ledger->release(pointer);
  return CUDA_SUCCESS;
}

/// The stream of a stream-ordered allocation. Allocation nodes of graphs are not supported: such a
/// call is refused in a capturing stream.
CUresult resolve_for_pool(Session& s, CUstream handle, std::shared_ptr<Stream>* stream) {
  if (const CUresult code = resolve_stream(s, handle, stream); code != CUDA_SUCCESS) return code;
  if (invalidate_conflicting_captures(s.driver, **stream)) {
    return CUDA_ERROR_STREAM_CAPTURE_IMPLICIT;
  }
  if (const auto& capture = (*stream)->capture) {
    capture->invalidated = true;
    return CUDA_ERROR_STREAM_CAPTURE_UNSUPPORTED;
  }
  return refuse_unsafe_call(s.driver);
}

CUresult allocate_ordered(Session& s, CUdeviceptr* pointer, std::size_t bytes, CUstream handle) {
  std::shared_ptr<Stream> stream;
  if (const CUresult code = resolve_for_pool(s, handle, &stream); code != CUDA_SUCCESS) return code;
  if (pointer == nullptr) return CUDA_ERROR_INVALID_VALUE;
  *pointer = 0;
  if (bytes == 0) return CUDA_SUCCESS;
  const Block* block = s.driver.ledger->allocate(BlockKind::pool, bytes, stream->context->handle);
  if (block == nullptr) return CUDA_ERROR_OUT_OF_MEMORY;
  *pointer = block->base;
  s.driver.submit(s.lock, stream, {std::make_shared<Allocate>(block->base, bytes)});
  return CUDA_SUCCESS;
}

CUresult free_ordered(Session& s, CUdeviceptr pointer, CUstream handle) {
  std::shared_ptr<Stream> stream;
  if (const CUresult code = resolve_for_pool(s, handle, &stream); code != CUDA_SUCCESS) return code;
  if (pointer == 0) return CUDA_SUCCESS;
  Block* block = freeable(s.driver, pointer);
  if (block == nullptr) return CUDA_ERROR_INVALID_VALUE;
  block->free_queued = true;
  s.driver.submit(s.lock, stream, {std::make_shared<Free>(block->base, block->bytes)});
  return CUDA_SUCCESS;
}

CUresult allocate_host(Call call, void** pointer, std::size_t bytes, unsigned flags) {
  return enter(call, Needs::context, [&](Session& s) -> CUresult {
    constexpr unsigned known =
        host_alloc_portable | host_alloc_device_map | host_alloc_write_combined;
    if (const CUresult code = refuse_unsafe_call(s.driver); code != CUDA_SUCCESS) return code;
    if (pointer == nullptr || (flags & ~known) != 0) return CUDA_ERROR_INVALID_VALUE;
    *pointer = nullptr;
    if (bytes == 0) return CUDA_SUCCESS;
    Block* block = s.driver.ledger->allocate(BlockKind::host, bytes, s.context->handle);
    if (block == nullptr) return CUDA_ERROR_OUT_OF_MEMORY;
    block->host_flags = flags;
    *pointer = block->host;
    return CUDA_SUCCESS;
  });
}

CUresult free_host(Session& s, void* pointer) {
  if (const CUresult code = refuse_unsafe_call(s.driver); code != CUDA_SUCCESS) return code;
  if (pointer == nullptr) return CUDA_SUCCESS;
  const auto is_base = [&](const Place& p) {
    return p.block != nullptr && p.block->base == p.address;
  };
  if (!is_base(s.driver.ledger->locate_host(pointer, 1))) return CUDA_ERROR_INVALID_VALUE;
  if (const CUresult code = wait_until_idle(s); code != CUDA_SUCCESS) return code;
  const Place place = s.driver.ledger->locate_host(pointer, 1);  // another thread may have freed it
  if (!is_base(place)) return CUDA_ERROR_INVALID_VALUE;
  s.driver.ledger->release(place.block->base);
  return CUDA_SUCCESS;
}

}  // namespace

}  // namespace ptxmill::emu::driver

namespace ptxmill::emu::api {

using namespace driver;

CUresult cuMemGetInfo_v2(std::size_t* free, std::size_t* total) {
  return enter(Call::cuMemGetInfo_v2, Needs::context, [&](Session& s) -> CUresult {
    if (free != nullptr) *free = s.driver.ledger->free_bytes();
    if (total != nullptr) *total = s.driver.ledger->capacity();
    return CUDA_SUCCESS;
  });
}

CUresult cuMemAlloc_v2(CUdeviceptr* pointer, std::size_t bytes) {
  return enter(Call::cuMemAlloc_v2, Needs::context,
               [&](Session& s) { return allocate_device(s, pointer, bytes); });
}

CUresult cuMemFree_v2(CUdeviceptr pointer) {
  return enter(Call::cuMemFree_v2, Needs::live,
               [&](Session& s) { return free_device(s, pointer); });
}

CUresult cuMemAllocAsync(CUdeviceptr* pointer, std::size_t bytes, CUstream stream) {
  return enter(Call::cuMemAllocAsync, Needs::live,
               [&](Session& s) { return allocate_ordered(s, pointer, bytes, stream); });
}

CUresult cuMemFreeAsync(CUdeviceptr pointer, CUstream stream) {
  return enter(Call::cuMemFreeAsync, Needs::live,
               [&](Session& s) { return free_ordered(s, pointer, stream); });
}

CUresult cuMemAllocHost_v2(void** pointer, std::size_t bytes) {
  return allocate_host(Call::cuMemAllocHost_v2, pointer, bytes, 0);
}

CUresult cuMemHostAlloc(void** pointer, std::size_t bytes, unsigned flags) {
  return allocate_host(Call::cuMemHostAlloc, pointer, bytes, flags);
}

CUresult cuMemFreeHost(void* pointer) {
  return enter(Call::cuMemFreeHost, Needs::live, [&](Session& s) { return free_host(s, pointer); });
}

}  // namespace ptxmill::emu::api
