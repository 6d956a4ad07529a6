# Brings all packages of the host up to date. For update_dependencies it also
# reboots the host, if that is allowed and the new packages want it.
wanted=$(opsyard-agent attr --private args.upgrade_os_to --default '')
if [ -n "$wanted" ]; then
  # Sets NAME, VERSION_ID and PRETTY_NAME.
  . /etc/os-release
  wanted=${wanted% LTS}
  name=${wanted%% *} version=${wanted##* }
  if [[ ${NAME,,} != "${name,,}"* || ( $version != "$VERSION_ID" && $version != "${VERSION_ID%%.*}" ) ]]; then
    echo "This host runs $PRETTY_NAME. Another release is not installed in place: choose $wanted for a new instance instead." >&2
    exit 1
  fi
fi
opsyard-agent package --upgrade-all
if [ "$(opsyard-agent attr --private args.allow_reboot --default false)" = true ]; then
  needed=
  if [ -e /var/run/reboot-required ]; then
    needed=yes
  elif command -v needs-restarting >/dev/null; then
    answer=0
    needs-restarting -r >/dev/null 2>&1 || answer=$?
    if [ "$answer" = 1 ]; then needed=yes; fi
  fi
  if [ -n "$needed" ]; then
    opsyard-agent reboot
  else
    echo 'The host need not be rebooted.'
  fi
fi
