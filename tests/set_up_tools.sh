#!/bin/sh
# set_up_tools.sh FOLDER: the tools that exports are for, in a virtual environment of their own, where they install.
# The pip that installs is that of PYTHON. Says what is missing; without them their tests are skipped.
set -u
folder=$1
python=${PYTHON:-python3}
if [ ! -x "$folder/bin/otava" ] || [ ! -x "$folder/bin/lnt" ]; then
    "$python" -m venv --without-pip "$folder" >/dev/null 2>&1 &&
        timeout 240 "$python" -m pip --python "$folder/bin/python" install --quiet --no-compile --disable-pip-version-check \
            apache-otava==0.8.0 llvm-lnt==0.4.20 junitparser==5.0.3 >/dev/null 2>&1
fi
if [ ! -x "$folder/bin/otava" ] || [ ! -x "$folder/bin/lnt" ]; then
    echo "THE TESTS OF EXPORTS WILL BE SKIPPED: Apache Otava and LNT do not install here" >&2
    exit 1
fi
