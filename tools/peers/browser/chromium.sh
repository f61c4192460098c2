#!/bin/sh
# Chromium as every test starts it: without a window, a sandbox (a container has none to give) or a word
# to anybody but the pages, and with the libraries and fonts that came with it.
export LD_LIBRARY_PATH="@browser@/lib${LD_LIBRARY_PATH:+:$LD_LIBRARY_PATH}" FONTCONFIG_FILE="@browser@/fonts.conf"
exec "@program@" --headless --no-sandbox --disable-gpu --disable-quic --disable-dev-shm-usage --no-first-run \
    --disable-background-networking --disable-component-update --disable-sync --disable-domain-reliability \
    --font-render-hinting=none "$@"
