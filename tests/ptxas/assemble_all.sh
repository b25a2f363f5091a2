#!/usr/bin/env bash
# assemble_all.sh DIR: every PTX file below DIR is accepted by ptxas for the target that it names, without a
# warning, without spills or local memory, and without the notes C75xx with which ptxas reports that it had to
# serialise asynchronous matrix instructions. Exit 77, which CTest counts as skipped, where there is no ptxas.
set -euo pipefail

directory=$1
ptxas=$(command -v ptxas || { [[ -x /usr/local/cuda/bin/ptxas ]] && echo /usr/local/cuda/bin/ptxas; } || true)
if [[ -z $ptxas ]]; then
  echo "SKIPPED: no ptxas on this machine; $(find "$directory" -name '*.ptx' | wc -l) files were not assembled"
  exit 77
fi

assemble() { # FILE: prints what is wrong with it
  local file=$1 target log
  target=$(sed -n 's/^\.target[ \t]*\([a-z0-9_]*\).*/\1/p' "$file" | head -n 1)
  if ! log=$("$ptxas" "-arch=$target" -v -warn-spills -warn-lmem-usage -Werror -o /dev/null "$file" 2>&1); then
    printf '%s: refused for %s:\n%s\n' "$file" "$target" "$log"
    return 1
  fi
  if grep -E '\(C75[0-9]+\)|[1-9][0-9]* bytes (stack frame|spill stores|spill loads|lmem)' <<<"$log"; then
    printf '%s: assembled for %s, but see above\n' "$file" "$target"
    return 1
  fi
}
export ptxas
export -f assemble

count=$(find "$directory" -name '*.ptx' | wc -l)
if ((count == 0)); then
  echo "no PTX files below $directory"
  exit 1
fi
"$ptxas" --version | tail -n 2
find "$directory" -name '*.ptx' -print0 | sort -z | xargs -0 -P "$(nproc)" -I{} bash -c 'assemble "$1"' _ {}
echo "$count files assembled"
