#pragma once

#include <cstddef>
#include <span>
#include <vector>

namespace ptxmill::reference {

// Copies into another order, exact for any element type.

/// x[rows, cols] -> [cols, rows].
template <class T>
std::vector<T> transpose(std::span<const T> x, std::size_t rows, std::size_t cols);

/// x[batch, seq_len, heads, head_dim] -> [batch, heads, seq_len, head_dim].
template <class T>
std::vector<T> split_heads(std::span<const T> x, std::size_t batch, std::size_t seq_len,
                           std::size_t heads, std::size_t head_dim);

/// x[batch, heads, seq_len, head_dim] -> [batch, seq_len, heads, head_dim].
template <class T>
std::vector<T> merge_heads(std::span<const T> x, std::size_t batch, std::size_t seq_len,
                           std::size_t heads, std::size_t head_dim);

}  // namespace ptxmill::reference
