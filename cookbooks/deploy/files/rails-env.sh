export RAILS_ENV=${RAILS_ENV:-$rails_env}
export RACK_ENV=${RACK_ENV:-$RAILS_ENV} RAILS_LOG_TO_STDOUT=${RAILS_LOG_TO_STDOUT:-1}
secret=$(cat ../../shared/config/secret_key_base 2>/dev/null || true)
if [ -z "${SECRET_KEY_BASE:-}" ] && [ -n "$secret" ]; then
  export SECRET_KEY_BASE=$secret
fi
