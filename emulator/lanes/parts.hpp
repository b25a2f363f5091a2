// The functions that make up a HandlerTable, once for each instruction set of the host.
#pragma once

#include "emulator/lanes/handlers.hpp"

namespace ptxmill::emu::PTXMILL_HOST_ISA {

Handler integer(IntegerOp op, isa::Type type);
Handler bit(BitOp op, isa::Type type);
Handler floating(FloatOp op, isa::Type type, FloatMode mode);
Handler half(FloatOp op, isa::Type type, FloatMode mode);
Handler setp(Comparison comparison, isa::Type type, bool ftz);
Handler select(isa::Type type);
Handler test(FloatClass wanted, isa::Type type);
Handler convert(const Conversion& conversion);
Handler convert_pair(isa::Type type, FloatMode mode);
Handler move(Move kind, int bits, int parts);
Handler load(const Access& access);
Handler store(const Access& access);
Handler atomic(AtomicOp op, const Access& access);
Handler copy_source(int bytes);
Handler copy_destination(int bytes);
Handler cvta();
Handler is_space();
Handler shuffle(ShuffleMode mode);
Handler warp(WarpOp op, isa::Type type);
Handler video();
Handler convert_tf32(FloatMode mode);
Handler multiply(const MatrixMultiply& product);
Handler matrix_move(MatrixMove kind, int count, bool transposed);
Handler cluster_move(ClusterMove kind, int bits);
WarpgroupHandler warpgroup_multiply(MatrixElement a, MatrixElement b, MatrixElement d);

const HandlerTable& table();

}  // namespace ptxmill::emu::PTXMILL_HOST_ISA
