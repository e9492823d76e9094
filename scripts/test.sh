#!/usr/bin/env bash
# Runs every test on both Spark versions in every session mode, to the end even when some fail, and those of BigDL Orca
# in its old stack.  One pytest process serves one mode, because a process can hold only one kind of session.  The
# two Sparks run side by side, as tests wait for Spark much of the time; each line says whose it is.
#
#   scripts/test.sh [spark35] [spark41] [compat]      all by default
set -uo pipefail
cd "$(dirname "$0")/.."
LIMIT=4800  # seconds that a mode may take; a test that hangs outside Python is ended with its suite
logs=$(mktemp -d)
ran=$logs/ran
trap 'rm -rf "$logs"' EXIT

suite() {
    local env=$1 python=$2/bin/python mode result failed=0 tests=(tests)
    [ "$env" != compat ] || tests=(tests/training/worker tests/integration/test_{orca,faults}.py)
    scripts/classes.sh "$env" "$2"
    shift 2
    for mode in "$@"; do
        result=passed
        JAVA_HOME=$(cat ".build/java_home.$env") PYTHONUNBUFFERED=1 timeout --kill-after=60 "$LIMIT" \
            "$python" -m pytest --spark-mode="$mode" --timeout=600 --durations=15 "${tests[@]}" 2>&1 | tee "$logs/$env.$mode.log" ||
            result=FAILED failed=1
        echo "$env $mode $result" | tee -a "$ran"
    done
    return $failed
}

failed=0
pids=()
# The suites of some environments, one after the other, beside those of other lanes.
start() {
    local env
    for env in "$@"; do
        case $env in
            spark35) suite spark35 .venv local standalone ;;
            compat) suite compat .venv-compat local standalone ;;
            spark41) suite spark41 .venv-spark4 local local-cluster connect ;;
        esac 2>&1 | sed -u "s/^/$env | /" || touch "$logs/failed"
    done &
    pids+=($!)
}

# Set up one after the other: some install the same tools.
first=() second=()
[ $# -gt 0 ] || set -- spark35 compat spark41
for env in "$@"; do
    if ! scripts/setup.sh "$env"; then
        echo "$env NOT RUN" >>"$ran"
        failed=1
    elif [ "$env" = spark41 ]; then
        second+=("$env")
    else
        first+=("$env")
    fi
done
[ ${#first[@]} -eq 0 ] || start "${first[@]}"
[ ${#second[@]} -eq 0 ] || start "${second[@]}"
for pid in "${pids[@]}"; do
    wait "$pid"
done
[ ! -e "$logs/failed" ] || failed=1

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
