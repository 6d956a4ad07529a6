# Waits until the app's Tomcat serves a version (see templates/context.xml.tmpl),
# without one the newest that it was given.
app=$1
base=/var/lib/opsyard-tomcat/$app unit=opsyard-java-$app
version=${2:-$(ls "$base/contexts" | sed -n 's/^ROOT##\([0-9]*\)\.xml$/\1/p' | tail -n 1)}
port=$(cat "$base/port")
seconds=$(opsyard-agent attr opsworks_java.start_timeout --default 180)
[[ $seconds =~ ^[0-9]{1,6}$ ]] || seconds=180
answers() {
  (
    exec 3<>"/dev/tcp/127.0.0.1/$port"
    printf 'GET /.opsyard/%s HTTP/1.0\r\nHost: localhost\r\n\r\n' "$version" >&3
    timeout 5 cat <&3
  ) 2>/dev/null | grep -q '"status": "UP"'
}
fails() {
  systemctl -q is-failed "$unit" ||
    journalctl -q -u "$unit" -n 1000 --no-pager | grep -qE "Context \[##$version\] startup failed|Error deploying .*##$version"
}
end=$((SECONDS + seconds))
until answers; do
  if fails; then
    echo "$app does not start:" >&2
  elif [ $SECONDS -ge $end ]; then
    echo "$app has not started within $seconds seconds:" >&2
  else
    sleep 0.3
    continue
  fi
  journalctl -q -u "$unit" -n 60 -o cat --no-pager >&2
  exit 1
done
