# Gives the running Tomcat the app's context as a new version of it and waits
# until that answers (Tomcat: "Parallel deployment"). New sessions begin there;
# the old version goes when its sessions have ended. Going back to an old release
# makes a new version too, for the highest one is served.
umask 077 # the context holds passwords
app=$1 user=$2
base=/var/lib/opsyard-tomcat/$app
cd "$base/contexts"
version=$(date -u +%Y%m%d%H%M%S)
last=$(ls | sed -n 's/^ROOT##\([0-9]*\)\.xml$/\1/p' | tail -n 1)
if [ -n "$last" ] && [ "$last" -ge "$version" ]; then
  version=$((last + 1))
fi
sed "s|path=\"/.opsyard/VERSION\"|path=\"/.opsyard/$version\"|" "$base/context.xml" >"$base/next.xml"
chown "$user" "$base/next.xml"
chmod 0600 "$base/next.xml"
mv "$base/next.xml" "ROOT##$version.xml"
if ! bash "$OLDPWD/files/wait.sh" "$app" "$version"; then
  rm -f "ROOT##$version.xml"
  exit 1
fi
# Sessions of the version before may go on, those before that have had their time.
ls | grep '^ROOT##[0-9]*\.xml$' | head -n -2 | xargs -r rm -f --
