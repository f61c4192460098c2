#!/bin/sh
# Makes the corpus of both targets from the tables of the tests.
set -eu
cd "$(dirname "$0")"
mkdir -p corpus/parse corpus/fill
awk '
    FNR == 1 { reading = 0 }
    /^## / { if (reading) close(file); count += 1; reading = 1; file = sprintf("corpus/parse/%03d", count); fill = sprintf("corpus/fill/%03d", count); printf "" > file; printf "" > fill; next }
    /^-->$/ { reading = 0; printf "%c{\"a\": \"x\"}", 0 >> fill; close(file); close(fill); next }
    reading { print >> file; print >> fill }
' ../tests/table/valid.txt ../tests/table/invalid.txt
ls corpus/parse | wc -l
