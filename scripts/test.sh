#!/usr/bin/env bash
# Runs every test on both Spark versions in every session mode, to the end even when some fail.
# One pytest process serves one mode, because a process can hold only one kind of session.  The two
# versions run side by side, as tests wait for Spark much of the time; each line says whose it is.
set -uo pipefail
cd "$(dirname "$0")/.."
ran=$(mktemp)
trap 'rm -f "$ran"' EXIT

suite() {
    local env=$1 python=$2/bin/python mode result failed=0
    shift 2
    for mode in "$@"; do
        result=passed
        JAVA_HOME=$(cat ".build/java_home.$env") "$python" -m pytest --spark-mode="$mode" --timeout=900 ||
            result=FAILED failed=1
        echo "$env $mode $result" | tee -a "$ran"
    done
    return $failed
}

failed=0
pids=()
start() {
    # In braces, so that waiting for it gives the suite's status and not sed's.
    { suite "$@" 2>&1 | sed -u "s/^/$1 | /"; } &
    pids+=($!)
}

# Set up one after the other: both may install the same tools.
ready=()
for env in spark35 spark41; do
    if scripts/setup.sh "$env"; then
        ready+=("$env")
    else
        echo "$env NOT RUN" >>"$ran"
        failed=1
    fi
done
for env in "${ready[@]}"; do
    case $env in
        spark35) start spark35 .venv local local-cluster ;;
        spark41) start spark41 .venv-spark4 local local-cluster connect ;;
    esac
done
for pid in "${pids[@]}"; do
    wait "$pid" || failed=1
done

echo "make test ran: $(sort "$ran" | paste -sd, | sed 's/,/, /g')"
exit $failed
