# nodejs-prepare.sh APP RELEASE readies a release of a Node.js app: opsworks.js,
# its certificate, and the modules that its package.json names.
app=$1 release=$2
user=$(opsyard-agent release user "$app")
shared=$(opsyard-agent attr "deploy.$app.deploy_to" --default "/srv/www/$app")/shared
opsyard-agent template opsworks.js.tmpl "$shared/config/opsworks.js" --private --set "app=$app" --owner "$user" --mode 0640
if [ "$(opsyard-agent attr "deploy.$app.ssl_support" --default false)" = true ]; then
  opsyard-agent template certificate.pem.tmpl "$shared/config/ssl.crt" --private --set "app=$app" --owner "$user" --mode 0640
  opsyard-agent file "$shared/config/ssl.key" --private "apps.$app.private_key" --owner "$user" --mode 0600
  if [ -n "$(opsyard-agent attr --private "apps.$app.chain" --default '')" ]; then
    opsyard-agent file "$shared/config/ssl.ca" --private "apps.$app.chain" --owner "$user" --mode 0640
  fi
fi
# The link is the user's own doing: a release is of unknown origin.
opsyard-agent exec --unless "[ '$release/opsworks.js' -ef '$shared/config/opsworks.js' ]" --user "$user" --cwd "$release" -- ln -sfn ../../shared/config/opsworks.js opsworks.js
if [ -f "$release/package.json" ]; then
  how=install
  if [ -f "$release/package-lock.json" ] || [ -f "$release/npm-shrinkwrap.json" ]; then
    how=ci
  fi
  command -v npm >/dev/null || opsyard-agent package npm --no-recommends
  opsyard-agent exec --creates "$release/tmp/.npm" --user "$user" --cwd "$release" -- \
    sh -c "npm $how --omit=dev --no-audit --no-fund --loglevel=warn && touch tmp/.npm"
fi
