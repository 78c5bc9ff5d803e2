#!/bin/sh
# set_up_browser.sh FOLDER: what the browser test of the report needs, where this machine can be given it.
# Node.js and Chromium come from the system's package manager, the checkers go to FOLDER. Says what is missing.
set -u
folder=$1

has() { command -v "$1" >/dev/null 2>&1; }
browser() { has chromium || has chromium-browser || has google-chrome; } # not named chromium: "command -v" sees functions
install() { # installed one by one: a Node.js of another origin must not keep Chromium out
    [ "$(id -u)" = 0 ] && has apt-get || return 1
    [ -n "${updated:-}" ] || timeout 60 apt-get -qq update >/dev/null 2>&1
    updated=yes
    DEBIAN_FRONTEND=noninteractive timeout 300 apt-get -qq install -y --no-install-recommends "$1" >/dev/null 2>&1
}

missing=""
browser || install chromium || missing="$missing Chromium"
has node || install nodejs || missing="$missing Node.js"
has npm || install npm || missing="$missing npm"
if [ -z "$missing" ] && [ ! -d "$folder/node_modules/axe-core" ]; then
    timeout 120 npm install --silent --no-save --no-package-lock --prefix "$folder" \
        axe-core@4.14.1 playwright-core@1.65.1 html-validate@10.17.0 >/dev/null 2>&1 ||
        missing=" the packages axe-core, playwright-core, html-validate"
fi
[ -z "$missing" ] || {
    echo "THE BROWSER TEST OF THE REPORT WILL BE SKIPPED: missing here, and not to be installed:$missing" >&2
    exit 1
}
