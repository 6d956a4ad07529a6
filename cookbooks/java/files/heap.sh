# Prints how many megabytes of heap each app may have: the Java apps of the stack
# share half of this host's memory.
percent=$(opsyard-agent attr opsworks_java.heap_percent --default 50)
apps=$(opsyard-agent attr opsworks.applications --json --default '[]' | grep -o '"application_type": *"java"' | wc -l)
awk -v percent="$percent" -v apps="$((apps > 0 ? apps : 1))" \
  '/^MemTotal/ { mb = int($2 / 1024 * percent / 100 / apps); print mb < 64 ? 64 : mb }' /proc/meminfo
