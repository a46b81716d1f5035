# What the scripts share: they set source_dir first.

# What sudo made in build/ belongs to whoever owns the source folder, so that the next run needs no
# sudo. Not the systems of tests/fresh, nor a data folder that a running mintd has open.
give_build_to_owner() {
    [ "$(id -u)" = 0 ] && [ "$(stat -c %u "$source_dir")" != 0 ] || return 0
    find "$source_dir/build" \( -path '*/build/fresh' -o -path '*/build/quickstart' \) -prune -o \
        -exec chown -h --reference="$source_dir" {} +
}
