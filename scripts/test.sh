#!/usr/bin/env bash
# Runs every test on both Spark versions in every session mode, to the end even when some fail.
# One pytest process serves one mode, because a process can hold only one kind of session.
set -uo pipefail
cd "$(dirname "$0")/.."

ran=()
failed=0

suite() {
    local env=$1 python=$2/bin/python mode result
    shift 2
    if ! scripts/setup.sh "$env"; then
        ran+=("$env NOT RUN")
        failed=1
        return
    fi
    for mode in "$@"; do
        echo "== $env, $mode"
        result=passed
        JAVA_HOME=$(cat ".build/java_home.$env") "$python" -m pytest --spark-mode="$mode" --timeout=900 || result=FAILED
        [ $result = passed ] || failed=1
        ran+=("$env $mode $result")
    done
}

suite spark35 .venv local local-cluster
suite spark41 .venv-spark4 local local-cluster connect

printf 'make test ran: %s' "${ran[0]}"
printf ', %s' "${ran[@]:1}"
echo
exit $failed
