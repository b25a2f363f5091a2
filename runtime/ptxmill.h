/* The C interface of the ptxmill runtime, for other languages and for programs that share a process
 * with another user of the GPU.
 *
 * Every function that can fail returns a ptxmill_status; no exception crosses this interface. After
 * a failure, ptxmill_last_error() tells what went wrong on this thread. Objects are made by
 * functions that store a pointer, and given back with the matching _close, in any order; _close
 * takes NULL.
 */
#ifndef PTXMILL_H
#define PTXMILL_H

#include <stddef.h>
#include <stdint.h>

#if defined(__GNUC__)
#define PTXMILL_API __attribute__((visibility("default")))
#else
#define PTXMILL_API
#endif

#ifdef __cplusplus
extern "C" {
#endif

typedef enum ptxmill_status {
  PTXMILL_OK = 0,
  PTXMILL_INVALID_ARGUMENT = 1,
  PTXMILL_NOT_FOUND = 2,
  PTXMILL_INCOMPATIBLE = 3,
  PTXMILL_CORRUPT = 4,
  PTXMILL_OUT_OF_MEMORY = 5,
  PTXMILL_CONTEXT_LOST = 6,
  PTXMILL_TIMEOUT = 7,
  PTXMILL_NO_DRIVER = 8,
  PTXMILL_DRIVER = 9,
  PTXMILL_INTERNAL = 10
} ptxmill_status;

typedef struct ptxmill_device ptxmill_device;
typedef struct ptxmill_stream ptxmill_stream;
typedef struct ptxmill_tensor ptxmill_tensor;
typedef struct ptxmill_library ptxmill_library;
typedef struct ptxmill_kernel ptxmill_kernel;
typedef struct ptxmill_block ptxmill_block;

/* A dimension of a launch or of a block, by name. */
typedef struct ptxmill_dim {
  const char* name;
  int64_t value;
} ptxmill_dim;

/* A tensor by name, for a block. */
typedef struct ptxmill_named_tensor {
  const char* name;
  const ptxmill_tensor* tensor;
} ptxmill_named_tensor;

typedef enum ptxmill_argument_kind {
  PTXMILL_ARGUMENT_TENSOR = 0, /* `tensor`; NULL for an optional one that is left out */
  PTXMILL_ARGUMENT_REAL = 1,   /* `real` */
  PTXMILL_ARGUMENT_INTEGER = 2 /* `integer` */
} ptxmill_argument_kind;

/* One argument of a launch. */
typedef struct ptxmill_argument {
  int32_t kind; /* a ptxmill_argument_kind */
  const ptxmill_tensor* tensor;
  double real;
  int64_t integer;
} ptxmill_argument;

/* What the runtime did since the process began, or since the last reset. */
typedef struct ptxmill_counters {
  uint64_t transfers_to_device, bytes_to_device;
  uint64_t transfers_to_host, bytes_to_host;
  uint64_t copies_on_device, bytes_on_device;
  uint64_t allocations, frees, bytes_allocated;
  uint64_t launches, graph_launches;
  uint64_t kernel_hits, kernel_misses;
} ptxmill_counters;

/* The words of this thread's last failure; "" where there was none. Valid until the next one. */
PTXMILL_API const char* ptxmill_last_error(void);
/* The version of the runtime, as "0.1.0". */
PTXMILL_API const char* ptxmill_version(void);

/* The primary context of a device, or a context (CUcontext) that the caller has and keeps. */
PTXMILL_API ptxmill_status ptxmill_device_open(int ordinal, ptxmill_device** device);
PTXMILL_API ptxmill_status ptxmill_device_from_context(void* context, ptxmill_device** device);
PTXMILL_API void ptxmill_device_close(ptxmill_device* device);

/* A new stream, or one (CUstream; NULL is the default stream) that the caller has and keeps. */
PTXMILL_API ptxmill_status ptxmill_stream_create(const ptxmill_device* device,
                                                 ptxmill_stream** stream);
PTXMILL_API ptxmill_status ptxmill_stream_wrap(const ptxmill_device* device, void* cuda_stream,
                                               ptxmill_stream** stream);
PTXMILL_API ptxmill_status ptxmill_stream_synchronize(const ptxmill_stream* stream);
PTXMILL_API void ptxmill_stream_close(ptxmill_stream* stream);

/* Contiguous device memory: new, or the caller's, which it keeps as long as the tensor is used.
 * `dtype` is a name as "f32". */
PTXMILL_API ptxmill_status ptxmill_tensor_empty(const ptxmill_stream* stream, const char* dtype,
                                                const int64_t* shape, size_t rank,
                                                ptxmill_tensor** tensor);
PTXMILL_API ptxmill_status ptxmill_tensor_wrap(const ptxmill_device* device, uint64_t pointer,
                                               const char* dtype, const int64_t* shape, size_t rank,
                                               ptxmill_tensor** tensor);
PTXMILL_API uint64_t ptxmill_tensor_pointer(const ptxmill_tensor* tensor);
/* Copies all elements, and waits. `bytes` must be the tensor's. */
PTXMILL_API ptxmill_status ptxmill_tensor_from_host(const ptxmill_stream* stream,
                                                    const ptxmill_tensor* tensor, const void* data,
                                                    size_t bytes);
PTXMILL_API ptxmill_status ptxmill_tensor_to_host(const ptxmill_stream* stream,
                                                  const ptxmill_tensor* tensor, void* data,
                                                  size_t bytes);
PTXMILL_API void ptxmill_tensor_close(ptxmill_tensor* tensor);

/* A directory of generated kernels. */
PTXMILL_API ptxmill_status ptxmill_library_open(const ptxmill_device* device, const char* directory,
                                                ptxmill_library** library);
/* Loads every kernel now; needed before launches are recorded into a graph. */
PTXMILL_API ptxmill_status ptxmill_library_preload(const ptxmill_library* library);
PTXMILL_API void ptxmill_library_close(ptxmill_library* library);

PTXMILL_API ptxmill_status ptxmill_kernel_open(const ptxmill_library* library, const char* name,
                                               ptxmill_kernel** kernel);
/* Puts the kernel on the stream; the arguments are in the order of the kernel's parameters. */
PTXMILL_API ptxmill_status ptxmill_kernel_launch(const ptxmill_kernel* kernel,
                                                 const ptxmill_stream* stream,
                                                 const ptxmill_dim* dims, size_t dim_count,
                                                 const ptxmill_argument* arguments,
                                                 size_t argument_count);
PTXMILL_API void ptxmill_kernel_close(ptxmill_kernel* kernel);

/* A block: packs its weights and takes its workspace once, then runs any number of times. */
PTXMILL_API ptxmill_status ptxmill_block_open(const ptxmill_library* library, const char* name,
                                              ptxmill_block** block);
PTXMILL_API ptxmill_status ptxmill_block_prepare(ptxmill_block* block, const ptxmill_stream* stream,
                                                 const ptxmill_named_tensor* weights,
                                                 size_t weight_count, const ptxmill_dim* max_dims,
                                                 size_t dim_count);
PTXMILL_API ptxmill_status ptxmill_block_forward(ptxmill_block* block, const ptxmill_stream* stream,
                                                 const ptxmill_dim* dims, size_t dim_count,
                                                 const ptxmill_named_tensor* inputs,
                                                 size_t input_count,
                                                 const ptxmill_named_tensor* outputs,
                                                 size_t output_count);
PTXMILL_API void ptxmill_block_close(ptxmill_block* block);

PTXMILL_API void ptxmill_counters_read(ptxmill_counters* counters);
PTXMILL_API void ptxmill_counters_reset(void);

#ifdef __cplusplus
}
#endif

#endif /* PTXMILL_H */
