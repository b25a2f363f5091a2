#include "tests/reference/layout.hpp"

#include <cstdint>

namespace ptxmill::reference {

template <class T>
std::vector<T> transpose(std::span<const T> x, std::size_t rows, std::size_t cols) {
  std::vector<T> y(rows * cols);
  for (std::size_t row = 0; row < rows; ++row) {
    for (std::size_t col = 0; col < cols; ++col) y[col * rows + row] = x[row * cols + col];
  }
  return y;
}

template <class T>
std::vector<T> split_heads(std::span<const T> x, std::size_t batch, std::size_t seq_len,
                           std::size_t heads, std::size_t head_dim) {
  std::vector<T> y(batch * seq_len * heads * head_dim);
  for (std::size_t b = 0; b < batch; ++b) {
    for (std::size_t t = 0; t < seq_len; ++t) {
      for (std::size_t h = 0; h < heads; ++h) {
        for (std::size_t d = 0; d < head_dim; ++d) {
          y[((b * heads + h) * seq_len + t) * head_dim + d] =
              x[((b * seq_len + t) * heads + h) * head_dim + d];
        }
      }
    }
  }
  return y;
}

template <class T>
std::vector<T> merge_heads(std::span<const T> x, std::size_t batch, std::size_t seq_len,
                           std::size_t heads, std::size_t head_dim) {
  // The same exchange of the two middle extents, read the other way round.
  return split_heads<T>(x, batch, heads, seq_len, head_dim);
}

#define PTXMILL_INSTANTIATE(T)                                                         \
  template std::vector<T> transpose<T>(std::span<const T>, std::size_t, std::size_t);  \
  template std::vector<T> split_heads<T>(std::span<const T>, std::size_t, std::size_t, \
                                         std::size_t, std::size_t);                    \
  template std::vector<T> merge_heads<T>(std::span<const T>, std::size_t, std::size_t, \
                                         std::size_t, std::size_t);
PTXMILL_INSTANTIATE(double)
PTXMILL_INSTANTIATE(float)
PTXMILL_INSTANTIATE(std::uint32_t)
PTXMILL_INSTANTIATE(std::uint16_t)
#undef PTXMILL_INSTANTIATE

}  // namespace ptxmill::reference
