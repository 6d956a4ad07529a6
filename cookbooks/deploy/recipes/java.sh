# Deploys the Java apps of this command, each on a Tomcat of its own.
cd ../java
for app in $(opsyard-agent app list --type java); do
  bash -euo pipefail files/deploy.sh "$app"
done
