if grep -qs '^    puma (' Gemfile.lock; then
  exec bundle exec puma --bind "tcp://127.0.0.1:$PORT" --environment "$RAILS_ENV"
fi
# The distribution's Puma finds its own files also when Bundler hides all gems
# that the app does not name.
RUBYLIB=$(ruby -e 'print %w[puma nio4r].flat_map { |name| Gem::Specification.find_by_name(name).full_require_paths }.join(":")')
export RUBYLIB
exec puma --bind "tcp://127.0.0.1:$PORT" --environment "$RAILS_ENV"
