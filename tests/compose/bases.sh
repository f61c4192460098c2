# Sourced by run.sh: base images made here, where no registry of images can be reached.
#
# One debootstrap of Debian 12 becomes four images. What gateway and worker run on has no shell: glibc, libgcc,
# root certificates and nothing else, as distroless has. nats-server and Valkey are those of .tools.

bases_make() {
    stamp=$( (cat "$here/bases.sh"; rustc --version; sha256sum "$root"/.tools/stamp) | sha256sum | cut -c1-16)
    if [ "$("$docker" image inspect --format '{{index .Config.Labels "stamp"}}' proof/redis 2>/dev/null)" = "$stamp" ]; then
        say "base images" "of an earlier run"
        return
    fi
    tree="$out/debian"
    if ! [ -f "$tree.done" ]; then
        rm -rf "$tree" && mkdir -p "$tree"
        debootstrap --variant=minbase --include=ca-certificates,busybox,redis-tools,gcc,libc6-dev,make \
            bookworm "$tree" http://deb.debian.org/debian >"$out/debootstrap.log" 2>&1 ||
            cannot "debootstrap fails: $(tail -n1 "$out/debootstrap.log")"
        rm -rf "$tree"/var/cache/apt/* "$tree"/var/lib/apt/lists/* "$tree"/usr/share/doc/* "$tree"/usr/share/man/*
        touch "$tree.done"
    fi
    # Whom this machine believes, the builds in it believe too.
    cp /etc/ssl/certs/ca-certificates.crt "$tree/etc/ssl/certs/ca-certificates.crt"

    # What programs of Rust are linked to, at run time.
    libraries=$(cd "$tree" && ls -d lib lib64 usr/lib64 usr/lib/x86_64-linux-gnu/libc.so.6 usr/lib/x86_64-linux-gnu/libm.so.6 \
        usr/lib/x86_64-linux-gnu/libgcc_s.so.1 usr/lib/x86_64-linux-gnu/ld-linux-x86-64.so.2 \
        usr/lib/x86_64-linux-gnu/libnss_dns.so.2 usr/lib/x86_64-linux-gnu/libnss_files.so.2 usr/lib/x86_64-linux-gnu/libresolv.so.2 \
        etc/ssl/certs/ca-certificates.crt etc/nsswitch.conf 2>/dev/null || true)
    # shellcheck disable=SC2086
    tar -C "$tree" -c $libraries | "$docker" import - proof/run >/dev/null

    sysroot=$(cd "$root" && rustc --print sysroot)
    registry=${CARGO_HOME:-$HOME/.cargo}/registry
    context="$out/build-base"
    mkdir -p "$context"
    tar -C "$tree" -c . | "$docker" import - proof/debian >/dev/null
    tar -C "$sysroot" -c bin lib | "$docker" import - proof/rust >/dev/null
    # Crates that this machine has are not fetched again; others are, through the network of the machine.
    { cd "$registry" && tar -c index cache; } | "$docker" import - proof/crates >/dev/null
    printf '%s\n' 'FROM proof/debian' 'COPY --from=proof/rust / /usr/local/' 'COPY --from=proof/crates / /usr/local/cargo/registry/' \
        'ENV CARGO_HOME=/usr/local/cargo' >"$context/Dockerfile"
    "$docker" build -q -t proof/build "$context" >/dev/null

    context="$out/servers"
    mkdir -p "$context"
    cp -L "$root/.tools/bin/nats-server" "$root/.tools/bin/redis-server" "$context/"
    printf '%s\n' 'FROM proof/debian' 'COPY nats-server /usr/local/bin/' 'RUN ln -s busybox /bin/wget' >"$context/nats"
    printf '%s\n' 'FROM proof/debian' 'COPY redis-server /usr/local/bin/' "LABEL stamp=$stamp" >"$context/redis"
    "$docker" build -q -t proof/nats -f "$context/nats" "$context" >/dev/null
    "$docker" build -q -t proof/redis -f "$context/redis" "$context" >/dev/null
    say "base images" "Debian 12 by debootstrap; without a shell: $(megabytes proof/run); nats-server and Valkey of .tools"
}
