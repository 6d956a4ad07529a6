# Setup of a custom layer that runs the programs of its apps.
opsyard-agent package logrotate --no-recommends
