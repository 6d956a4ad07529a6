# Ends the services of all apps, as at Shutdown, when requests have been answered.
for unit in $(systemctl list-units --plain --no-legend 'opsyard-app-*' | cut -d ' ' -f 1); do
  opsyard-agent service "$unit" --stop
done
