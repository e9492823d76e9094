#!/usr/bin/env bash
# Runs every test on both Spark versions in every session mode, to the end even when some fail.
# One pytest process serves one mode, because a process can hold only one kind of session.  The two
# versions run side by side, as tests wait for Spark much of the time; each line says whose it is.
set -uo pipefail
cd "$(dirname "$0")/.."
results=$(mktemp -d)
trap 'rm -rf "$results"' EXIT

suite() {
    local env=$1 python=$2/bin/python mode result
    shift 2
    for mode in "$@"; do
        result=passed
        JAVA_HOME=$(cat ".build/java_home.$env") "$python" -m pytest --spark-mode="$mode" --timeout=900 || result=FAILED
        echo "$env $mode $result" | tee -a "$results/$env"
    done
}

# Set up one after the other: both may install the same tools.
for env in spark35 spark41; do
    scripts/setup.sh "$env" || echo "$env NOT RUN" >"$results/$env"
done
[ -e "$results/spark35" ] || suite spark35 .venv local local-cluster 2>&1 | sed -u 's/^/spark35 | /' &
[ -e "$results/spark41" ] || suite spark41 .venv-spark4 local local-cluster connect 2>&1 | sed -u 's/^/spark41 | /' &
wait

echo "make test ran: $(cat "$results"/* | paste -sd, | sed 's/,/, /g')"
! grep -qv passed "$results"/*
