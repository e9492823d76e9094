#!/usr/bin/env bash
# Runs every test on both Spark versions in every session mode, to the end even when some fail.
# One pytest process serves one mode, because a process can hold only one kind of session.  The two
# versions run side by side, as tests wait for Spark much of the time; each line says whose it is.
set -uo pipefail
cd "$(dirname "$0")/.."
LIMIT=4800  # seconds that a mode may take; a test that hangs outside Python is ended with its suite
logs=$(mktemp -d)
ran=$logs/ran
trap 'rm -rf "$logs"' EXIT

suite() {
    local env=$1 python=$2/bin/python mode result failed=0
    shift 2
    for mode in "$@"; do
        result=passed
        JAVA_HOME=$(cat ".build/java_home.$env") PYTHONUNBUFFERED=1 timeout --kill-after=60 "$LIMIT" \
            "$python" -m pytest --spark-mode="$mode" --timeout=600 --durations=15 2>&1 | tee "$logs/$env.$mode.log" ||
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
if ! scripts/setup.sh compat; then
    echo "compat NOT RUN" >>"$ran"
    failed=1
fi
for env in "${ready[@]}"; do
    case $env in
        spark35) start spark35 .venv local standalone ;;
        spark41) start spark41 .venv-spark4 local local-cluster connect ;;
    esac
done
for pid in "${pids[@]}"; do
    wait "$pid" || failed=1
done

# What failed stands at the end, where it is seen: the errors and the summary, or where a suite was ended.
while read -r env mode result; do
    [ "$result" = FAILED ] || continue
    log=$logs/$env.$mode.log
    echo "--- $env $mode"
    grep -E '^E  ' "$log" | head -30 | cut -c1-300
    grep -E '^(FAILED|ERROR) |Fatal Python error' "$log" | cut -c1-300 || tail -5 "$log" | cut -c1-300
done <"$ran"

echo "make test ran: $(sort "$ran" | paste -sd, | sed 's/,/, /g')"
exit $failed
