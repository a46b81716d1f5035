# What deploy/quickstart and deploy/fleet share: building, starting mintd, and a demo organization.
# They set `source_dir` and `home`, the folder of all that they keep.

build=$source_dir/build
org=demo
project=dashboards
service=gateway
runtime_host=https://dashboards.example.com

say() { printf '\n== %s\n' "$*"; }

fail() {
    printf '%s: %s\n' "$(basename "$0")" "$1" >&2
    shift
    [ $# = 0 ] || printf '%s\n' "$@" >&2
    exit 1
}

build_programs() {
    say "building"
    # A build folder that tests/run made keeps its tests.
    [ -f "$build/CMakeCache.txt" ] ||
        cmake -S "$source_dir" -B "$build" -G Ninja -DTESTS=OFF --log-level=WARNING
    cmake --build "$build" --target mintd mint
    give_build_to_owner
}

# The first port from $1 on that nobody listens on.
free_port() {
    local port
    for ((port = $1; port < $1 + 100; port++)); do
        (: </dev/tcp/127.0.0.1/"$port") 2>/dev/null || break
    done
    [ "$port" = "$1" ] || printf 'port %s is in use, taking %s\n' "$1" "$port" >&2
    printf '%s\n' "$port"
}

# pid_of FILE PROGRAM: the process of an earlier run, if it is there and is that program.
pid_of() {
    local pid
    pid=$(cat "$1" 2>/dev/null) || return 1
    [[ $(readlink "/proc/$pid/exe" 2>/dev/null) == "$2"* ]] && printf '%s\n' "$pid"
}

# stop_process FILE PROGRAM [SIGNAL]: stops it and waits until it has ended.
stop_process() {
    local pid tries
    pid=$(pid_of "$1" "$2") || return 0
    kill -CONT "$pid"
    kill "-${3:-TERM}" "$pid"
    for ((tries = 0; tries < 150; tries++)); do
        kill -0 "$pid" 2>/dev/null || break
        sleep 0.1
    done
    ! kill -0 "$pid" 2>/dev/null || fail "$2 (process $pid) does not stop"
    rm -f "$1"
}

is_ready() {
    local status
    exec 3<>/dev/tcp/127.0.0.1/"$1" || return 1
    printf 'GET /readyz HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n\r\n' >&3
    read -r -t 2 status <&3 || return 1 # one that hangs is not ready
    [[ $status == "HTTP/1.1 200"* ]]
}

# start_mintd NAME OPS_PORT FLAGS...: NAME.pid and NAME.log lie in `home`; waits until it is ready.
start_mintd() {
    local name=$1 ops_port=$2 tries
    shift 2
    setsid "$build/mintd" serve --ops-listen "127.0.0.1:$ops_port" "$@" \
        </dev/null >>"$home/$name.log" 2>&1 &
    printf '%s\n' "$!" >"$home/$name.pid"
    for ((tries = 0; tries < 100; tries++)); do
        ! (is_ready "$ops_port") 2>/dev/null || return 0
        kill -0 "$!" 2>/dev/null || break
        sleep 0.1
    done
    tail -n 20 "$home/$name.log" >&2
    fail "mintd did not become ready; the above is the end of $home/$name.log"
}

# mint as the operator, and as the demo's service.
operator() { MINT_URL=$url MINT_ORG=$org MINT_TOKEN=$(cat "$home/operator-token") "$build/mint" "$@"; }
gateway() { MINT_URL=$url MINT_ORG=$org MINT_TOKEN=$(cat "$home/service-token") "$build/mint" "$@"; }

# Whether the operator can see it already.
have() { operator "$@" >/dev/null 2>&1; }

make_demo() {
    local output
    say "an organization, a project, a service that may mint"
    have org show "$org" || operator org create "$org"
    have project show "$project" ||
        operator project create "$project" --runtime-host "$runtime_host"
    if ! have service show "$service"; then
        output=$(operator service create "$service" --project "$project" --project-role issuer \
            --attributes '{"team":"demo"}')
    elif ! gateway issue --project "$project" >/dev/null 2>&1; then
        output=$(operator service token issue "$service")
    else
        return 0
    fi
    sed -n 's/^Access token: //p' <<<"$output" >"$home/service-token"
    [ -s "$home/service-token" ] || fail "no token in what mint printed:" "$output"
    sed 's/^\(Access token: .\{20\}\).*/\1…/' <<<"$output"
}

mint_and_verify() {
    local credential
    say "a credential for one end user, verified against $url/.well-known/jwks.json"
    credential=$(gateway issue --project "$project" --attributes '{"tenant":"acme"}' --ttl 1h)
    printf '%s\n' "$credential" | gateway verify -
}
