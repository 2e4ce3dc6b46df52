#!/usr/bin/env bash
# Installs Debian packages for what the machine lacks, and nothing when it lacks nothing.
#
# Each argument is WHAT or WHAT:PACKAGE. WHAT is a command, a file when it begins with a slash, or a Python module
# (module=NAME); PACKAGE is the package that brings it, named like the command unless said otherwise.
set -euo pipefail

is_there() {
    case $1 in
    /*) [[ -e $1 ]] ;;
    module=*) python3 -c "import ${1#module=}" 2>/dev/null ;;
    *) command -v "$1" >/dev/null ;;
    esac
}

explain_rust() {
    cat >&2 <<'TEXT'
Rust is missing. Chancery needs Rust 1.95 or newer, which Debian 12 does not package.
Install it for your user with rustup, which takes curl, then run make again:

    curl --proto '=https' --tlsv1.2 -sSf https://sh.rustup.rs | sh

See https://rustup.rs for other ways.
TEXT
    exit 1
}

missing=()
for need in "$@"; do
    what=${need%%:*}
    is_there "$what" && continue
    [[ $what == cargo ]] && explain_rust
    missing+=("${need##*:}")
done
[[ ${#missing[@]} -eq 0 ]] && exit 0

if ! command -v apt-get >/dev/null; then
    echo "These Debian packages, or what this system calls them, are missing: ${missing[*]}" >&2
    exit 1
fi
as_root=()
if [[ $(id -u) -ne 0 ]]; then
    if ! command -v sudo >/dev/null; then
        echo "These packages are missing, and only root can install them: ${missing[*]}" >&2
        exit 1
    fi
    as_root=(sudo)
fi

echo "Installing ${missing[*]}"
quietly() {
    local log
    log=$(mktemp)
    if ! "${as_root[@]}" env DEBIAN_FRONTEND=noninteractive apt-get -qq "$@" >"$log" 2>&1; then
        cat "$log" >&2
        rm -f "$log"
        return 1
    fi
    rm -f "$log"
}
# A fresh machine has no package lists, or lists that name versions which are gone.
quietly update
quietly install --yes --no-install-recommends "${missing[@]}"
