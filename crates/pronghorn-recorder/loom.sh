#!/bin/sh
# Checks the recorder's protocol, the locks and the ticker's parking with loom, and that the check can fail: once as it is, which must pass, and once with the
# release ordering of the unlock and the order of the parking's writes and reads taken away (--cfg pronghorn_weakened), which must fail with a causality violation
# and with a sleeper that nobody wakes.
#
# Needs nothing but cargo. Builds into a directory of its own, since the cfg flags change every crate.
set -eu
cd "$(dirname "$0")"
target=${CARGO_TARGET_DIR:-../../target}/loom
output=$(mktemp)
trap 'rm -f "$output"' EXIT

# Only loom itself is optimized: most of the time goes into building its dependencies, twice.
model() {
    RUSTFLAGS="$1" CARGO_TARGET_DIR="$target" cargo test --quiet \
        --config 'profile.dev.debug=0' --config 'profile.dev.package.loom.opt-level=1' \
        --test loom >"$output" 2>&1
}

if ! model '--cfg loom'; then
    cat "$output"
    echo 'loom: the model fails' >&2
    exit 1
fi
passed=$(sed -n 's/^test result: ok\. \([0-9]*\) passed.*/\1/p' "$output")
if [ "${passed:-0}" -lt 11 ]; then
    cat "$output"
    echo 'loom: the models did not run' >&2
    exit 1
fi

if model '--cfg loom --cfg pronghorn_weakened'; then
    echo 'loom: the model passes with a weakened ordering, so it proves nothing' >&2
    exit 1
fi
# Only this failure counts: a build error would be no proof.
if ! grep -q 'Causality violation' "$output" ||
    ! grep -q 'two_threads_record_while_one_flips_and_serializes.*FAILED' "$output" ||
    ! grep -q 'one_who_parks_is_woken_by_a_thread_that_runs.*FAILED' "$output" ||
    ! grep -q 'deadlock; threads =' "$output"; then
    cat "$output"
    echo 'loom: the weakened build fails for another reason' >&2
    exit 1
fi
echo "loom: $passed models pass, and the weakened orderings are caught"
