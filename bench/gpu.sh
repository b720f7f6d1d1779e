#!/bin/sh
# How fast the transformers engine is on this machine's GPU, how much of its memory's speed it uses, and which
# texts are equal: bench/gpu.py says what is printed. It ends in eight minutes.
#
#     bench/gpu.sh wheels    where there is a network: what may be missing on the other machine, into .bench/wheels
#     bench/gpu.sh           on a machine with a GPU, its own torch and no network
#     bench/gpu.sh --device cpu --small    anywhere, to see that the script works
#
# The wheels are pure Python (transformers as locked, and gguf; 14 MB). Git ignores them: copy .bench/wheels with
# the working tree. They are installed into a folder that is gone at the end. PYTHON names another python3.
set -eu
cd "$(dirname "$0")/.."
python=${PYTHON:-python3}
wheels=.bench/wheels

if [ "${1:-}" = wheels ]; then
    exec "$python" -m pip download --quiet --no-deps --only-binary=:all: --dest "$wheels" \
        $(grep -oE '^(gguf|transformers)==[^ ]+' requirements-job.lock)
fi
site=$(mktemp -d)
trap 'rm -rf "$site"' EXIT
if ! [ -d "$wheels" ] && ! "$python" -c 'import click, gguf, transformers'; then
    echo "Run bench/gpu.sh wheels where there is a network, and copy $wheels here." >&2
    exit 2
fi
if [ -d "$wheels" ]; then
    "$python" -m pip install --quiet --no-index --no-deps --no-compile --target "$site" "$wheels"/*.whl
fi
HF_HUB_OFFLINE=1 PYTHONPATH="$site:$PWD" timeout 480 "$python" bench/gpu.py "$@"
