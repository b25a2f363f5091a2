// Modules and functions: images, compiler logs, attributes, occupancy.
#include <cstring>

#include "tests/emulator/driver_session.hpp"

namespace ptxmill::emu::driver_test {
namespace {

constexpr const char* broken_ptx =
    ".version 7.0\n.target sm_80\n.address_size 64\n"
    ".visible .entry k() { .reg .b32 %r<2>; add.u33 %r1, %r1, %r1; ret; }\n";

std::string module_for(const char* version, const char* target) {
  return std::string(".version ") + version + "\n.target " + target +
         "\n.address_size 64\n.visible .entry k() { ret; }\n";
}

/// Option values are passed in place of pointers.
void* as_value(std::size_t n) { return reinterpret_cast<void*>(n); }

CUresult load(const char* image) {
  CUmodule module = nullptr;
  const CUresult code = cuModuleLoadData(&module, image);
  CHECK((module != nullptr) == (code == CUDA_SUCCESS));
  return code;
}

}  // namespace

TEST_CASE("what is no loadable PTX is refused by kind") {
  const Session session;
  CUmodule module = nullptr;
  CHECK_CODE(cuModuleLoadData(&module, nullptr), CUDA_ERROR_INVALID_VALUE);
  CHECK_CODE(cuModuleLoadData(nullptr, kernels_ptx), CUDA_ERROR_INVALID_VALUE);
  CHECK_CODE(load(""), CUDA_ERROR_INVALID_IMAGE);
  CHECK_CODE(load("// only a comment\n"), CUDA_ERROR_INVALID_IMAGE);
  CHECK_CODE(load("hello world"), CUDA_ERROR_INVALID_IMAGE);
  CHECK_CODE(load(".target sm_80\n"), CUDA_ERROR_INVALID_IMAGE);
  CHECK_CODE(load("\x7f"
                  "ELF\2\1\1"),
             CUDA_ERROR_NO_BINARY_FOR_GPU);
  CHECK_CODE(load("\x50\xed\x55\xba\1"), CUDA_ERROR_NO_BINARY_FOR_GPU);
  CHECK_CODE(load(broken_ptx), CUDA_ERROR_INVALID_PTX);
  CHECK_CODE(load(module_for("99.0", "sm_80").c_str()), CUDA_ERROR_UNSUPPORTED_PTX_VERSION);
  CHECK_CODE(load(module_for("8.7", "sm_100").c_str()), CUDA_ERROR_INVALID_PTX);
  CHECK_OK(load(module_for("8.0", "sm_90a").c_str()));
  CHECK_OK(load(("/* first */ // and\n" + module_for("7.0", "sm_80")).c_str()));
}

TEST_CASE("an older driver refuses newer PTX") {
  const Session session({{"PTXMILL_EMU_DRIVER_VERSION", "11000"}});
  CHECK_OK(load(module_for("7.0", "sm_80").c_str()));
  CHECK_CODE(load(module_for("8.0", "sm_80").c_str()), CUDA_ERROR_UNSUPPORTED_PTX_VERSION);
}

TEST_CASE("the compiler's log fills the caller's buffer") {
  const Session session;
  char error[4096], info[256];
  CUjit_option options[] = {CU_JIT_ERROR_LOG_BUFFER, CU_JIT_ERROR_LOG_BUFFER_SIZE_BYTES,
                            CU_JIT_INFO_LOG_BUFFER_SIZE_BYTES, CU_JIT_INFO_LOG_BUFFER};
  CUmodule module = nullptr;
  const auto load_with_room = [&](const char* image, std::size_t room, std::size_t* written) {
    std::memset(error, '#', sizeof(error));
    std::memset(info, '#', sizeof(info));
    void* values[] = {error, as_value(room), as_value(sizeof(info)), info};
    const CUresult code = cuModuleLoadDataEx(&module, image, 4, options, values);
    *written = reinterpret_cast<std::size_t>(values[1]);
    CHECK(values[2] == nullptr);
    CHECK(info[0] == '\0');
    return code;
  };
  std::size_t written = 0;
  CHECK_CODE(load_with_room(broken_ptx, sizeof(error), &written), CUDA_ERROR_INVALID_PTX);
  const std::string full = error;
  CHECK(full.find("line 4") != std::string::npos);
  CHECK(full.find("error") != std::string::npos);
  CHECK(written == full.size() + 1);
  CHECK_CODE(load_with_room(broken_ptx, 20, &written), CUDA_ERROR_INVALID_PTX);
  CHECK(written == 20);
  CHECK(std::string(error) == full.substr(0, 19));
  CHECK(error[20] == '#');
  CHECK_CODE(load_with_room(broken_ptx, 0, &written), CUDA_ERROR_INVALID_PTX);
  CHECK(error[0] == '#');
  CHECK_OK(load_with_room(kernels_ptx, sizeof(error), &written));
  CHECK(written == 0);
  CHECK(error[0] == '\0');
}

TEST_CASE("options are checked, and the harmless ones accepted") {
  const Session session;
  CUmodule module = nullptr;
  CHECK_CODE(cuModuleLoadDataEx(&module, kernels_ptx, 1, nullptr, nullptr),
             CUDA_ERROR_INVALID_VALUE);
  CUjit_option unknown[] = {static_cast<CUjit_option>(999)};
  void* values[] = {nullptr, as_value(64), as_value(4), nullptr};
  CHECK_CODE(cuModuleLoadDataEx(&module, kernels_ptx, 1, unknown, values),
             CUDA_ERROR_INVALID_VALUE);
  CUjit_option lone_buffer[] = {CU_JIT_ERROR_LOG_BUFFER};
  char buffer[16];
  void* lone_value[] = {buffer};
  CHECK_CODE(cuModuleLoadDataEx(&module, kernels_ptx, 1, lone_buffer, lone_value),
             CUDA_ERROR_INVALID_VALUE);
  CUjit_option accepted[] = {CU_JIT_WALL_TIME, CU_JIT_MAX_REGISTERS, CU_JIT_OPTIMIZATION_LEVEL,
                             CU_JIT_TARGET_FROM_CUCONTEXT};
  CHECK_OK(cuModuleLoadDataEx(&module, kernels_ptx, 4, accepted, values));
  float milliseconds = 0;
  std::memcpy(&milliseconds, &values[0], sizeof(milliseconds));
  CHECK(milliseconds > 0);

  CUjit_option verbose[] = {CU_JIT_LOG_VERBOSE, CU_JIT_INFO_LOG_BUFFER,
                            CU_JIT_INFO_LOG_BUFFER_SIZE_BYTES};
  char info[4096];
  void* verbose_values[] = {as_value(1), info, as_value(sizeof(info))};
  CHECK_OK(cuModuleLoadDataEx(&module, kernels_ptx, 3, verbose, verbose_values));
  CHECK(std::string(info).find("'shared_user'") != std::string::npos);
}

TEST_CASE("functions are found by name, once, and go with their module") {
  Session session;
  const CUfunction poke = session.kernel("poke");
  CHECK(session.kernel("poke") == poke);
  CUfunction function = nullptr;
  CUmodule owner = nullptr;
  const char* name = nullptr;
  CHECK_CODE(cuModuleGetFunction(&function, session.module, "nope"), CUDA_ERROR_NOT_FOUND);
  CHECK_CODE(cuModuleGetFunction(&function, session.module, ""), CUDA_ERROR_INVALID_VALUE);
  CHECK_CODE(cuModuleGetFunction(&function, session.module, nullptr), CUDA_ERROR_INVALID_VALUE);
  CHECK_CODE(cuModuleGetFunction(nullptr, session.module, "poke"), CUDA_ERROR_INVALID_VALUE);
  CHECK_CODE(cuModuleGetFunction(&function, nullptr, "poke"), CUDA_ERROR_INVALID_HANDLE);
  CHECK_OK(cuFuncGetModule(&owner, poke));
  CHECK(owner == session.module);
  CHECK_OK(cuFuncGetName(&name, poke));
  CHECK(std::string(name) == "poke");
  CHECK_OK(cuModuleUnload(session.module));
  CHECK_CODE(cuModuleUnload(session.module), CUDA_ERROR_INVALID_HANDLE);
  CHECK_CODE(cuModuleGetFunction(&function, session.module, "poke"), CUDA_ERROR_INVALID_HANDLE);
  CHECK_CODE(launch_one(poke, nullptr, CUdeviceptr{0}, 1u), CUDA_ERROR_INVALID_HANDLE);
}

TEST_CASE("module variables have an address and are freed with the module") {
  const Session session;
  CUmodule module = nullptr;
  const std::string text =
      ".version 7.0\n.target sm_80\n.address_size 64\n"
      ".visible .global .align 4 .b32 table[4];\n"
      ".visible .entry k() { ret; }\n";
  const std::size_t before = free_memory();
  REQUIRE_OK(cuModuleLoadData(&module, text.c_str()));
  CUdeviceptr pointer = 0;
  std::size_t bytes = 0;
  CHECK_OK(cuModuleGetGlobal_v2(&pointer, &bytes, module, "table"));
  CHECK(bytes == 16);
  CHECK(free_memory() == before - 16);
  CHECK_OK(cuMemsetD32_v2(pointer, 3, 4));
  CHECK(read_word(pointer + 12) == 3);
  CHECK_CODE(cuMemFree_v2(pointer), CUDA_ERROR_INVALID_VALUE);
  CHECK_CODE(cuModuleGetGlobal_v2(&pointer, &bytes, module, "nope"), CUDA_ERROR_NOT_FOUND);
  CHECK_CODE(cuModuleGetGlobal_v2(&pointer, &bytes, module, nullptr), CUDA_ERROR_INVALID_VALUE);
  CHECK_CODE(cuModuleGetGlobal_v2(nullptr, nullptr, module, "table"), CUDA_ERROR_INVALID_VALUE);
  CHECK_OK(cuModuleUnload(module));
  CHECK(free_memory() == before);
  CHECK_CODE(cuMemsetD32_v2(pointer, 3, 4), CUDA_ERROR_INVALID_VALUE);
}

TEST_CASE("function attributes") {
  Session session;
  const CUfunction poke = session.kernel("poke");
  const CUfunction shared_user = session.kernel("shared_user");
  const auto get = [](CUfunction function, CUfunction_attribute attribute) {
    int value = -77;
    CHECK_OK(cuFuncGetAttribute(&value, attribute, function));
    return value;
  };
  CHECK(get(poke, CU_FUNC_ATTRIBUTE_MAX_THREADS_PER_BLOCK) == 1024);
  CHECK(get(session.kernel("narrow"), CU_FUNC_ATTRIBUTE_MAX_THREADS_PER_BLOCK) == 128);
  CHECK(get(shared_user, CU_FUNC_ATTRIBUTE_SHARED_SIZE_BYTES) == 1000);
  CHECK(get(poke, CU_FUNC_ATTRIBUTE_PTX_VERSION) == 80);
  CHECK(get(poke, CU_FUNC_ATTRIBUTE_BINARY_VERSION) == 90);
  CHECK(get(poke, CU_FUNC_ATTRIBUTE_NUM_REGS) > 0);
  constexpr auto dynamic = CU_FUNC_ATTRIBUTE_MAX_DYNAMIC_SHARED_SIZE_BYTES;
  CHECK(get(poke, dynamic) == 49152);
  CHECK(get(shared_user, dynamic) == 48152);
  CHECK_CODE(cuFuncSetAttribute(poke, dynamic, -1), CUDA_ERROR_INVALID_VALUE);
  CHECK_CODE(cuFuncSetAttribute(poke, dynamic, 232449), CUDA_ERROR_INVALID_VALUE);
  CHECK_OK(cuFuncSetAttribute(poke, dynamic, 232448));
  CHECK(get(poke, dynamic) == 232448);
  CHECK_CODE(cuFuncSetAttribute(shared_user, dynamic, 232448), CUDA_ERROR_INVALID_VALUE);
  CHECK_OK(cuFuncSetAttribute(shared_user, dynamic, 232448 - 1000));
  CHECK_CODE(cuFuncSetAttribute(poke, CU_FUNC_ATTRIBUTE_NUM_REGS, 3), CUDA_ERROR_INVALID_VALUE);
  CHECK_CODE(cuFuncSetAttribute(poke, CU_FUNC_ATTRIBUTE_PREFERRED_SHARED_MEMORY_CARVEOUT, 101),
             CUDA_ERROR_INVALID_VALUE);
  CHECK_OK(cuFuncSetAttribute(poke, CU_FUNC_ATTRIBUTE_PREFERRED_SHARED_MEMORY_CARVEOUT, 100));
  int value = 0;
  CHECK_CODE(cuFuncGetAttribute(&value, static_cast<CUfunction_attribute>(99), poke),
             CUDA_ERROR_INVALID_VALUE);
  CHECK_CODE(cuFuncGetAttribute(nullptr, CU_FUNC_ATTRIBUTE_NUM_REGS, poke),
             CUDA_ERROR_INVALID_VALUE);
  CHECK_CODE(cuFuncGetAttribute(&value, CU_FUNC_ATTRIBUTE_NUM_REGS, nullptr),
             CUDA_ERROR_INVALID_HANDLE);
  CHECK_OK(cuFuncSetCacheConfig(poke, CU_FUNC_CACHE_PREFER_L1));
  CHECK_CODE(cuFuncSetCacheConfig(poke, static_cast<CUfunc_cache>(9)), CUDA_ERROR_INVALID_VALUE);

  std::size_t offset = 77, bytes = 77;
  CHECK_OK(cuFuncGetParamInfo(poke, 1, &offset, &bytes));
  CHECK(offset == 8);
  CHECK(bytes == 4);
  CHECK_OK(cuFuncGetParamInfo(poke, 0, &offset, nullptr));
  CHECK_CODE(cuFuncGetParamInfo(poke, 2, &offset, &bytes), CUDA_ERROR_INVALID_VALUE);
  CHECK_CODE(cuFuncGetParamInfo(poke, 0, nullptr, &bytes), CUDA_ERROR_INVALID_VALUE);
}

TEST_CASE("occupancy is bounded by threads, blocks and shared memory") {
  Session session;
  const CUfunction poke = session.kernel("poke");
  const auto blocks = [&](int threads, std::size_t shared) {
    int n = -1;
    CHECK_OK(cuOccupancyMaxActiveBlocksPerMultiprocessor(&n, poke, threads, shared));
    return n;
  };
  CHECK(blocks(128, 50000) == 0);  // beyond what the function opted into
  REQUIRE_OK(cuFuncSetAttribute(poke, CU_FUNC_ATTRIBUTE_MAX_DYNAMIC_SHARED_SIZE_BYTES, 232448));
  // Measured on compute capability 9.0, for a kernel of few registers.
  CHECK(blocks(32, 0) == 32);
  CHECK(blocks(96, 0) == 21);
  CHECK(blocks(100, 0) == 16);
  CHECK(blocks(768, 0) == 2);
  CHECK(blocks(1024, 0) == 2);
  CHECK(blocks(1025, 0) == 0);
  CHECK(blocks(128, 16384) == 13);
  CHECK(blocks(128, 31000) == 7);
  CHECK(blocks(128, 115000) == 2);
  CHECK(blocks(128, 116000) == 1);
  CHECK(blocks(128, 232448) == 1);
  CHECK(blocks(128, 232449) == 0);
  int n = 0;
  CHECK_CODE(cuOccupancyMaxActiveBlocksPerMultiprocessor(&n, poke, 0, 0), CUDA_ERROR_INVALID_VALUE);
  CHECK_CODE(cuOccupancyMaxActiveBlocksPerMultiprocessor(nullptr, poke, 1, 0),
             CUDA_ERROR_INVALID_VALUE);
  CHECK_CODE(cuOccupancyMaxActiveBlocksPerMultiprocessor(&n, nullptr, 1, 0),
             CUDA_ERROR_INVALID_HANDLE);
  CHECK_CODE(cuOccupancyMaxActiveBlocksPerMultiprocessorWithFlags(&n, poke, 1, 0, 9),
             CUDA_ERROR_INVALID_VALUE);
}

}  // namespace ptxmill::emu::driver_test
