# Tomcat reads its environment and its options anew.
cd ../java
for app in $(opsyard-agent app list --type java); do
  opsyard-agent service "opsyard-java-$app" --restart
  opsyard-agent exec -- bash files/wait.sh "$app"
done
