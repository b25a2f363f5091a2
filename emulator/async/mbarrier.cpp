#include "emulator/async/mbarrier.hpp"

namespace ptxmill::emu {
namespace {

bool in_range(std::int64_t bytes) {
  return bytes >= -std::int64_t{Mbarrier::most} && bytes <= Mbarrier::most;
}

}  // namespace

MbarrierMisuse Mbarrier::start(std::uint32_t count) {
  if (count == 0 || count > most) return MbarrierMisuse::count_range;
  phase_ = 0;
  expected_ = pending_ = count;
  bytes_ = 0;
  return MbarrierMisuse::none;
}

MbarrierMisuse Mbarrier::expect(std::uint32_t bytes) {
  if (bytes > most || !in_range(bytes_ + bytes)) return MbarrierMisuse::bytes_overflow;
  bytes_ += bytes;
  return MbarrierMisuse::none;
}

MbarrierMisuse Mbarrier::complete(std::uint64_t bytes) {
  if (bytes > most || !in_range(bytes_ - static_cast<std::int64_t>(bytes)))
    return MbarrierMisuse::bytes_overflow;
  bytes_ -= static_cast<std::int64_t>(bytes);
  return MbarrierMisuse::none;
}

MbarrierMisuse Mbarrier::arrive(std::uint32_t count, bool drops, bool may_complete) {
  if (count == 0 || count > most) return MbarrierMisuse::count_range;
  if (count > pending_) return MbarrierMisuse::too_many;
  if (!may_complete && count == pending_ && bytes_ == 0) return MbarrierMisuse::completes;
  pending_ -= count;
  if (drops) expected_ -= count;
  return MbarrierMisuse::none;
}

MbarrierMisuse Mbarrier::await_one() {
  if (pending_ == most) return MbarrierMisuse::too_many;
  ++pending_;
  return MbarrierMisuse::none;
}

bool Mbarrier::advance() {
  if (pending_ != 0 || bytes_ != 0) return false;
  ++phase_;
  pending_ = expected_;
  return true;
}

}  // namespace ptxmill::emu
