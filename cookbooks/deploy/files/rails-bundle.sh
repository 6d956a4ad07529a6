# Installs the gems that the release in this directory names, where all releases
# of the app share them.
bundle config set --local path "$PWD/../../shared/bundle"
bundle config set --local without development:test
if [ -f Gemfile.lock ]; then
  bundle config set --local deployment true
fi
bundle install --quiet
touch tmp/.bundled
