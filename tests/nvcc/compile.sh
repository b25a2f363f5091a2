#!/bin/sh
# Regenerates ptx/ from the .cu files beside this script. Needs nvcc 13; the tests need only ptx/.
set -eu
cd "$(dirname "$0")"
nvcc=${NVCC:-nvcc}

compile() {  # source output options...
  source=$1 output=$2
  shift 2
  "$nvcc" -arch=sm_80 -ptx "$@" "$source.cu" -o "ptx/$output.ptx"
  if grep -nE '\.(file|loc)[[:space:]]|/(home|root|usr|tmp)/' "ptx/$output.ptx"; then
    echo "ptx/$output.ptx names files" >&2
    exit 1
  fi
}

for source in integers floats halves warps shared atomics calls memory numerics machine; do
  compile "$source" "$source" -O3
done
# As a debugger wants it: nothing inlined, everything in local memory.
for source in shared calls memory; do
  compile "$source" "${source}_unoptimised" -O0 -Xcicc -O0
done
compile fast fast -O3 -use_fast_math
