# selinux.sh BOOLEAN… allows what SELinux, where it is on, forbids services by
# default: web servers, for one, to reach the apps behind them.
command -v selinuxenabled >/dev/null && selinuxenabled || exit 0
for name in "$@"; do
  opsyard-agent exec --unless "getsebool $name | grep -q ' on$'" -- setsebool -P "$name" 1
done
