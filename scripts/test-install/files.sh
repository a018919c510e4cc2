# shellcheck shell=bash disable=SC2154 # sourced by scripts/test-install.sh
# make install and make uninstall, into a folder.

dest=$work/dest
files() {
    (cd "$dest" && find . -type f | sort)
}
make_it() {
    BUILT=$work/built DESTDIR=$dest PREFIX=/opt/gateway scripts/install.sh "$1"
}

check "make install" make_it install
check "the programs run from there" "$dest/opt/gateway/bin/serverless-proxy" --version
check "the admin app too" "$dest/opt/gateway/bin/serverless-proxy-admin" --version
check "the unit names them" grep -q '^ExecStart=/opt/gateway/bin/serverless-proxy$' \
    "$dest/opt/gateway/lib/systemd/system/serverless-proxy.service"
check "and nothing elsewhere" not grep -q '=/usr/bin' \
    "$dest"/opt/gateway/lib/systemd/system/*.service
check "the guides are there" test -s "$dest/opt/gateway/share/doc/serverless-proxy/docs/install.md"
check "nobody else reads the settings" test "$(stat -c %a "$dest/etc/serverless-proxy/env")" = 640
printf 'API_PORT=8003\n' >"$dest/etc/serverless-proxy/env"
check "make install again" make_it install
check "settings stay as they are" grep -qx 'API_PORT=8003' "$dest/etc/serverless-proxy/env"
check "make uninstall" make_it uninstall
check "only the settings are left" test "$(files)" = ./etc/serverless-proxy/env
