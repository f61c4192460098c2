# Sourced by run.sh: what is done to the deployment, and what must be seen then.

steps=0
tag=new

# A check that held.
pass() {
    steps=$((steps + 1))
    say "$1" "$2"
}

megabytes() {
    "$docker" image inspect --format '{{.Size}}' "$1" | awk '{ printf "%.1f MB", $1 / 1000000 }'
}

compose() {
    CUEPOINT_IMAGE_PREFIX=proof/ CUEPOINT_TAG=$tag NATS_IMAGE=proof/nats REDIS_IMAGE=proof/redis CUEPOINT_PORT="127.0.0.1:$port" \
        "$compose" --project-directory "$root" --file "$root/docker-compose.yml" ${environment:+--env-file "$environment"} --project-name "$project" "$@"
}

# The containers of a service that run.
containers() {
    "$docker" ps --quiet --filter "label=com.docker.compose.project=$project" --filter "label=com.docker.compose.service=$1" "${@:2}"
}

state() {
    "$docker" inspect --format "$1" "${@:2}"
}

# Waits until something is so.
eventually() {
    local seconds=$1 what=$2
    shift 2
    for _ in $(seq $((seconds * 4))); do
        if "$@"; then return; fi
        sleep 0.25
    done
    fail "$what: not within $seconds s"
}

is_health() {
    [ "$(state '{{.State.Health.Status}}' "$2" 2>/dev/null)" = "$1" ]
}

are_well() {
    local all well
    all=$(containers "$1" | wc -l)
    well=$(containers "$1" --filter health=healthy | wc -l)
    [ "$all" = "$2" ] && [ "$well" = "$2" ]
}

# ---- images

# Builds the three images of a directory: image_build TAG DIRECTORY COMMIT
image_build() {
    local since
    since=$(date +%s)
    for target in gateway worker cuepoint; do
        DOCKER_BUILDKIT=0 "$docker" build --network host --file "$2/deploy/Dockerfile" --target "$target" --tag "proof/$target:$1" \
            --build-arg BUILD_BASE=proof/build --build-arg RUN_BASE=proof/run --build-arg "REVISION=$3" "$2" >"$out/build-$1-$target.log" 2>&1 ||
            fail "the image $target of $3 is not built: $out/build-$1-$target.log"
    done
    say "images $1" "of $3, in $(($(date +%s) - since)) s"
}

# What is committed: a tree that changes under a build would be built again for each image.
image_new() {
    local tree="$out/new"
    rm -rf "$tree" && mkdir -p "$tree"
    git -C "$root" archive "$new" | tar -x -C "$tree"
    image_build new "$tree" "$new"
}

# The commit to upgrade from, built by the Dockerfile and the profile of today.
image_old() {
    local tree="$out/old"
    rm -rf "$tree" && mkdir -p "$tree"
    git -C "$root" archive "$old" | tar -x -C "$tree"
    mkdir -p "$tree/deploy"
    cp "$root/deploy/Dockerfile" "$tree/deploy/Dockerfile"
    cp "$root/.dockerignore" "$tree/.dockerignore"
    sed -i '/^# What images carry/,$d' "$tree/Cargo.toml"
    sed -n '/^# What images carry/,$p' "$root/Cargo.toml" >>"$tree/Cargo.toml"
    image_build old "$tree" "$old"
}

# A change of our sources builds no dependency again.
image_layers() {
    local before after tree="$out/changed"
    build_dependencies() {
        DOCKER_BUILDKIT=0 "$docker" build --network host --quiet --file "$1/deploy/Dockerfile" --target dependencies \
            --build-arg BUILD_BASE=proof/build --build-arg RUN_BASE=proof/run "$1"
    }
    rm -rf "$tree" && mkdir -p "$tree"
    git -C "$root" archive "$new" | tar -x -C "$tree"
    before=$(build_dependencies "$tree")
    echo '// changed' >>"$tree/gateway/src/lib.rs"
    mkdir "$tree/gateway/src/added" && echo '//! Added.' >"$tree/gateway/src/added/file.rs"
    after=$(build_dependencies "$tree")
    rm -rf "$tree"
    [ "$before" = "$after" ] || fail "a change of sources builds the dependencies again"
    pass "dependency layer" "stays as it is when sources change"
}

# What a node fetches that has the base and runs all three: a layer that images share is one.
image_sizes() {
    local total layers base
    mkdir -p "$out/layers"
    "$docker" save proof/run proof/gateway:new proof/worker:new proof/cuepoint:new | tar -C "$out/layers" -x
    base=$(state '{{range .RootFS.Layers}}{{.}} {{end}}' proof/run)
    total=0 layers=0
    for layer in "$out"/layers/*/layer.tar; do
        case " $base" in *" sha256:$(sha256sum "$layer" | cut -d' ' -f1) "*) continue ;; esac
        [ -L "$layer" ] && continue
        total=$((total + $(stat -c %s "$layer"))) layers=$((layers + 1))
    done
    rm -rf "$out/layers"
    [ "$layers" -gt 0 ] && [ "$total" -le "$bytes_max" ] || fail "the images have $total bytes over their base in $layers layers, $bytes_max at most"
    pass "size over the base" "$(awk "BEGIN { printf \"%.1f\", $total / 1000000 }") MB for all three images, in $layers layers"
    for target in gateway worker cuepoint; do
        if "$docker" run --rm --entrypoint /bin/sh "proof/$target:new" -c true 2>/dev/null; then fail "$target has a shell"; fi
        "$docker" run --rm --network none --read-only --cap-drop ALL "proof/$target:new" --version >/dev/null || fail "$target does not run"
    done
    pass "no shell" "in any image, and each runs without a network"
}

# ---- up and down

up_all() {
    tag=$1 environment=""
    # Streams are made by the newer version, before anything of it runs.
    if [ "$tag" != new ]; then tag=new compose up --detach --quiet-pull setup >"$out/up.log" 2>&1 || fail "setup: $(tail -n3 "$out/up.log")"; fi
    up "$tag" "nats, redis, gateway, two workers and the demo"
}

up_cluster() {
    tag=new environment="$root/deploy/compose/cluster.env"
    up cluster "three nats-servers, and all the rest,"
}

# Starts what `tag` and `environment` say, and waits until all of it is well.
up() {
    local since
    since=$(date +%s)
    compose up --detach --quiet-pull >"$out/up.log" 2>&1 || fail "docker compose up: $(tail -n5 "$out/up.log")"
    eventually 60 "two workers and a gateway that are well" are_well worker 2
    eventually 60 "a gateway that is well" are_well gateway 1
    eventually 30 "the demo in place" demo_is_there
    secret=$("$docker" run --rm --user 65532 --volume "${project}_secrets:/data:ro" --entrypoint cat proof/debian /data/secrets/trigger.orders)
    pass "up, $1" "$2 are well after $(($(date +%s) - since)) s"
}

demo_is_there() {
    [ "$(state '{{.State.Status}} {{.State.ExitCode}}' "$project-demo-1" 2>/dev/null)" = "exited 0" ]
}

down_all() {
    compose --profile tools --profile cluster --profile observability down --volumes --timeout 40 >"$out/down.log" 2>&1 || fail "docker compose down: $(tail -n3 "$out/down.log")"
    local left
    left=$("$docker" ps --all --quiet --filter "label=com.docker.compose.project=$project" && "$docker" volume ls --quiet --filter "name=$project" &&
        "$docker" network ls --quiet --filter "name=$project")
    [ -z "$left" ] || fail "down leaves behind: $left"
}

# ---- what must be so

# Nothing begins before what it needs is there.
check_order() {
    local at=0 next line=""
    moment() { date -d "$(state "$1" "$2")" +%s%N; }
    first_well() { date -d "$(state '{{range .State.Health.Log}}{{if eq .ExitCode 0}}{{.End}}|{{end}}{{end}}' "$1" | cut -d'|' -f1)" +%s%N; }
    before() {
        [ "$2" -le "$4" ] || fail "$3 began before $1"
        line="$line${line:+, }$1 before $3"
    }
    next=$(moment '{{.State.StartedAt}}' "$project-nats-1")
    before "secrets" "$(moment '{{.State.FinishedAt}}' "$project-secrets-1")" "nats" "$next"
    next=$(moment '{{.State.StartedAt}}' "$project-setup-1")
    before "nats well" "$(moment '{{.State.StartedAt}}' "$project-nats-1")" "setup" "$next"
    at=$(moment '{{.State.FinishedAt}}' "$project-setup-1")
    for one in $(containers gateway) $(containers worker); do
        before "setup" "$at" "$(state '{{index .Config.Labels "com.docker.compose.service"}}' "$one")" "$(moment '{{.State.StartedAt}}' "$one")"
    done
    next=$(moment '{{.State.StartedAt}}' "$project-demo-1")
    for one in $(containers gateway); do before "gateway" "$(moment '{{.State.StartedAt}}' "$one")" "demo" "$next"; done
    pass "order" "$line"
}

# An event in by the door, and the reply in its conversation.
check_event() {
    local said
    said=$(compose run --rm --no-deps -T cuepoint send orders --text 'Where is order 42?' --session "ada-$steps" --wait 10s 2>"$out/send.log") ||
        fail "cuepoint send: $(cat "$out/send.log")"
    echo "$said" | grep -q 'Order 42 is noted (42)' || fail "no reply: $said"
    echo "$said" | grep -q 'status completed' || fail "not completed: $said"
    durability=$(curl --silent --show-error --fail -H "Authorization: Bearer $secret" "$url/v1/integration/trigger/orders/event" \
        -d '{"text": "order 7", "session": "curl"}' | sed -n 's/.*"durability":"\([a-z]*\)".*/\1/p')
    pass "$1" "$(echo "$said" | grep 'noted' | sed 's/^ *//'); by the port of the machine: durability $durability"
}

# What docs/docker.md says beside: the token of the API, a bot of one's own, and a profile whose images are not here.
check_documented() {
    local token
    compose cp gateway:/run/cuepoint/api.token "$out/api.token" >"$out/cp.log" 2>&1 || fail "compose cp: $(cat "$out/cp.log")"
    token=$(cat "$out/api.token") && rm "$out/api.token"
    sed 's/orders/returns/; s/clerk/keeper/' "$root/examples/demo.yaml" >"$out/my.yaml"
    compose run --rm --no-deps -T --volume "$out/my.yaml:/my.yaml:ro" --env CUEPOINT_NATS=nats://nats:4222 \
        --env CUEPOINT_NATS_NKEY=/data/users/gateway.nk --env CUEPOINT_DEPLOYMENT_KEY_FILE=/data/deployment.key \
        cuepoint apply -f /my.yaml >"$out/apply.log" 2>&1 || fail "cuepoint apply: $(tail -n3 "$out/apply.log")"
    curl --silent --show-error --fail -H "Authorization: Bearer $token" "$url/v1/integration/trigger/list" | grep -q '"returns"' ||
        fail "the trigger that was applied is not listed"
    environment="$root/deploy/compose/observability.env" compose config --services 2>"$out/config.log" | grep -q '^grafana$' ||
        fail "the profile observability: $(cat "$out/config.log")"
    pass "as documented" "the token comes out, a file of one's own is applied and listed, compose reads the profile observability"
}

# As it runs, not as it was told: user, root file system, capabilities, new privileges, memory.
check_hardened() {
    local count=0 pid service line
    for one in $("$docker" ps --quiet --filter "label=com.docker.compose.project=$project"); do
        service=$(state '{{index .Config.Labels "com.docker.compose.service"}}' "$one")
        pid=$(state '{{.State.Pid}}' "$one")
        line=$(awk '/^Uid:/ { u = $2 + $3 } /^CapEff:/ { c = $2 } /^CapBnd:/ { b = $2 } /^NoNewPrivs:/ { n = $2 } END { print u, c, b, n }' "/proc/$pid/status")
        # shellcheck disable=SC2086
        set -- $line
        [ "$1" != 0 ] || fail "$service runs as root"
        [ "$2$3" = "00000000000000000000000000000000" ] || fail "$service has capabilities: $2 $3"
        [ "$4" = 1 ] || fail "$service may gain privileges"
        awk '$5 == "/" && $6 ~ /(^|,)ro(,|$)/ { found = 1 } END { exit !found }' "/proc/$pid/mountinfo" || fail "the root of $service can be written"
        [ "$(state '{{.HostConfig.Memory}}' "$one")" != 0 ] || fail "$service may take all memory"
        [ "$(state '{{.HostConfig.RestartPolicy.Name}}' "$one")" = unless-stopped ] || fail "$service is not started again"
        count=$((count + 1))
    done
    [ "$count" -ge 5 ] || fail "only $count containers run"
    pass "hardened" "$count containers: not root, root read-only, no capability, no new privileges, memory bounded, started again"
}

# Whoever has no key is not let in.
check_permissions() {
    if compose run --rm --no-deps -T --env CUEPOINT_NATS=nats://nats:4222 cuepoint tail --from-start >"$out/tail.log" 2>&1; then fail "NATS lets in whoever comes"; fi
    if compose run --rm --no-deps -T --env CUEPOINT_NATS=nats://nats:4222 --env CUEPOINT_NATS_NKEY=/data/users/gateway.nk cuepoint setup >"$out/setup.log" 2>&1; then
        fail "a gateway's key makes streams"
    fi
    pass "permissions" "no one without a key, and no set-up by a gateway's"
}

# ---- what is done to it

scale() {
    compose up --detach --no-deps --no-recreate --scale "worker=$1" worker >"$out/scale.log" 2>&1 || fail "scale: $(tail -n3 "$out/scale.log")"
    eventually 60 "$1 workers that are well" are_well worker "$1"
    echo "$1"
}

load_start() {
    rm -f "$out/load.stop"
    "$here/load.py" "$url" orders "$secret" --until "$out/load.stop" >"$out/load.log" 2>&1 &
    load_pid=$!
    sleep 3
    kill -0 "$load_pid" 2>/dev/null || fail "the load does not run: $(cat "$out/load.log")"
}

load_end() {
    sleep 3
    touch "$out/load.stop"
    wait "$load_pid" || fail "$1: $(cat "$out/load.log")"
    pass "$1" "$(cat "$out/load.log")"
}

# A worker's process is killed; the engine starts it again.
kill_worker() {
    local one started
    one=$(containers worker | head -n1)
    started=$(state '{{.State.StartedAt}}' "$one")
    kill -9 "$(state '{{.State.Pid}}' "$one")"
    is_again() { [ "$(state '{{.State.StartedAt}}' "$one")" != "$started" ] && is_health healthy "$one"; }
    eventually 60 "a killed worker that is well again" is_again
    pass "kill a worker" "SIGKILL under load; started again and well, restarts $(state '{{.RestartCount}}' "$one")"
}

# A worker loses its network, and gets it again.
cut_worker() {
    local one since
    one=$(containers worker | tail -n1)
    since=$(date +%s)
    "$docker" network disconnect "${project}_back" "$one"
    eventually 60 "a worker without a network that says so" is_health unhealthy "$one"
    cut=$(($(date +%s) - since))
    "$docker" network connect "${project}_back" "$one"
    eventually 60 "a worker that is well with its network" is_health healthy "$one"
    pass "cut a worker off" "under load; unhealthy after $cut s, well again by itself $(($(date +%s) - since - cut)) s after it had its network"
}

# New workers beside the old, then the old ones end in order.
roll_workers() {
    local old_ones code
    old_ones=$(containers worker)
    tag=new
    scale 4 >/dev/null
    for one in $old_ones; do
        "$docker" stop --time 35 "$one" >/dev/null
        code=$(state '{{.State.ExitCode}}' "$one")
        [ "$code" = 0 ] || fail "an old worker ended with $code"
        "$docker" rm "$one" >/dev/null
    done
    scale 2 >/dev/null
    for one in $(containers worker); do
        [ "$(state '{{.Config.Image}}' "$one")" = proof/worker:new ] || fail "an old worker is left"
    done
    pass "upgrade of the workers" "two new beside two old, old ones drained and ended with 0, one after the other"
}

# One gateway, one port: it is replaced, and callers call again.
roll_gateway() {
    compose up --detach --no-deps gateway >"$out/roll.log" 2>&1 || fail "the gateway is not replaced: $(tail -n3 "$out/roll.log")"
    eventually 60 "a new gateway that is well" are_well gateway 1
    [ "$(state '{{.Config.Image}}' "$(containers gateway)")" = proof/gateway:new ] || fail "the gateway is still the old one"
    pass "upgrade of the gateway" "replaced under load"
}

# One of three servers is killed: while the others choose a leader, callers are told to come again.
lose_node() {
    local since
    [ "$durability" = replicated ] || fail "three replicas, and a receipt says '$durability'"
    "$docker" kill "$project-nats-2-1" >/dev/null
    since=$(date +%s)
    is_taken() {
        curl --silent --fail -H "Authorization: Bearer $secret" -H 'Idempotency-Key: one-of-three' \
            "$url/v1/integration/trigger/orders/event" -d '{"text": "order 3", "session": "three"}' >/dev/null
    }
    eventually 30 "an event that is taken by two of three" is_taken
    pass "lose one of three" "an event is taken $(($(date +%s) - since)) s after it"
    check_event "event, one of three lost"
}
