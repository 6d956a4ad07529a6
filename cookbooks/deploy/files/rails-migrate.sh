if [ -f bin/rails ]; then
  bin/rails db:migrate
elif [ -f Gemfile ]; then
  bundle exec rake db:migrate
else
  rake db:migrate
fi
