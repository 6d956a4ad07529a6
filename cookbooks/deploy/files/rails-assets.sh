# rails-assets.sh APP RELEASE SETTING compiles the assets of a Rails app that has
# some and brings none compiled.
app=$1 release=$2 setting=$3
if [ ! -d "$release/app/assets" ] || [ ! -f "$release/bin/rails" ] || [ -e "$release/public/assets" ] ||
  [ "$(opsyard-agent attr "deploy.$app.assets_precompile" --default true)" = false ]; then
  exit 0
fi
user=$(opsyard-agent attr "deploy.$app.user" --default deploy)
