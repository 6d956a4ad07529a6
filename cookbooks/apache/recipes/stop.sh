# Stops without failing a request: first the load balancers learn from their
# next health check to send nothing new, then Apache finishes what it has.
. files/paths.sh
balanced=
for layer in $(opsyard-agent attr opsworks.layers --default ''); do
  if [ "$(opsyard-agent attr "opsworks.layers.$layer.type" --default '')" = lb ] &&
    [ -n "$(opsyard-agent attr "opsworks.layers.$layer.instances" --default '')" ]; then
    balanced=yes
  fi
done
if [ -n "$balanced" ]; then
  opsyard-agent file /run/opsyard/draining
  # One interval between health checks, and a little.
  opsyard-agent exec -- sleep 2.5
fi
opsyard-agent service "$apache" --stop
