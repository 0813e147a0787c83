#!/usr/bin/env bash
# Kills levain at every call that changes the disk, in seven kinds of runs, then at 500 random moments, and interrupts it 200
# times: each run is resumed, and has to produce the same files, without leftovers. Takes some minutes:
#
#   tests/kills.sh
#   LEVAIN_TEST_BINARY=/some/levain tests/kills.sh     a binary other than the build
#
# Exits with 1 if a run is stuck, leaves files behind or produces other bytes.
set -eu
cd "$(dirname "$0")/.."
LEVAIN_TEST_KILLS=all exec cargo test --release --test suite -- --nocapture --test-threads 2 kills::
