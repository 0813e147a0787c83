# Sourced by the scripts that measure levain and PyTorch alternately: arguments, `measure` and `best`. Their usage text is
# their lines 2 to 8.
[ $# -ge 1 ] || { sed -n '2,8s/^# \{0,1\}//p' "$0" >&2; exit 2; }
cd "$(dirname "$0")"
python=$(realpath -s "$1")/bin/python
levain=$(realpath "${2:-../../target/release/levain}")
[ -x "$python" ] || { echo "$1 has no bin/python" >&2; exit 2; }
[ -x "$levain" ] || { echo "$levain is not there: cargo build --release" >&2; exit 2; }
rounds=${ROUNDS:-3}
results=$(mktemp)
trap 'rm -f "$results"' EXIT

# name of the row, name of the peer, then the command, whose last output line is JSON
measure() {
  local row=$1 peer=$2 line
  shift 2
  echo "  $row: $peer" >&2
  if line=$("$@" 2>/dev/null | tail -n 1) && [ "${line:0:1}" = "{" ]; then
    echo "{\"row\": \"$row\", \"as\": \"$peer\", \"out\": $line}" >> "$results"
  else
    echo "  $row: $peer gave nothing" >&2
  fi
}

best() {
  env MALLOC_MMAP_MAX_=0 MALLOC_TRIM_THRESHOLD_=8000000000 MALLOC_TOP_PAD_=268435456 "$@"
}
