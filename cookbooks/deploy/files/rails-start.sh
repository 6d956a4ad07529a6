puma=puma
if grep -qs '^    puma (' Gemfile.lock; then
  puma='bundle exec puma'
fi
exec $puma --bind "tcp://127.0.0.1:$PORT" --environment "$RAILS_ENV"
