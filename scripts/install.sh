#!/usr/bin/env bash
# make install and make uninstall. Usage: scripts/install.sh install|uninstall
#
# PREFIX is where the programs go (/usr/local), DESTDIR a folder that stands for the root of
# the machine they will run on. Settings are in /etc/serverless-proxy/env, which is made when
# missing, and neither replaced nor removed. Without DESTDIR the user of the services is made.

source "$(dirname "$0")/env.sh"

PREFIX=${PREFIX:-/usr/local}
DESTDIR=${DESTDIR:-}
if [ -z "${BUILT:-}" ]; then
    BUILT=$CARGO_TARGET_DIR/release
    # With sudo the programs were built by somebody else.
    if [ ! -d "$BUILT" ] && [ -n "${SUDO_USER:-}" ]; then
        home=$(getent passwd "$SUDO_USER" | cut -d : -f 6)
        BUILT=$home/.cache/serverless-proxy/target/release
    fi
fi

programs=(serverless-proxy serverless-proxy-admin)
units=(conf/systemd/serverless-proxy.service conf/systemd/serverless-proxy-admin.service)
guides=(README.md CHANGELOG.md LICENSE docs/*.md docs/decisions/*.md)
bin=$PREFIX/bin
system=$PREFIX/lib/systemd/system
sysusers=$PREFIX/lib/sysusers.d/serverless-proxy.conf
doc=$PREFIX/share/doc/serverless-proxy
settings=/etc/serverless-proxy

put() {
    install -D -m "$1" "$2" "$DESTDIR$3"
}

install_all() {
    local program unit guide
    for program in "${programs[@]}"; do
        [ -x "$BUILT/$program" ] ||
            fail "$BUILT/$program is missing: make build makes it; BUILT names another folder."
    done
    for program in "${programs[@]}"; do
        # Over a program that runs: a new file in its place, which the running one is not.
        install -d "$DESTDIR$bin"
        install -m 0755 "$BUILT/$program" "$DESTDIR$bin/$program.new"
        mv -f "$DESTDIR$bin/$program.new" "$DESTDIR$bin/$program"
    done
    for unit in "${units[@]}"; do
        put 0644 "$unit" "$system/${unit##*/}"
        sed -i "s|=/usr/bin/|=$bin/|; s|/usr/share/doc/|$PREFIX/share/doc/|" \
            "$DESTDIR$system/${unit##*/}"
    done
    put 0644 conf/systemd/sysusers.conf "$sysusers"
    for guide in "${guides[@]}"; do
        put 0644 "$guide" "$doc/$guide"
    done
    install -d -m 0750 "$DESTDIR$settings"
    if [ ! -e "$DESTDIR$settings/env" ]; then
        put 0640 .env.example "$settings/env"
    fi
    if [ -z "$DESTDIR" ] && command -v systemctl >/dev/null 2>&1; then
        systemd-sysusers "$sysusers"
        chgrp serverless-proxy "$settings" "$settings/env"
        [ ! -d /run/systemd/system ] || systemctl daemon-reload
    fi
    cat <<TEXT
Installed into $DESTDIR$PREFIX. What is next:

  systemctl enable --now serverless-proxy serverless-proxy-admin   the first time
  systemctl reload serverless-proxy                                an upgrade; no call fails
  systemctl restart serverless-proxy-admin
TEXT
}

uninstall_all() {
    local program unit
    if [ -z "$DESTDIR" ] && [ -d /run/systemd/system ]; then
        systemctl disable --now "${units[@]##*/}" 2>/dev/null || true
    fi
    for program in "${programs[@]}"; do
        rm -f "$DESTDIR$bin/$program"
    done
    for unit in "${units[@]}"; do
        rm -f "$DESTDIR$system/${unit##*/}"
    done
    rm -f "$DESTDIR$sysusers"
    rm -rf "${DESTDIR}${doc:?}"
    # What was made for it alone.
    rmdir --ignore-fail-on-non-empty -p "$DESTDIR$system" "$DESTDIR${sysusers%/*}" \
        "$DESTDIR$bin" "$DESTDIR${doc%/*}" 2>/dev/null || true
    if [ -z "$DESTDIR" ] && [ -d /run/systemd/system ]; then
        systemctl daemon-reload
    fi
    say "Removed. Left as they are: $DESTDIR$settings and $DESTDIR/var/lib/serverless-proxy."
}

case ${1:-} in
install) install_all ;;
uninstall) uninstall_all ;;
*) fail "install.sh: install or uninstall" ;;
esac
