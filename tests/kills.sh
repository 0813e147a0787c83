#!/usr/bin/env bash
# Kills levain at every call that changes the disk, in seven kinds of runs, then at 500 random moments, and interrupts it 200
# times: each is resumed, and has to come to the same files, without litter. Takes some minutes:
#
#   tests/kills.sh
#   LEVAIN_TEST_BINARY=/some/levain tests/kills.sh     another binary than the one that is built
#
# Exits with 1 where one run is stuck, leaves litter or comes to other bytes.
set -eu
cd "$(dirname "$0")/.."
LEVAIN_TEST_KILLS=all exec cargo test --release --test suite -- --nocapture --test-threads 2 kills::
