# Stops the Tomcats of all apps, when they have answered what they have.
for app in $(ls /var/lib/opsyard-tomcat 2>/dev/null); do
  opsyard-agent service "opsyard-java-$app" --stop
done
