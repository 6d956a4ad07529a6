# Who is online, as each instance learns it at every change.
dir=${OPSYARD_INSTANCE_DIR:-${OPSYARD_ROOT:-/var/lib/opsyard-demo}}
opsyard-agent template members.tmpl "$dir/etc/members"
echo "Online now:"
sed 's/^/  /' "$dir/etc/members" 2>/dev/null || echo "  (not written yet)"
