#include "runtime/error.hpp"

namespace ptxmill::rt {

std::string_view name(ErrorCode code) {
  switch (code) {
    case ErrorCode::invalid_argument: return "invalid_argument";
    case ErrorCode::not_found: return "not_found";
    case ErrorCode::incompatible: return "incompatible";
    case ErrorCode::corrupt: return "corrupt";
    case ErrorCode::out_of_memory: return "out_of_memory";
    case ErrorCode::context_lost: return "context_lost";
    case ErrorCode::timeout: return "timeout";
    case ErrorCode::no_driver: return "no_driver";
    case ErrorCode::driver: return "driver";
  }
  return "unknown";
}

}  // namespace ptxmill::rt
