# Has an app's Tomcat serve a release, and Nginx the Tomcat.
app=$1 release=${2:-none}
. files/tomcat.sh
base=$tomcats/$app
place=$(opsyard-agent attr "deploy.$app.deploy_to" --default "/srv/www/$app")/releases/$release
user=$(opsyard-agent release user "$app")

# What Tomcat serves: an unpacked web application, or the only WAR that a build
# has left.
docbase=$place/$(opsyard-agent attr "deploy.$app.document_root" --default '')
if [ ! -d "$docbase/WEB-INF" ]; then
  shopt -s nullglob
  wars=("$docbase"/*.war "$docbase"/target/*.war "$docbase"/build/libs/*.war)
  case ${#wars[@]} in
    0) ;;
    1) docbase=${wars[0]} ;;
    *) echo "The release has ${#wars[@]} WAR files, and only one can be served: ${wars[*]##*/}" >&2 && exit 1 ;;
  esac
fi

port=$(cat "$base/port" 2>/dev/null || bash files/port.sh)
for dir in "$base" "$base/conf" "$base/lib"; do
  opsyard-agent directory "$dir"
done
for dir in contexts webapps work temp; do
  opsyard-agent directory "$base/$dir" --owner "$user" --mode 0700
done
opsyard-agent file "$base/port" --content "$port"
opsyard-agent link "$conf/web.xml" "$base/conf/web.xml"
opsyard-agent link "$conf/catalina.properties" "$base/conf/catalina.properties"
for jar in mariadb-java-client postgresql postgresql-jdbc; do
  if [ -e "/usr/share/java/$jar.jar" ]; then
    opsyard-agent link "/usr/share/java/$jar.jar" "$base/lib/$jar.jar"
  fi
done

# Tomcat reads these when it starts.
running="! systemctl -q is-active 'opsyard-java-$app' || echo 'Tomcat heeds it when $app is restarted.'"
opsyard-agent template server.xml.tmpl "$base/conf/server.xml" --set "port=$port" --notify "$running"
opsyard-agent template java.args.tmpl "$base/java.args" --set "base=$base" --set "home=$home" --set "layer=$layer" \
  --set "heap=$(bash files/heap.sh)" --notify "$running"
opsyard-agent app environment "$app" "$base/environment" --format systemd --mode 0600 --notify "$running"
opsyard-agent template tomcat.service.tmpl "/etc/systemd/system/opsyard-java-$app.service" \
  --set "app=$app" --set "base=$base" --set "user=$user"
opsyard-agent service "opsyard-java-$app" --enable --start

# A new context is served beside the old one; see files/publish.sh.
opsyard-agent template context.xml.tmpl "$base/context.xml" --private --mode 0600 --set "app=$app" --set "docbase=$docbase" \
  --notify "bash -euo pipefail files/publish.sh $app $user"

(cd ../deploy && bash -euo pipefail files/site.sh app-site.conf.tmpl "$app" --set "upstream=127.0.0.1:$port")
