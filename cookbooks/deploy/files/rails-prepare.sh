# rails-prepare.sh APP RELEASE ENV readies a release of a Rails app: its
# configuration, its gems and its assets.
app=$1 release=$2 rails_env=$3
user=$(opsyard-agent release user "$app")
shared=$(opsyard-agent attr "deploy.$app.deploy_to" --default "/srv/www/$app")/shared
# What is run here knows the app's environment, as the app does.
opsyard-agent app environment "$app" "$shared/config/environment.sh" --format shell --owner "$user" --mode 0600
as_app() { # WHAT FLAG… SCRIPT
  opsyard-agent exec "${@:2:$#-2}" --user "$user" --cwd "$release" -- bash -euo pipefail -c "# $1
. ../../shared/config/environment.sh
rails_env=$rails_env
$(cat files/rails-env.sh)
${!#}"
}

# The links are the user's own doing: a release is of unknown origin.
link() { as_app "link $1" --unless "[ '$release/$1' -ef '$shared/$1' ]" "ln -sfn '../../../shared/$1' '$1'"; }
opsyard-agent template memcached.yml.tmpl "$shared/config/memcached.yml" --set "env=$rails_env" --owner "$user" --mode 0640
link config/memcached.yml
if [ -n "$(opsyard-agent attr --private "apps.$app.database.host" --default '')" ]; then
  opsyard-agent template database.yml.tmpl "$shared/config/database.yml" --private --set "app=$app" --set "env=$rails_env" --owner "$user" --mode 0600
  link config/database.yml
fi

# Rails signs cookies with it. An app that brings its own keeps that.
own=$(opsyard-agent attr --private "apps.$app.environment" --default '' | grep -cxE 'SECRET_KEY_BASE|RAILS_MASTER_KEY' || true)
if [ "$own" = 0 ] && [ ! -e "$release/config/master.key" ]; then
  opsyard-agent exec --creates "$shared/config/secret_key_base" --user "$user" --cwd "$shared/config" -- \
    bash -euo pipefail -c 'umask 077; od -An -v -tx1 -N64 /dev/urandom | tr -d " \n" >.secret && mv .secret secret_key_base'
fi

if [ -f "$release/Gemfile" ] && [ "$(opsyard-agent attr --private "apps.$app.attributes.AutoBundleOnDeploy" --default true)" != false ]; then
  bash -euo pipefail files/rails-libraries.sh "$release/Gemfile.lock"
  as_app 'bundle install' --creates "$release/tmp/.bundled" "$(cat files/rails-bundle.sh)"
fi

# Assets that came compiled stay as they are.
if [ -d "$release/app/assets" ] && [ ! -e "$release/public/assets" ] &&
  grep -qsE '^    (sprockets-rails|propshaft|webpacker|shakapacker|vite_rails) \(' "$release/Gemfile.lock" &&
  [ "$(opsyard-agent attr "deploy.$app.assets_precompile" --default true)" != false ]; then
  as_app 'compile assets' --creates "$release/tmp/.assets" 'bin/rails assets:precompile && touch tmp/.assets'
fi
