# Brings all packages of the host up to date.
opsyard-agent package --upgrade-all
