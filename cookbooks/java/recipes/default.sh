# Setup of the Java app server layer: Tomcat, a Java runtime and the drivers of
# databases, all from the distribution. Nginx is in front (nginx::default).
. files/tomcat.sh
# Each app has a Tomcat of its own; the one of the package has nothing to serve.
opsyard-agent link /dev/null "/etc/systemd/system/$tomcat.service"
jvm=$(opsyard-agent attr "$layer.JvmVersion" --default '')
case $OPSYARD_OS_FAMILY in
  debian)
    jre=openjdk-$jvm-jre-headless
    [ "$(apt-cache policy "$jre" 2>/dev/null | sed -n 's/^ *Candidate: //p')" ] || jre=default-jre-headless
    opsyard-agent package "$tomcat" "$jre" libmariadb-java libpostgresql-jdbc-java --no-recommends
    ;;
  *)
    jre=java-$jvm-openjdk-headless
    dnf -q list "$jre" >/dev/null 2>&1 || jre=java-headless
    opsyard-agent package "$tomcat" "$jre" mariadb-java-client postgresql-jdbc
    ;;
esac
