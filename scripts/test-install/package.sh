# shellcheck shell=bash disable=SC2154 # sourced by scripts/test-install.sh
# The Debian package, in a root that has booted.

package=$(scripts/deb.sh "$work/built" "$work/deb")
check "lintian has no error" lintian --fail-on error --allow-root "$package"

scripts/root.sh "$work/root"
cp "$package" "$work/root/root/gateway.deb"
install "$work/built/sim" "$work/root/usr/local/bin/sim"
boot "$work/root"
say "booted: $(inside systemctl --version | head -n 1)"

unit=serverless-proxy.service
admin=serverless-proxy-admin.service
main_pid() {
    inside systemctl show --property MainPID --value "$unit"
}
restarts() {
    inside systemctl show --property NRestarts --value "$unit"
}
ask() {
    inside curl --silent --show-error --fail --max-time 20 "$@"
}
health() {
    ask http://127.0.0.1:8002/health | grep -q '"status":"ok"'
}

check "the package is installed" inside dpkg --install /root/gateway.deb
check "the gateway is a running service" inside systemctl is-active "$unit"
check "the admin app too" inside systemctl is-active "$admin"
check "both start at boot" inside systemctl is-enabled "$unit" "$admin"
check "the gateway answers" health
has_link() {
    inside journalctl --unit "$admin" | grep -q 'http://127.0.0.1:5001/set-up?token='
}
comes "a link for the first admin is in the journal" has_link
check "the admin app wants a login" \
    test "$(inside curl --silent --output /dev/null --write-out '%{http_code}' \
        http://127.0.0.1:5001/api/admin/endpoints)" = 401
check "it is not root" test "$(inside stat -c %U "/proc/$(main_pid)")" = serverless-proxy
check "the store is nobody else's" \
    test "$(inside stat -c %a /var/lib/serverless-proxy/proxy.db)" = 600

# A backend, and one of its models.
inside sh -c 'printf "AUTH_ENABLED=false\n" >>/etc/serverless-proxy/env'
check "the admin app takes other settings" inside systemctl restart "$admin"
inside systemd-run --quiet --unit sim /usr/local/bin/sim --port 9001
comes "a backend" ask http://127.0.0.1:9001/v1/models
ask http://127.0.0.1:5001/api/admin/endpoints -H 'content-type: application/json' \
    -d '{"name": "sim", "endpoint_type": "openai", "url": "http://127.0.0.1:9001", "api_key": "sk-sim"}' >"$work/said"
ask http://127.0.0.1:5001/virtual-models -H 'content-type: application/json' \
    -d '{"name": "small", "endpoint_id": 1, "actual_model": "sim-model"}' >"$work/said"
stream() {
    ask --no-buffer http://127.0.0.1:8002/v1/chat/completions -H 'content-type: application/json' \
        -d '{"model": "small", "stream": true, "messages": [{"role": "user", "content": "[[sim: chunks=40 gap_ms=200]]"}]}'
}
models() {
    ask http://127.0.0.1:8002/v1/models | grep -q '"small"'
}
comes "the gateway follows" models

# An upgrade by systemctl reload, and one by the package, with a stream open through both.
before=$(main_pid)
stream >"$work/stream" 2>&1 &
streaming=$!
comes "a stream" grep -q content "$work/stream"
check "systemctl reload" inside systemctl reload "$unit"
after=$(main_pid)
check "another process is the main one" test "$before" != "$after"
check "the gateway answers" health
check "the package is upgraded" inside dpkg --install /root/gateway.deb
check "that is another process again" test "$after" != "$(main_pid)"
check "the gateway answers" health
check "the stream has its end" wait "$streaming"
check "all of it" grep -q '^data: \[DONE\]' "$work/stream"
check "systemd has restarted nothing" test "$(restarts)" = 0
is_alone() {
    [ "$(inside pgrep --count --full '^/usr/bin/serverless-proxy( --upgrade)?$')" = 1 ]
}
comes "the processes of before have ended" is_alone

inside sh -c 'printf "TIMEOUT=never\n" >>/etc/serverless-proxy/env'
check "a reload with bad settings is refused" not inside systemctl reload "$unit"
check "and the gateway goes on" health
inside sed -i '/^TIMEOUT=never$/d' /etc/serverless-proxy/env

# Killed, and hung.
inside systemctl kill --signal KILL --kill-whom main "$unit"
comes "it is started again after a kill" health
inside mkdir -p "/run/systemd/system/$unit.d"
inside sh -c "printf '[Service]\nWatchdogSec=2\n' >/run/systemd/system/$unit.d/watchdog.conf"
inside systemctl daemon-reload
inside systemctl restart "$unit"
check "the gateway answers" health
before=$(restarts)
inside kill -STOP "$(main_pid)"
is_restarted() {
    [ "$(restarts)" -gt "$before" ] && health
}
comes "and after it hangs" is_restarted
check "it ends when told" inside systemctl stop "$unit"
check "in order" test "$(inside systemctl show --property Result --value "$unit")" = success
check "and starts again" inside systemctl start "$unit"

check "the package is removed" inside dpkg --remove serverless-proxy
check "nothing runs" not inside systemctl is-active "$unit" "$admin"
check "the settings and the store stay" \
    inside test -e /etc/serverless-proxy/env -a -e /var/lib/serverless-proxy/proxy.db
check "the package is purged" inside dpkg --purge serverless-proxy
check "nothing stays" \
    inside sh -c '! find / -xdev -path "*serverless-proxy*" -not -path "/root/*" -not -path "/proc/*" -not -path "/var/log/*" | grep .'
power_off
