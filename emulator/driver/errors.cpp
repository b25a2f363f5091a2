#include "emulator/driver/errors.hpp"

#include <algorithm>

#include "emulator/driver/entry_points.hpp"

namespace ptxmill::emu::driver {
namespace {

struct Row {
  api::CUresult code;
  const char* name;
  const char* text;
};

constexpr Row rows[] = {
#define CU_RESULT(name, number, description) {api::name, #name, description},
#include "emulator/driver/errors.def"
#undef CU_RESULT
};

const Row* find(api::CUresult code) {
  const auto it =
      std::find_if(std::begin(rows), std::end(rows), [&](const Row& r) { return r.code == code; });
  return it == std::end(rows) ? nullptr : it;
}

}  // namespace

const char* result_name(api::CUresult code) {
  const Row* row = find(code);
  return row == nullptr ? nullptr : row->name;
}

const char* result_text(api::CUresult code) {
  const Row* row = find(code);
  return row == nullptr ? nullptr : row->text;
}

std::optional<api::CUresult> result_of(std::string_view name) {
  const auto it =
      std::find_if(std::begin(rows), std::end(rows), [&](const Row& r) { return r.name == name; });
  if (it == std::end(rows)) return std::nullopt;
  return it->code;
}

bool is_sticky(api::CUresult code) {
  switch (code) {
    case api::CUDA_ERROR_ECC_UNCORRECTABLE:
    case api::CUDA_ERROR_ILLEGAL_ADDRESS:
    case api::CUDA_ERROR_LAUNCH_TIMEOUT:
    case api::CUDA_ERROR_ASSERT:
    case api::CUDA_ERROR_HARDWARE_STACK_ERROR:
    case api::CUDA_ERROR_ILLEGAL_INSTRUCTION:
    case api::CUDA_ERROR_MISALIGNED_ADDRESS:
    case api::CUDA_ERROR_INVALID_ADDRESS_SPACE:
    case api::CUDA_ERROR_INVALID_PC:
    case api::CUDA_ERROR_LAUNCH_FAILED: return true;
    default: return false;
  }
}

}  // namespace ptxmill::emu::driver

// The two calls that need neither cuInit nor a device.
namespace ptxmill::emu::api {

CUresult cuGetErrorName(CUresult error, const char** name) {
  if (name == nullptr) return CUDA_ERROR_INVALID_VALUE;
  *name = driver::result_name(error);
  return *name == nullptr ? CUDA_ERROR_INVALID_VALUE : CUDA_SUCCESS;
}

CUresult cuGetErrorString(CUresult error, const char** text) {
  if (text == nullptr) return CUDA_ERROR_INVALID_VALUE;
  *text = driver::result_text(error);
  return *text == nullptr ? CUDA_ERROR_INVALID_VALUE : CUDA_SUCCESS;
}

}  // namespace ptxmill::emu::api
